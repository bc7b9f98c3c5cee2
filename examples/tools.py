"""The model calls functions, which run here, and answers from their results: `python examples/tools.py [BASE_URL]`.

The arguments follow the parameters' schema, so they can be given to the function as they are.
"""

import json
import sys

from openai import OpenAI

base_url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000/v1"
client = OpenAI(base_url=base_url, api_key="unused")
model = client.models.list().data[0].id


def get_weather(city: str) -> dict[str, str | int]:
    """A stand-in for a weather service."""
    return {"temperature": 29, "condition": "sunny"} if city == "Rome" else {"temperature": 17, "condition": "rainy"}


FUNCTIONS = {"get_weather": get_weather}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the current weather in a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]

messages = [{"role": "user", "content": "What is the weather in Paris and Rome?"}]
while True:
    completion = client.chat.completions.create(model=model, messages=messages, tools=TOOLS, temperature=0)
    message = completion.choices[0].message
    messages.append(message)
    if not message.tool_calls:
        break
    for call in message.tool_calls:
        print(f"call:   {call.function.name}({call.function.arguments})")
        result = FUNCTIONS[call.function.name](**json.loads(call.function.arguments))
        print(f"result: {json.dumps(result)}")
        messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
print(f"answer: {message.content}")
