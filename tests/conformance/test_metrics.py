"""Metrics, cached tokens and the request timeout of a real engine."""

import httpx
import pytest

from handlers.metrics import serve_metrics
from tests.conformance.chat import ROWS, fold, read_error, wait_until

LONG = {"max_tokens": 900, "eos_token": []}  # about a second alone


@pytest.fixture(scope="module")
def scrape(server):
    """`scrape()`: what the metrics port says now, sample by sample, those with labels left out."""
    metrics = serve_metrics(server.service, "127.0.0.1", 0)

    def scrape():
        lines = httpx.get(f"http://127.0.0.1:{metrics.port}/metrics").text.splitlines()
        samples = (line.split(" ") for line in lines if not line.startswith("#") and "{" not in line)
        return {name: float(value) for name, value in samples}

    yield scrape
    metrics.close()


@pytest.fixture
def timeout(server):
    """`timeout(seconds)` sets the limit of a request until the test ends."""

    def timeout(seconds):
        server.service.request_timeout = seconds

    yield timeout
    server.service.request_timeout = None


def gained(before, after, *names):
    return [after[name] - before[name] for name in names]


def test_counts_of_a_request_are_those_of_its_usage(chat, scrape):
    before = scrape()
    usage = chat.whole(n=3, max_tokens=7, eos_token=[])["usage"]
    after = scrape()
    assert usage["completion_tokens"] == 21
    counters = ("friendli_requests_total", "friendli_responses_total", "friendli_items_total")
    assert gained(before, after, *counters) == [1, 1, 3]
    lengths = ("friendli_input_lengths_sum", "friendli_output_lengths_count", "friendli_output_lengths_sum")
    assert gained(before, after, *lengths) == [usage["prompt_tokens"], 3, 21]
    share = usage["prompt_tokens_details"]["cached_tokens"] / usage["prompt_tokens"]
    assert gained(before, after, "friendli_tcache_hit_ratio_sum") == pytest.approx([share])
    drawn = gained(before, after, "jaxchat_output_tokens_total", "jaxchat_prompt_tokens_total")
    assert drawn == [21, usage["prompt_tokens"]]


def test_times_come_in_the_order_of_what_they_measure(chat, scrape):
    before = scrape()
    chat.whole(max_tokens=40, eos_token=[])
    names = [f"friendli_requests_{name}_sum" for name in ("queueing_delays", "ttft", "latencies")]
    queueing, ttft, latency = gained(before, scrape(), *names)
    assert 0 <= queueing < ttft < latency < 120e9


def test_nothing_is_held_current_or_compiled_when_nothing_runs(chat, scrape):
    before = scrape()  # what other tests of this process compiled is counted too
    chat.whole(max_tokens=3, eos_token=[])
    wait_until(lambda: scrape()["friendli_current_items"] == 0, 20)
    now = scrape()
    names = ("friendli_current_requests", "friendli_current_assigned_items", "friendli_current_waiting_items")
    assert [now[name] for name in (*names, "jaxchat_pages_used", "jaxchat_cache_use_ratio")] == [0] * 5
    assert now["jaxchat_rows"] == ROWS and now["jaxchat_pages"] > 0
    assert gained(before, now, "jaxchat_compilations_total") == [0]


def test_a_prompt_seen_before_is_cached_whole_or_streamed_and_its_answer_is_the_same(chat, scrape):
    messages = [{"role": "user", "content": "Please repeat: " + "one two three four five " * 12}]
    body = {"messages": messages, "seed": 3, "temperature": 0, "max_tokens": 8}
    first, second = (chat.whole(**body) for _ in range(2))
    before = scrape()
    stream = fold(chat.chunks(**body, stream_options={"include_usage": True}))
    cached = [usage["prompt_tokens_details"]["cached_tokens"] for usage in (first["usage"], second["usage"])]
    assert cached[0] < cached[1] < second["usage"]["prompt_tokens"] and cached[1] > second["usage"]["prompt_tokens"] / 2
    assert stream["usage"] == second["usage"]
    assert gained(before, scrape(), "jaxchat_cached_tokens_total") == [cached[1]]
    assert first["choices"][0]["message"] == second["choices"][0]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_takes_too_long_ends_and_frees_its_rows(chat, scrape, timeout, stream):
    before = scrape()
    timeout(0.15)
    response = chat.post(**LONG, n=ROWS, stream=stream)
    timeout(None)
    if stream:
        *_, error, end = response.text.split("\n\n")
        assert response.status_code == 200 and '"code":"request_timeout"' in error and end == ""
    else:
        assert response.status_code == 504 and read_error(response)["code"] == "request_timeout"
    after = scrape()
    names = ("friendli_failure_by_timeout", "friendli_failure_by_cancel", "friendli_responses_total")
    assert gained(before, after, *names) == [1, 0, 0] and after["friendli_current_requests"] == 0
    wait_until(lambda: scrape()["friendli_current_items"] == 0, 20)
