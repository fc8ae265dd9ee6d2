"""The answer to a request that failed: what a browser may know of an error."""

import logging
import secrets

from starlette.requests import ClientDisconnect

from bgjobs._core.exceptions import unwrapped
from bgjobs._core.text import visible
from bgjobs.errors import NotRunningError, StoreUnavailableError, UnknownJobError
from bgjobs.web.refusals import (
    ENDED,
    NOT_FOUND,
    UNAVAILABLE,
    Refusal,
    RefusedError,
    unexpected,
)

_logger = logging.getLogger("bgjobs.web")
_INCOMPLETE = Refusal(400, "Incomplete request", "The request ended before its last byte.")


def refusal_for(error: BaseException, path: str) -> Refusal:
    """Return the answer to a request for this path; log an unexpected error."""
    error = unwrapped(error)
    match error:
        case RefusedError():
            return error.refusal
        case StoreUnavailableError():
            return UNAVAILABLE
        case NotRunningError():
            return ENDED
        case UnknownJobError():
            return NOT_FOUND
        case ClientDisconnect():
            return _INCOMPLETE
        case _:
            reference = secrets.token_hex(4)
            _logger.error("page %s: error %s", visible(path), reference, exc_info=error)
            return unexpected(reference)
