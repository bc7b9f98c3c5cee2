"""What clients with keys of their own know of each other's prompts, and how long they wait for each other's answers."""

import random
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.conformance.chat import PATH, QUEUE, ROWS, TIMEOUT, Chat, wait_until

LONG = {"max_tokens": 900, "eos_token": []}


@pytest.fixture
def chats(keyed_server) -> Iterator[dict[str, Chat]]:
    """A chat for each key."""
    with ExitStack() as stack:
        yield {
            key: Chat(
                stack.enter_context(
                    httpx.Client(base_url=keyed_server.url, timeout=TIMEOUT, headers={"Authorization": f"Bearer {key}"})
                )
            )
            for key in ("hog", "neighbour", "other")
        }


def cached(chat: Chat, secret: str) -> int:
    messages = [{"role": "user", "content": f"The password is {secret}. " * 8}]
    return chat.whole(messages=messages, max_tokens=1)["usage"]["prompt_tokens_details"]["cached_tokens"]


def test_nobody_finds_a_prompt_of_another_key_in_the_cache(chats):
    for _ in range(3):
        secret = f"{random.randrange(10**9)}"
        assert cached(chats["neighbour"], secret) < (known := cached(chats["neighbour"], secret))
        assert cached(chats["other"], secret) < known
        assert cached(chats["other"], secret) == known


def test_a_client_with_many_choices_leaves_rows_and_places_to_others(chats, keyed_server):
    """A hog has all the places that it gets, each for a long answer; rows are handed on while a neighbour waits."""
    figures = keyed_server.service.engine_stats
    with ExitStack() as stack:
        streams = []
        for number in range(4 * QUEUE // ROWS):  # the first may have ended by the time that the last is there
            body = {"messages": [{"role": "user", "content": f"{number}"}], "n": ROWS, "stream": True, **LONG}
            request = stack.enter_context(chats["hog"].client.stream("POST", PATH, json=body))
            streams.append(request)
            if request.status_code == 429:
                break
        assert streams[-1].status_code == 429 and len(streams) > QUEUE * 3 // 4 // ROWS
        before = figures()
        assert before.running == ROWS and before.waiting > ROWS
        assert chats["neighbour"].whole(max_tokens=5, eos_token=[])["usage"]["completion_tokens"] == 5
        drawn = figures().output_tokens - before.output_tokens
        assert drawn < 2 * ROWS * LONG["max_tokens"], "as many as answers that had their rows take, not all that wait"
    wait_until(lambda: figures().running == figures().waiting == 0, TIMEOUT)
