"""What one service counts, and the port on which Prometheus reads it; the names are those of Friendli Container."""

from handlers.metrics.registry import Metrics
from handlers.metrics.server import MetricsServer, serve_metrics

__all__ = ["Metrics", "MetricsServer", "serve_metrics"]
