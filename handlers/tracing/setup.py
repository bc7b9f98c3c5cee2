"""Whether requests are traced, as the variables of OpenTelemetry say."""

import logging
from collections.abc import Mapping

from handlers.tracing.trace import NO_TRACING, Tracing

logger = logging.getLogger(__name__)
DESTINATIONS = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Variables that say where traces go; without any of them nothing is traced."""


def tracing_from_environment(environ: Mapping[str, str]) -> Tracing:
    """What traces requests, by OpenTelemetry's variables; its packages are imported only if these want traces.

    Raises ValueError for an exporter that is not installed.
    """
    wanted = [name for name in DESTINATIONS if environ.get(name)]
    if not wanted or environ.get(DESTINATIONS[0]) == "none" or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return NO_TRACING
    try:
        from handlers.tracing.opentelemetry import traced_as_told
    except ImportError as error:
        logger.warning("%s is set, but nothing is traced: %s; pip install 'jaxchat[otel]'", wanted[0], error)
        return NO_TRACING
    return traced_as_told(environ)
