"""The counters and distributions that requests are counted in."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from handlers.metrics.endpoints import EndpointInstruments
from handlers.metrics.summary import SlidingSummary

Failure = Literal["cancel", "timeout", "nan_error", "reject", "error"]
FAILURES: dict[Failure, tuple[str, str]] = {
    "cancel": ("friendli_failure_by_cancel", "Requests whose client left, or that were cut off by the shutdown"),
    "timeout": ("friendli_failure_by_timeout", "Requests that took longer than --request-timeout"),
    "nan_error": ("friendli_failure_by_nan_error", "Requests ended by a result that is not a number"),
    "reject": ("friendli_failure_by_reject", "Requests refused with 429 because too many were there"),
    "error": ("jaxchat_failure_by_error", "Requests ended by any other fault of the server"),
}

SHARES = [tenth / 10 for tenth in range(11)]
LENGTHS = [2.0**power for power in range(18)]  # up to 131,072 tokens


class RequestInstruments:
    """The counters, gauges and distributions that all requests of one service are counted in.

    registry: where Prometheus finds them. Times are in nanoseconds, lengths in tokens. by_endpoint: those that tell
    endpoints apart, which the names of Friendli Container do not.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.by_endpoint = EndpointInstruments(registry)
        self.requests = Counter("friendli_requests", "Requests taken in, without those answered 4xx", registry=registry)
        self.items = Counter("friendli_items", "Choices asked for by these requests", registry=registry)
        self.responses = Counter("friendli_responses", "Requests answered to their end", registry=registry)
        self.failures: dict[Failure, Counter] = {
            failure: Counter(name, documentation, registry=registry)
            for failure, (name, documentation) in FAILURES.items()
        }
        self.current_requests = Gauge(
            "friendli_current_requests", "Requests being prepared, waiting or decoded", registry=registry
        )
        self.tcache_hit_ratio = Histogram(
            "friendli_tcache_hit_ratio", "Share of a prompt found in the cache", buckets=SHARES, registry=registry
        )
        self.input_lengths = Histogram(
            "friendli_input_lengths", "Tokens of a request's prompt", buckets=LENGTHS, registry=registry
        )
        self.output_lengths = Histogram(
            "friendli_output_lengths", "Tokens drawn for a choice", buckets=LENGTHS, registry=registry
        )
        self.latencies = SlidingSummary(
            "friendli_requests_latencies", "Nanoseconds from a request to the end of its answer", registry
        )
        self.ttft = SlidingSummary(
            "friendli_requests_ttft", "Nanoseconds from a request to the first text of its answer", registry
        )
        self.queueing_delays = SlidingSummary(
            "friendli_requests_queueing_delays", "Nanoseconds from a request to the reading of its prompt", registry
        )
