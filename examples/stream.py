"""An answer printed while it is written, with its token counts at the end: `python examples/stream.py [BASE_URL]`."""

import sys

from openai import OpenAI

base_url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000/v1"
client = OpenAI(base_url=base_url, api_key="unused")
model = client.models.list().data[0].id

stream = client.chat.completions.create(
    model=model,
    messages=[{"role": "user", "content": "What is the capital of Norway?"}],
    temperature=0,
    max_tokens=64,
    stream=True,
    stream_options={"include_usage": True},  # the last chunk then has no choice, and the counts
)
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
        if choice.finish_reason:
            print(f"\nfinish_reason: {choice.finish_reason}")
    if chunk.usage:
        print(f"{chunk.usage.prompt_tokens} tokens read, {chunk.usage.completion_tokens} written")
