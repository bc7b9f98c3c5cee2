"""What Friendli's container calls its metrics, and how a text of them is read."""

import re

CONTRACT = {
    "friendli_requests_total": "counter",
    "friendli_responses_total": "counter",
    "friendli_items_total": "counter",
    "friendli_failure_by_cancel": "counter",
    "friendli_failure_by_timeout": "counter",
    "friendli_failure_by_nan_error": "counter",
    "friendli_failure_by_reject": "counter",
    "friendli_current_requests": "gauge",
    "friendli_current_items": "gauge",
    "friendli_current_assigned_items": "gauge",
    "friendli_current_waiting_items": "gauge",
    "friendli_engine_version": "gauge",
    "friendli_tcache_hit_ratio": "histogram",
    "friendli_input_lengths": "histogram",
    "friendli_output_lengths": "histogram",
    "friendli_requests_latencies": "summary",
    "friendli_requests_ttft": "summary",
    "friendli_requests_queueing_delays": "summary",
}


def types_of(text):
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
