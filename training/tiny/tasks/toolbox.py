"""The tools that conversations are about: names, parameters, ways to ask for them, and what they return."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.draw import DAYS, Draw, Phrases, phrases

Schema = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One argument of a tool.

    names: spellings of its key. schema: its JSON Schema. value: draws an argument for it.
    """

    names: tuple[str, ...]
    description: str
    schema: Schema
    value: Callable[[Draw], Any]
    required: bool = True


@dataclass(frozen=True)
class Kind:
    """One sort of tool.

    asks: requests whose slots name the parameters that the user gives. pairs: requests for two calls that differ in the
    first parameter, with slots `{0}` and `{1}`; None where nobody asks so.
    results: draws what the tool returns, a JSON value or a sentence.
    """

    names: Phrases
    descriptions: tuple[str, ...]
    parameters: dict[str, Parameter]
    asks: Phrases
    pairs: Phrases | None
    results: Callable[[Draw], Any]


def _string(*names: str, about: str, value: Callable[[Draw], Any]) -> Parameter:
    return Parameter(names, about, {"type": "string"}, value)


def _integer(*names: str, about: str, low: int, high: int, required: bool = True) -> Parameter:
    return Parameter(names, about, {"type": "integer"}, lambda draw: draw.pair(low, high)[0], required)


def _choice(*names: str, about: str, options: list[str], required: bool = True) -> Parameter:
    schema = {"type": "string", "enum": options}
    return Parameter(names, about, schema, lambda draw: draw.pick(options), required)


CITY = _string("city", "location", "place", "town", about="The name of the city, e.g. Paris", value=Draw.city)
PERSON = _string("name", "person", "to", "recipient", "contact", about="The name of the person", value=Draw.name)
DAY = _choice("day", "date", "weekday", about="The day of the week", options=DAYS, required=False)
ROOMS = ["kitchen", "bedroom", "bathroom", "garage", "office"]

