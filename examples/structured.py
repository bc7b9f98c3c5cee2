"""An answer as an object of a class of yours: `python examples/structured.py [BASE_URL]`.

The schema of the class goes along as `response_format` (`json_schema`); the server lets the model write nothing else.
"""

import sys

from openai import OpenAI
from pydantic import BaseModel, Field

base_url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000/v1"
client = OpenAI(base_url=base_url, api_key="unused")
model = client.models.list().data[0].id


class Person(BaseModel):
    name: str
    age: int = Field(ge=0, le=150)
    city: str


completion = client.chat.completions.parse(
    model=model,
    messages=[
        {"role": "user", "content": "Extract name, age and city as JSON: Frank is 42 years old and comes from Oslo."}
    ],
    response_format=Person,
    temperature=0,
    max_tokens=200,
)
choice = completion.choices[0]
if choice.finish_reason != "stop":
    sys.exit(f"cut short ({choice.finish_reason}): {choice.message.content}")
person = choice.message.parsed
print(choice.message.content)
print(f"{person.name} is {person.age} and lives in {person.city}.")
