"""Instants as they come from the server, whatever time zone the session has.

The server sends a count of microseconds, and that is what the driver gives here: its own loader
goes through the time zone of the session, where an instant at the very end of the calendar may
lie behind it, and a loader in Python took half of the time that reading a job took.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from bgjobs.stores.postgres.arrays import EPOCH

_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


# A batch of jobs was stored, and reserved, at a few instants.
@lru_cache(maxsize=256)
def exact_instant(count: int) -> datetime:
    """Return the instant; `OverflowError` for one that no `datetime` can say."""
    return EPOCH + timedelta(0, 0, count)


def instant(count: int) -> datetime:
    """Return the instant; one that no `datetime` can say becomes the nearest."""
    try:
        return exact_instant(count)
    except OverflowError:
        return _EARLIEST if count < 0 else _LATEST
