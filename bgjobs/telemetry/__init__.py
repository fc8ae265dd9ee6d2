"""Traces and metrics of jobs for OpenTelemetry.

Importing this module needs ``pip install 'bgjobs[otel]'``; importing `bgjobs` does not.
"""

try:
    from opentelemetry import metrics, trace
except ImportError as _error:
    raise ImportError(
        "bgjobs.telemetry needs opentelemetry-api: pip install 'bgjobs[otel]'"
    ) from _error

from bgjobs.telemetry.telemetry import Telemetry

__all__ = ["Telemetry"]

del metrics, trace
