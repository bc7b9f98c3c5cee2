"""Many questions at a time, in one process: `python examples/batch.py [BASE_URL]`.

The server decodes them together, so send all that you have; the semaphore bounds open connections. What is too much for
the server's queue gets 429 with Retry-After, which the client waits for and asks again.
"""

import asyncio
import sys

from openai import AsyncOpenAI

AT_ONCE = 64
COUNTRIES = [
    *["France", "England", "Japan", "Germany", "Spain", "Italy", "Norway", "Egypt", "Peru", "Ireland", "Austria"],
    *["Greece", "Portugal", "Poland", "China", "Cuba", "Canada", "Sweden", "Finland", "Kenya", "Chile", "Denmark"],
    *["Hungary", "Belgium", "Vietnam", "Iran", "Turkey", "Australia", "Korea", "Thailand"],
]
QUESTIONS = [
    template.format(country)
    for template in ("What is the capital of {}?", "Which city is the capital of {}?", "Tell me the capital of {}.")
    for country in COUNTRIES
]


async def ask(client: AsyncOpenAI, model: str, question: str, room: asyncio.Semaphore) -> tuple[str, int]:
    """The answer, and how many tokens it has."""
    async with room:
        completion = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": question}], temperature=0, max_tokens=64
        )
    return completion.choices[0].message.content, completion.usage.completion_tokens


async def main() -> None:
    base_url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000/v1"
    room = asyncio.Semaphore(AT_ONCE)
    async with AsyncOpenAI(base_url=base_url, api_key="unused", max_retries=5) as client:
        model = (await client.models.list()).data[0].id
        answers = await asyncio.gather(*(ask(client, model, question, room) for question in QUESTIONS))
    for question, (answer, _) in zip(QUESTIONS, answers, strict=True):
        print(f"{question} {answer}")
    print(f"{len(answers)} answers, {sum(tokens for _, tokens in answers)} tokens")


asyncio.run(main())
