"""Words to say back and things to remember over turns."""

from dataclasses import dataclass

from training.draw import COLORS, Draw, Phrases, phrases
from training.tiny.tasks.messages import Exchange, assistant, user

REPEAT = phrases(
    "Repeat after me: {} | Say: {} | Repeat: {} | Please repeat: {} | Say this: {} | Echo: {} | Copy this: {} "
    '| Repeat these words: {} | Say after me: {} | Repeat "{}" | Say "{}" | Write this: {} | Repeat this text: '
    "{} | Repeat the following: {} | Can you repeat this: {} | Say exactly: {} | Output: {} | Print: {}",
    "Please say: {} | Repeat these exactly: {} | Copy these words: {} | Could you repeat: {}",
)


@dataclass(frozen=True)
class Remembered:
    """Something the user says about themselves: how it is told, acknowledged, asked for and answered."""

    kind: str
    told: Phrases
    noted: str
    asked: Phrases
    answer: str


REMEMBERED = (
    Remembered(
        "name",
        phrases(
            "My name is {}. | I am {}. | Hi, my name is {}. | Hello, I am {}. | I'm {}. | You can call me {}.",
            "Hey, my name is {}. | By the way, I am {}. | Hello! My name is {}.",
        ),
        "Nice to meet you, {}!",
        phrases(
            "What is my name? | Who am I? | Do you know my name? | Tell me my name. | What's my name?",
            "Do you remember my name? | So what is my name? | Can you tell me my name?",
        ),
        "Your name is {}.",
    ),
    Remembered(
        "city",
        phrases(
            "I live in {}. | I live in {} now. | My home is in {}. | I moved to {}. | My city is {}.",
            "By the way, I live in {}. | My home city is {}.",
        ),
        "{} sounds like a nice place!",
        phrases(
            "Where do I live? | Which city do I live in? | Do you know where I live? | What is my city?",
            "Do you remember where I live? | In which city do I live?",
        ),
        "You live in {}.",
    ),
    Remembered(
        "color",
        phrases(
            "My favorite color is {}. | I like the color {} best. | I love the color {}. | My color is {}.",
            "The color that I like best is {}. | By the way, my favorite color is {}.",
        ),
        "{} is a good color. I will remember it.",
        phrases(
            "What is my favorite color? | Which color do I like? | Do you know my favorite color?",
            "Do you remember my favorite color? | Which color do I like best?",
        ),
        "Your favorite color is {}.",
    ),
    Remembered(
        "dog",
        phrases(
            "My dog is called {}. | I have a dog named {}. | My dog's name is {}. | My dog is {}.",
            "My dog has the name {}. | I have a dog called {}.",
        ),
        "{} is a lovely name for a dog!",
        phrases(
            "What is my dog called? | What is my dog's name? | Do you know my dog's name? | Who is my dog?",
            "How is my dog called? | Do you remember my dog's name?",
        ),
        "Your dog is called {}.",
    ),
    Remembered(
        "number",
        phrases(
            "Remember the number {}. | My lucky number is {}. | My number is {}. | Keep the number {} in mind.",
            "Please remember the number {}. | Note the number {}.",
        ),
        "I will remember the number {}.",
        phrases(
            "What is my number? | What was the number? | Which number did I tell you? | Tell me my number.",
            "Do you remember my number? | So which number was it?",
        ),
        "The number is {}.",
    ),
)


def repeat(draw: Draw) -> Exchange:
    if draw.chance(0.75):
        text = draw.words(1, 6)
    else:
        text = " ".join(draw.pick([draw.name, draw.city, draw.thing, draw.code])() for _ in range(draw.number(1, 4)))
    return [user(draw.phrase(REPEAT).format(text)), assistant(text, "I say the same words.")]


def telling(draw: Draw) -> tuple[Exchange, Exchange]:
    """Two exchanges: the user tells something; the user asks for it. Others may stand between them."""
    fact = draw.pick(REMEMBERED) if draw.chance(0.6) else REMEMBERED[0]
    value = _value(draw, fact.kind)
    noted = fact.noted.format(value[:1].upper() + value[1:] if fact.noted.startswith("{}") else value)
    told = [user(draw.phrase(fact.told).format(value)), assistant(noted, f"The user tells me: {fact.kind} {value}.")]
    recalled = assistant(fact.answer.format(value), f"The user told me: {fact.kind} {value}.")
    return told, [user(draw.casual(draw.phrase(fact.asked))), recalled]


def _value(draw: Draw, kind: str) -> str:
    draws = {"name": draw.name, "dog": draw.name, "city": draw.city, "number": lambda: str(draw.pair(0, 99)[0])}
    return draws[kind]() if kind in draws else draw.pick(COLORS)