WEATHER = Kind(
    phrases(
        "get_weather | get_current_weather | weather | getWeather | fetch_weather | weather_lookup | forecast",
        "check_weather | weather_report | read_weather",
    ),
    (
        "Get the current weather in a city.",
        "Returns the weather for a city.",
        "Look up the weather",
        "Current weather.",
    ),
    {
        "city": CITY,
        "unit": _choice("unit", "units", about="Temperature unit", options=["celsius", "fahrenheit"], required=False),
        "days": _integer("days", "num_days", about="Number of days", low=1, high=14, required=False),
    },
    phrases(
        "What is the weather in {city}? | Weather in {city}? | How is the weather in {city} today? | weather "
        "{city} | What's the weather like in {city}? | Tell me the weather in {city}. | Is it raining in {city}? | "
        "How warm is it in {city} in {unit}? | What is the weather in {city} in {unit}? | Is it cold in {city}? | "
        "Show the weather in {city} for {days} days. | Weather for {days} days in {city}? | Check the weather in "
        "{city}.",
        "How is the weather in {city}? | Please tell me the weather in {city} in {unit}. | What weather does "
        "{city} have?",
    ),
    phrases(
        "What is the weather in {0} and {1}? | Compare the weather in {0} and {1}. | Weather in {0} and in {1}?",
        "How is the weather in {0} and {1}? | Tell me the weather for {0} and {1}.",
    ),
    lambda draw: draw.pick(
        [
            {
                "temperature": draw.number(-9, 39),
                "condition": draw.pick(["sunny", "rainy", "cloudy", "windy", "snowy"]),
            },
            {"temperature": draw.number(-9, 39)},
            draw.pick(["It is sunny.", "It is raining.", "It will snow.", "It is cloudy and warm.", "sunny", "rainy"]),
        ]
    ),
)
TIME = Kind(
    phrases("get_time | current_time | time_in_city | getTime | clock", "world_clock | check_time"),
    ("Get the local time of a city.", "Returns the time in a city.", "What time it is somewhere"),
    {"city": CITY},
    phrases(
        "What time is it in {city}? | Tell me the time in {city}. | Time in {city}? | What's the time in {city}?",
        "Which time is it in {city}? | Could you tell me the time in {city}?",
    ),
    phrases("What time is it in {0} and {1}? | Time in {0} and {1}?", "Tell me the time in {0} and in {1}."),
    lambda draw: draw.pick([{"time": draw.clock()}, draw.clock(), {"hour": draw.number(0, 23)}]),
)
SEARCH = Kind(
    phrases("search | web_search | search_web | find | lookup | search_docs", "query_index | search_all"),
    ("Search the web.", "Searches for documents that match a query.", "Find pages about something."),
    {
        "query": _string(
            "query", "q", "text", "keywords", about="What to search for", value=lambda draw: draw.words(1, 3)
        ),
        "limit": _integer(
            "limit", "max_results", "k", about="Maximum number of results", low=1, high=20, required=False
        ),
    },
    phrases(
        "Search for {query}. | Look up {query}. | Find {query}. | Search the web for {query}. | Search {query} | "
        "Find {limit} results for {query}. | Search for {query} and show {limit} results. | Can you look up "
        "{query}?",
        "Please search for {query}. | Show me {limit} results for {query}. | Look for {query}.",
    ),
    phrases("Search for {0} and for {1}. | Look up {0} and {1}.", "Please search for {0} and {1}."),
    lambda draw: draw.pick([{"results": [draw.word(), draw.word()]}, {"title": draw.words(1, 2)}, "No results."]),
)
MESSAGE = Kind(
    phrases("send_message | sendMessage | message | send_sms | text_person", "write_message | send_note"),
    ("Send a message to a person.", "Sends a text message", "Message someone."),
    {
        "to": PERSON,
        "text": _string(
            "text", "message", "body", "content", about="The text to send", value=lambda draw: draw.words(1, 4)
        ),
    },
    phrases(
        'Send {to} the message {text} | Tell {to}: {text} | Message {to}: {text} | Send "{text}" to {to}. | Write '
        '"{text}" to {to}. | Send a message to {to} saying {text} | Text {to}: {text}',
        'Please send "{text}" to {to}. | Send a text to {to}: {text}',
    ),
    None,
    lambda draw: draw.pick([{"status": "sent"}, "ok", "sent", {"status": "failed"}]),
)
CALL = Kind(
    phrases("call_person | call | phone_call | dial | start_call", "make_call | ring_person"),
    ("Call a person on the phone.", "Starts a phone call", "Dial someone."),
    {"name": PERSON},
    phrases(
        "Call {name}. | Please call {name}. | Phone {name}. | Can you call {name}? | I want to call {name}.",
        "Give {name} a call. | Could you call {name}?",
    ),
    phrases("Call {0} and {1}. | Please call {0} and then {1}.", "Could you call {0} and {1}?"),
    lambda draw: draw.pick([{"status": draw.pick(["busy", "connected", "failed"])}, "connected", "No answer."]),
)
PRICE = Kind(
    phrases("get_price | price | lookup_price | item_price | getPrice", "check_price | price_of"),
    ("Get the price of an item.", "Returns what an item costs", "Price lookup."),
    {"item": _string("item", "product", "article", about="The item", value=Draw.thing)},
    phrases(
        "How much is a {item}? | What is the price of a {item}? | Price of {item}? | What does a {item} cost?",
        "Tell me the price of a {item}. | How much does a {item} cost?",
    ),
    phrases(
        "How much is a {0} and a {1}? | Compare the prices of {0} and {1}.", "What is the price of a {0} and a {1}?"
    ),
    lambda draw: draw.pick(
        [{"price": draw.number(1, 99)}, {"price": draw.number(1, 99), "currency": "EUR"}, draw.code()]
    ),
)
ORDER = Kind(
    phrases("order_item | order | buy | create_order | add_to_cart", "place_order | purchase_item"),
    ("Order an item from the shop.", "Adds items to the cart", "Buy something."),
    {
        "item": _string("item", "product", "article", about="What to order", value=Draw.thing),
        "quantity": _integer("quantity", "count", "amount", about="How many", low=2, high=50),
    },
    phrases(
        "Order {quantity} of the {item}. | Buy {quantity} {item}. | I want to order {quantity} {item}. | Order "
        "{quantity} {item} | Please add {quantity} {item} to my cart. | Get me {quantity} {item}.",
        "Please order {quantity} {item}. | I would like to buy {quantity} of the {item}.",
    ),
    None,
    lambda draw: draw.pick([{"order": draw.code(), "status": "ok"}, {"order": draw.code()}, "ordered"]),
)
TRACK = Kind(
    phrases("get_order | order_status | track_order | lookup_order | getOrder", "find_order | check_order"),
    ("Get the status of an order.", "Looks up an order by its number", "Track a parcel."),
    {"order_id": _string("order_id", "id", "order", "number", about="The order number", value=Draw.code)},
    phrases(
        "Where is my order {order_id}? | Track order {order_id}. | What is the status of order {order_id}? | Order "
        "{order_id}?",
        "Please track my order {order_id}. | Show the status of order {order_id}.",
    ),
    phrases("Track the orders {0} and {1}. | Where are the orders {0} and {1}?", "Please track {0} and {1}."),
    lambda draw: draw.pick(
        [{"status": draw.pick(["shipped", "open", "lost"])}, {"status": "shipped", "day": draw.pick(DAYS)}]
    ),
)
LIGHT = Kind(
    phrases("set_light | light | switch_light | control_light | setLight", "toggle_light | room_light"),
    ("Switch the light in a room on or off.", "Controls the lights", "Set a light."),
    {
        "room": _choice("room", "area", about="The room", options=ROOMS),
        "state": _choice("state", "power", "value", about="on or off", options=["on", "off"]),
    },
    phrases(
        "Turn {state} the light in the {room}. | Switch the {room} light {state}. | Turn the {room} light {state}.",
        "Please turn the light in the {room} {state}. | Switch {state} the light in the {room}.",
    ),
    None,
    lambda draw: draw.pick([{"status": "ok"}, "done", "ok"]),
)
ALARM = Kind(
    phrases("set_alarm | alarm | create_alarm | setAlarm | add_alarm", "new_alarm | wake_me"),
    ("Set an alarm.", "Creates an alarm at a time", "Wakes the user up."),
    {"time": _string("time", "at", "clock", about="Time as HH:MM", value=Draw.clock), "day": DAY},
    phrases(
        "Set an alarm for {time}. | Wake me at {time}. | Set an alarm at {time} on {day}. | Alarm at {time} on {day}",
        "Please wake me up at {time}. | Set the alarm to {time} on {day}.",
    ),
    phrases("Set alarms for {0} and {1}. | Wake me at {0} and at {1}.", "Please set alarms at {0} and {1}."),
    lambda draw: draw.pick([{"status": "set"}, "ok", {"status": "set", "alarm": draw.number(1, 9)}]),
)
FLIGHT = Kind(
    phrases("book_flight | find_flight | search_flights | flight | bookFlight", "reserve_flight | get_flight"),
    ("Book a flight between two cities.", "Finds flights", "Search for a flight."),
    {
        "origin": _string("origin", "from", "departure", about="Where the flight starts", value=Draw.city),
        "destination": _string("destination", "to", "arrival", about="Where the flight goes", value=Draw.city),
        "day": DAY,
    },
    phrases(
        "Book a flight from {origin} to {destination}. | Find a flight from {origin} to {destination} on {day}. | "
        "I want to fly from {origin} to {destination} on {day}. | Fly to {destination} from {origin}. | Flight "
        "from {origin} to {destination} | Book me a flight to {destination} from {origin} on {day}.",
        "Please book a flight from {origin} to {destination} on {day}. | I need a flight from {origin} to "
        "{destination}.",
    ),
    None,
    lambda draw: draw.pick(
        [{"flight": draw.code(), "price": draw.number(20, 900)}, {"status": "booked"}, "No flights."]
    ),
)
SUM = Kind(
    phrases("add | sum | calculate_sum | add_numbers | plus", "compute_sum | addition"),
    ("Add two numbers.", "Returns the sum of two integers", "Adds a and b."),
    {
        "a": _integer("a", "x", "first", "left", about="The first number", low=0, high=999),
        "b": _integer("b", "y", "second", "right", about="The second number", low=0, high=999),
    },
    phrases(
        "What is {a} + {b}? | Add {a} and {b}. | Calculate {a} + {b}. | {a} + {b} | What is {a} plus {b}?",
        "Please add {a} and {b}. | How much is {a} plus {b}?",
    ),
    None,
    lambda draw: draw.pick(
        [str(draw.number(0, 1998)), {"result": draw.number(0, 1998)}, {"sum": draw.number(0, 1998)}]
    ),
)
VOLUME = Kind(
    phrases("set_volume | volume | change_volume | setVolume | audio_volume", "adjust_volume | sound_level"),
    ("Set the volume of the speaker.", "Changes the volume", "Volume from 0 to 100."),
    {"level": _integer("level", "volume", "value", "percent", about="Volume from 0 to 100", low=0, high=100)},
    phrases(
        "Set the volume to {level}. | Volume {level} | Turn the volume to {level}. | Change the volume to {level}.",
        "Please set the volume to {level}. | Put the volume at {level}.",
    ),
    None,
    lambda draw: draw.pick([{"status": "ok"}, "done", {"volume": draw.number(0, 100)}]),
)
USER = Kind(
    phrases("get_user | find_user | user_info | lookup_user | getUser", "show_user | read_user"),
    ("Get a user by name.", "Looks up a user", "Returns the profile of a user."),
    {"user": _string("user", "username", "login", "id", about="The login name", value=Draw.word)},
    phrases(
        "Show the user {user}. | Find the user {user}. | Who is the user {user}? | Look up user {user}. | Get user "
        "{user}",
        "Please show the user {user}. | Give me the user {user}.",
    ),
    phrases("Show the users {0} and {1}. | Find the users {0} and {1}.", "Please show the users {0} and {1}."),
    lambda draw: draw.pick(
        [{"name": draw.name(), "age": draw.number(18, 90)}, {"email": f"{draw.word()}@{draw.word()}.com"}]
    ),
)
KINDS = (WEATHER, TIME, SEARCH, MESSAGE, CALL, PRICE, ORDER, TRACK, LIGHT, ALARM, FLIGHT, SUM, VOLUME, USER)
