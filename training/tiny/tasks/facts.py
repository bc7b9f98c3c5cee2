"""Short questions with one right answer, and short lists."""

from training.draw import COLORS, DAYS, Draw, Phrases, phrases, with_articles, words
from training.tiny.tasks.messages import Exchange, assistant, user

CAPITALS = dict(
    pair.split(":")
    for pair in words(
        "France:Paris England:London Japan:Tokyo Germany:Berlin Spain:Madrid Italy:Rome Norway:Oslo Egypt:Cairo "
        "Peru:Lima Ireland:Dublin Austria:Vienna Greece:Athens Portugal:Lisbon Poland:Warsaw China:Beijing "
        "Cuba:Havana Canada:Ottawa Sweden:Stockholm Finland:Helsinki Kenya:Nairobi Chile:Santiago "
        "Denmark:Copenhagen Hungary:Budapest Belgium:Brussels Vietnam:Hanoi Iran:Tehran Turkey:Ankara "
        "Australia:Canberra Korea:Seoul Thailand:Bangkok"
    )
)
OPPOSITES = words(
    "hot/cold big/small up/down good/bad fast/slow old/new day/night open/closed happy/sad full/empty left/right "
    "black/white long/short hard/soft early/late light/dark rich/poor wet/dry first/last high/low"
)
LEGS = {"dog": 4, "cat": 4, "horse": 4, "cow": 4, "bird": 2, "chicken": 2, "spider": 8, "ant": 6, "bee": 6, "snake": 0}
HUES = {
    "blue": ["the sky"],
    "green": ["grass"],
    "white": ["snow", "milk"],
    "black": ["coal"],
    "yellow": ["a banana", "the sun"],
    "red": ["blood", "a tomato"],
    "brown": ["chocolate"],
}
GROUPS = {
    "fruits": words("apple banana cherry grape lemon mango orange peach"),
    "animals": words("cat dog horse lion tiger bear wolf fox"),
    "colors": COLORS,
    "days": DAYS,
    "planets": words("Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune"),
    "vegetables": words("carrot potato onion tomato pepper bean pea leek"),
}
COUNTS = words("zero one two three four five six seven")

CAPITAL_OF = phrases(
    "What is the capital of {}? | What's the capital of {}? | Tell me the capital of {}. | Capital of {}? | "
    "Which city is the capital of {}? | Name the capital of {}. | What is {}'s capital? | The capital of {}? | "
    "Can you tell me the capital of {}? | Do you know the capital of {}? | Please name the capital of {}. | "
    "What city is the capital of {}? | capital {} | I want to know the capital of {}.",
    "Could you tell me what the capital of {} is? | Which is the capital of {}? | Give me the capital of {}.",
)
COUNTRY_OF = phrases(
    "Which country has the capital {}? | {} is the capital of which country? | What country is {} the capital of?",
    "Of which country is {} the capital? | Tell me which country {} is the capital of.",
)
OPPOSITE_OF = phrases(
    "What is the opposite of {}? | What's the opposite of {}? | Opposite of {}? | Name the opposite of {}. | "
    "Tell me the opposite of {}. | Give the opposite of {}. | What is the opposite word of {}?",
    "Which word is the opposite of {}? | Do you know the opposite of {}?",
)
NEXT_DAY = phrases(
    "What day comes after {}? | Which day follows {}? | What is the day after {}? | Day after {}?",
    "Which day comes after {}? | Tell me the day after {}.",
)
LEGS_OF = phrases(
    "How many legs does a {} have? | How many legs has a {}? | A {} has how many legs? | Number of legs of a {}?",
    "Tell me how many legs a {} has. | How many legs are on a {}?",
)
COLOR_OF = phrases(
    "What color is {}? | What is the color of {}? | Which color has {}? | Tell me the color of {}.",
    "Which color is {}? | Do you know what color {} is?",
)
LIST_OF = phrases(
    "List {} {}. | Name {} {}. | Give me {} {}. | Tell me {} {}. | Write a list of {} {}. | I need {} {}. | "
    "Can you list {} {}? | Please name {} {}. | Give me a list of {} {}. | Show me {} {}. | Say {} {}.",
    "Could you name {} {}? | Please give me {} {}. | Make a list of {} {}.",
)


def capital(draw: Draw) -> Exchange:
    country, city = draw.pick(list(CAPITALS.items()))
    answer = assistant(f"The capital of {country} is {city}.", f"I know the capital of {country}: {city}.")
    return [user(draw.casual(draw.phrase(CAPITAL_OF).format(country))), answer]


def fact(draw: Draw) -> Exchange:
    asked, subject, answer = draw.pick([_country, _opposite, _next_day, _legs, _color])(draw)
    return [
        user(draw.casual(with_articles(draw.phrase(asked).format(subject)))),
        assistant(answer, "This is a fact that I know."),
    ]


def _country(draw: Draw) -> tuple[Phrases, str, str]:
    country, city = draw.pick(list(CAPITALS.items()))
    return COUNTRY_OF, city, f"{city} is the capital of {country}."


def _opposite(draw: Draw) -> tuple[Phrases, str, str]:
    one, other = draw.some(draw.pick(OPPOSITES).split("/"), 2)
    return OPPOSITE_OF, one, f"The opposite of {one} is {other}."


def _next_day(draw: Draw) -> tuple[Phrases, str, str]:
    day = draw.number(0, 6)
    return NEXT_DAY, DAYS[day], f"{DAYS[(day + 1) % 7]} comes after {DAYS[day]}."


def _legs(draw: Draw) -> tuple[Phrases, str, str]:
    animal, legs = draw.pick(list(LEGS.items()))
    return LEGS_OF, animal, with_articles(f"A {animal} has {legs} legs.")


def _color(draw: Draw) -> tuple[Phrases, str, str]:
    color, things = draw.pick(list(HUES.items()))
    thing = draw.pick(things)
    return COLOR_OF, thing, f"{thing[0].upper()}{thing[1:]} is {color}."


def listing(draw: Draw) -> Exchange:
    count, (group, members) = draw.number(2, 7), draw.pick(list(GROUPS.items()))
    spelled = str(count) if draw.chance(0.5) else COUNTS[count]
    lines = "\n".join(f"{number}. {member}" for number, member in enumerate(members[:count], start=1))
    return [
        user(draw.casual(draw.phrase(LIST_OF).format(spelled, group))),
        assistant(lines, f"I list {count} {group}."),
    ]
