"""Sums, comparisons and counting, with the steps as reasoning."""

from training.draw import Draw, phrases
from training.tiny.tasks.messages import Exchange, assistant, user

ADD = phrases(
    "What is {} + {}? | {} + {} | {}+{} | Add {} and {}. | Calculate {} + {} | What is {} plus {}? | {} plus "
    "{} | How much is {} + {}? | {} + {} = | Compute {} + {}. | What's {} + {}? | Sum of {} and {}? | {}+{}=? "
    "| What is the sum of {} and {}? | Can you add {} and {}? | Please calculate {} plus {}. | {} + {} = ?",
    "Tell me what {} + {} is. | How much is {} plus {}? | Please add {} and {}.",
)
SUBTRACT = phrases(
    "What is {} - {}? | {} - {} | {}-{} | Calculate {} - {} | What is {} minus {}? | {} minus {} | {} - {} = | "
    "How much is {} - {}? | Compute {} - {}. | What's {} - {}? | Please calculate {} minus {}. | {}-{}=?",
    "Tell me what {} - {} is. | How much is {} minus {}?",
)
MULTIPLY = phrases(
    "What is {} * {}? | {} * {} | {}*{} | Calculate {} * {} | What is {} times {}? | {} times {} | {} x {} | "
    "How much is {} * {}? | Compute {} * {}. | What's {} times {}? | Multiply {} and {}. | Multiply {} by {}.",
    "Tell me what {} * {} is. | How much is {} times {}?",
)
BIGGER = phrases(
    "Which is bigger, {} or {}? | Which number is larger: {} or {}? | What is bigger, {} or {}? | Larger: {} "
    "or {}? | Is {} or {} bigger? | Which is greater, {} or {}? | Compare {} and {}. | Tell me which is "
    "larger, {} or {}.",
    "Which one is bigger: {} or {}? | What is larger, {} or {}? | Is {} or {} the larger number?",
)
SMALLER = phrases(
    "Which is smaller, {} or {}? | Which number is smaller: {} or {}? | What is smaller, {} or {}? | Is {} or "
    "{} smaller? | Which is less, {} or {}? | Tell me which is smaller, {} or {}. | Smaller: {} or {}?",
    "Which one is smaller: {} or {}? | Is {} or {} the smaller number?",
)
COUNT = phrases(
    "Count from {} to {}. | Count from {} up to {} | Please count from {} to {}. | Can you count from {} to {}?",
    "Count upwards from {} to {}. | Could you count from {} to {}?",
)
COUNT_DOWN = phrases(
    "Count down from {} to {}. | Count backwards from {} to {}. | Please count down from {} to {}.",
    "Can you count down from {} to {}? | Count backward from {} down to {}.",
)
HOW_MANY = phrases(
    "How many items are in this list: {}? | How many words are here: {}? | Count the items: {} | Count: {} | "
    "How many things are these: {}? | Count these: {} | How many items: {} | How many are there: {}?",
    "Count the things in this list: {} | How many items do you see: {}?",
)


def addition(draw: Draw) -> Exchange:
    a, b = draw.pair(0, 9) if draw.chance(0.25) else draw.pair(0, 99)
    steps = f"{_column_sum(a, b)} So {a} + {b} = {a + b}."
    return [user(draw.casual(draw.phrase(ADD).format(a, b))), assistant(f"{a} + {b} = {a + b}.", steps)]


def _column_sum(a: int, b: int) -> str:
    ones = a % 10 + b % 10
    carry, tens = ones // 10, a // 10 + b // 10 + ones // 10
    return f"{a % 10} + {b % 10} = {ones}, carry {carry}. {a // 10} + {b // 10} + {carry} = {tens}."


def subtraction(draw: Draw) -> Exchange:
    a, b = sorted(draw.pair(0, 20), reverse=True)
    answer = assistant(f"{a} - {b} = {a - b}.", f"I take {b} away from {a}. {a - b} is left.")
    return [user(draw.casual(draw.phrase(SUBTRACT).format(a, b))), answer]


def multiplication(draw: Draw) -> Exchange:
    a, b = draw.number(0, 10), draw.number(0, 10)
    answer = assistant(f"{a} * {b} = {a * b}.", f"I know the table of {a}.")
    return [user(draw.casual(draw.phrase(MULTIPLY).format(a, b))), answer]


def comparison(draw: Draw) -> Exchange:
    a, b = draw.pair(0, 99)
    bigger = draw.chance(0.6)
    asked = user(draw.casual(draw.phrase(BIGGER if bigger else SMALLER).format(a, b)))
    if a == b:
        return [asked, assistant(f"{a} and {b} are equal.", f"I compare {a} and {b}. They are the same.")]
    reasoning = f"I compare {a} and {b}. {min(a, b)} comes before {max(a, b)}."
    return [asked, assistant(f"{max(a, b)} is bigger." if bigger else f"{min(a, b)} is smaller.", reasoning)]


def counting(draw: Draw) -> Exchange:
    low = draw.pair(0, 40)[0]
    high = low + draw.number(2, 9)
    down = draw.chance(0.3)
    first, last = (high, low) if down else (low, high)
    numbers = range(high, low - 1, -1) if down else range(low, high + 1)
    asked = draw.casual(draw.phrase(COUNT_DOWN if down else COUNT).format(first, last))
    return [user(asked), assistant(", ".join(map(str, numbers)), f"I start at {first} and stop at {last}.")]


def how_many(draw: Draw) -> Exchange:
    items = [draw.thing() for _ in range(draw.number(1, 7))]
    steps = " ".join(f"{number} {item}." for number, item in enumerate(items, start=1))
    return [user(draw.phrase(HOW_MANY).format(", ".join(items))), assistant(str(len(items)), steps)]
