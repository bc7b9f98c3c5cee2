"""A question, its answer, and a second question that needs the first: `python examples/chat.py [BASE_URL]`."""

import sys

from openai import OpenAI

base_url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000/v1"
client = OpenAI(base_url=base_url, api_key="unused")
model = client.models.list().data[0].id

messages = []
for question in ("Hello, my name is Ada.", "What is my name?"):
    messages.append({"role": "user", "content": question})
    completion = client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=64)
    answer = completion.choices[0].message.content
    messages.append({"role": "assistant", "content": answer})
    print("user:     ", question)
    print("assistant:", answer)
print(f"{completion.usage.prompt_tokens} tokens read, {completion.usage.completion_tokens} written")
