"""Payloads: arguments and results of calls as JSON text, strict in both directions."""

from bgjobs._core.payloads.results import ResultCodec
from bgjobs._core.payloads.signature import Call, Codec, read_signature

__all__ = ["Call", "Codec", "ResultCodec", "read_signature"]
