"""Payloads: the arguments of a call as JSON text, strict in both directions."""

from bgjobs._core.payloads.signature import Call, Codec

__all__ = ["Call", "Codec"]
