"""Traces of requests: nothing unless OpenTelemetry is installed and its variables are set."""

from handlers.tracing.middleware import TracingMiddleware
from handlers.tracing.setup import tracing_from_environment
from handlers.tracing.trace import NO_TRACING, GenerationTrace, Tracing, current_trace

__all__ = [
    "NO_TRACING",
    "GenerationTrace",
    "Tracing",
    "TracingMiddleware",
    "current_trace",
    "tracing_from_environment",
]
