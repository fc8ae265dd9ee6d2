"""The limit of the body of a request."""

from collections.abc import Sequence

from starlette.types import Message, Receive

from bgjobs.web.refusals import Refusal, RefusedError

LARGEST_BODY = 65_536
"""Bytes; a form of this page has some hundred."""
TOO_LARGE = Refusal(
    413, "Too large", f"A request may have {LARGEST_BODY:,} bytes.", {"Connection": "close"}
)
MALFORMED = Refusal(400, "Malformed request", "The length of the request cannot be read.")


def refusal_of_length(lengths: Sequence[str]) -> Refusal | None:
    """Return why a request with these `Content-Length` headers is refused, if it is."""
    if not lengths:
        return None
    [length, *more] = lengths
    if more or not (length.isascii() and length.isdigit()):
        return MALFORMED
    is_too_large = len(length) > len(str(LARGEST_BODY)) or int(length) > LARGEST_BODY
    return TOO_LARGE if is_too_large else None


def limited(receive: Receive) -> Receive:
    """Return a function that receives the body, and raises `RefusedError` at the limit."""
    received = 0

    async def receive_some() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > LARGEST_BODY:
            raise RefusedError(TOO_LARGE)
        return message

    return receive_some
