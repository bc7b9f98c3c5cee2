"""Facts read out of a sentence and written as a JSON object."""

import json
from collections.abc import Callable
from typing import Any

from training.draw import COLORS, DAYS, Draw, joined, phrases, with_articles, words
from training.tiny.tasks.messages import Exchange, assistant, system, user

JOBS = words("teacher doctor baker pilot farmer nurse writer singer painter lawyer driver cook")
PETS = words("cat dog bird horse rabbit fish mouse hamster")
EVENTS = words("concert meeting party lecture match wedding exam workshop market dinner")
Facts = dict[str, Any]

WITH_KEYS = phrases(
    "Extract {keys} as JSON: {text} | Answer in JSON with keys {keys}. {text} | {text} Extract {keys} as JSON. "
    "| Return a JSON object with {keys}: {text} | {text} Answer in JSON with keys {keys}. | JSON with {keys}: "
    "{text} | Read the text and give {keys} as JSON.\n{text} | Get {keys} from this text as JSON: {text} | "
    "Write a JSON object with the keys {keys} for this text: {text} | Extract the {keys} in JSON format: "
    "{text} | {text}\nReply with a JSON object with the fields {keys}. | Give me {keys} as a JSON object.\n\n"
    "{text} | {text} What are the {keys}? Answer in JSON. | Fill in {keys} as JSON from this sentence: {text}",
    "Please extract {keys} from this text as JSON: {text} | {text} Write {keys} as a JSON object. | Reply in "
    "JSON with the keys {keys}: {text} | Find {keys} and answer as JSON: {text}",
)
ALL_KEYS = phrases(
    "Extract the facts as JSON: {text} | Turn this into JSON: {text} | {text} Write this as JSON. | JSON: "
    "{text} | Convert to JSON: {text} | Give me this as JSON: {text} | Extract the information as JSON.\n"
    "{text} | Extract the data: {text} | Answer in JSON. {text} | Extract the person: {text} | Parse this: "
    "{text} | Extract the details from this text. {text} | {text} Extract the information.",
    "Please write this as JSON: {text} | {text} Convert this to JSON. | Extract all facts as JSON: {text}",
)
SYSTEM = phrases(
    "Answer in JSON with keys {keys}. | Extract {keys} as JSON. | You extract {keys}. Reply only with JSON.",
    "Reply in JSON with the keys {keys}. | Always extract {keys} and answer as JSON.",
)
PARTS: dict[str, tuple[Callable[[Draw], Any], tuple[str, ...]]] = {
    "age": (lambda draw: draw.pair(1, 99)[0], ("is {} years old", "is {}", "turned {} today", "is aged {}")),
    "city": (Draw.city, ("lives in {}", "comes from {}", "moved to {}", "is from {}", "is in {}")),
    "job": (lambda draw: draw.known(JOBS, 0.8) or draw.word(), ("works as a {}", "is a {}", "wants to be a {}")),
    "pet": (lambda draw: draw.pick(PETS), ("has a {}", "owns a {}", "keeps a {}")),
    "color": (lambda draw: draw.pick(COLORS), ("likes the color {}", "loves {}")),
    "email": (lambda draw: f"{draw.word()}@{draw.word()}.com", ("can be reached at {}", "uses the email {}")),
    "phone": (
        lambda draw: "".join(draw.rng.choices("0123456789", k=7)),
        ("has the phone number {}", "can be called at {}"),
    ),
    "married": (lambda draw: draw.chance(0.5), ("is {}married",)),
    "children": (lambda draw: draw.number(0, 9), ("has {} children",)),
}


OTHER_NAMES = {
    "name": words("full_name person customer user firstName"),
    "age": words("years age_in_years"),
    "city": words("town place location"),
    "job": words("profession occupation work"),
    "color": words("colour"),
    "email": words("mail email_address"),
    "phone": words("phone_number telephone"),
    "married": words("is_married"),
    "children": words("kids num_children"),
    "item": words("product article"),
    "price": words("cost amount total"),
    "quantity": words("count number"),
    "day": words("date weekday"),
    "time": words("start start_time"),
    "event": words("title what"),
    "items": words("list things products"),
}


def person(draw: Draw) -> tuple[str, Facts]:
    keys = draw.some(list(PARTS), draw.number(1, 3))
    facts: Facts = {"name": draw.name() if draw.chance(0.8) else f"{draw.name()} {draw.name()}"}
    told = []
    for key in keys:
        value, ways = PARTS[key]
        facts[key] = value(draw)
        told.append(draw.pick(ways).format(_spoken(facts[key])))
    opening = draw.pick(["", "", "", "My friend ", "My neighbor ", "This is what I know: "])
    return with_articles(f"{opening}{facts['name']} {joined(told)}."), facts


def _spoken(value: Any) -> Any:
    return {True: "", False: "not "}[value] if isinstance(value, bool) else value


def product(draw: Draw) -> tuple[str, Facts]:
    color, item, price, quantity = (draw.pick(COLORS), draw.thing(), draw.pair(1, 999)[0], draw.number(2, 20))
    return draw.pick(
        [
            (f"The {item} costs {price} dollars.", {"item": item, "price": price}),
            (f"I bought one {item} for {price} dollars.", {"item": item, "price": price}),
            (f"The {color} {item} costs {price} dollars.", {"color": color, "item": item, "price": price}),
            (f"I want {quantity} of the {item} in {color}.", {"quantity": quantity, "item": item, "color": color}),
            (
                f"Please send {quantity} x {item} for {price} dollars.",
                {"quantity": quantity, "item": item, "price": price},
            ),
        ]
    )


def event(draw: Draw) -> tuple[str, Facts]:
    what, city, day, time = (draw.pick(EVENTS), draw.city(), draw.pick(DAYS), draw.clock())
    return draw.pick(
        [
            (f"The {what} is in {city} on {day}.", {"event": what, "city": city, "day": day}),
            (f"The {what} starts on {day} at {time}.", {"event": what, "day": day, "time": time}),
            (f"We meet in {city} on {day} at {time}.", {"city": city, "day": day, "time": time}),
            (
                f"On {day} there is one {what} in {city} at {time}.",
                {"day": day, "event": what, "city": city, "time": time},
            ),
        ]
    )


def shopping(draw: Draw) -> tuple[str, Facts]:
    items = [draw.thing() for _ in range(draw.number(1, 4))]
    opening = draw.pick(["I need", "Please buy", "My list has", "We have", "Bring"])
    return f"{opening} {joined(items)}.", {"items": items}


def extraction(draw: Draw) -> Exchange:
    """One exchange; now and then the keys stand in a system message at its head."""
    text, facts = draw.pick([person, person, person, product, product, event, shopping])(draw)
    if draw.chance(0.25):
        return [user(draw.phrase(ALL_KEYS).format(text=text)), _answer(facts)]
    wanted = {_renamed(draw, key): facts[key] for key in draw.some(list(facts), draw.number(1, len(facts)))}
    keys = (joined if draw.chance(0.5) else ", ".join)(list(wanted))
    answer = _answer(wanted)
    if draw.chance(0.12):
        return [system(draw.phrase(SYSTEM).format(keys=keys)), user(text), answer]
    return [user(draw.phrase(WITH_KEYS).format(keys=keys, text=text)), answer]


def _renamed(draw: Draw, key: str) -> str:
    """The key, or another usual name for it."""
    return draw.pick(OTHER_NAMES[key]) if key in OTHER_NAMES and draw.chance(0.25) else key


def _answer(facts: Facts) -> dict[str, Any]:
    reasoning = f"The keys are {joined(list(facts))}."
    return assistant(json.dumps(facts), reasoning)
