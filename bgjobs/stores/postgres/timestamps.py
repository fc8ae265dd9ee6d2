"""Instants as they come from the server, whatever time zone the session has."""

from datetime import UTC, datetime, timedelta
from typing import final

from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format

from bgjobs.stores.postgres.arrays import EPOCH

_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@final
class UTCLoader(Loader):
    """Reads an instant as UTC.

    The driver's own goes through the time zone of the session, where an instant at the very end
    of the calendar may lie behind it.
    """

    format = Format.BINARY

    def load(self, data: Buffer) -> datetime:
        """Give the instant; one that no `datetime` can say becomes the nearest."""
        count = int.from_bytes(data, "big", signed=True)
        try:
            return EPOCH + timedelta(microseconds=count)
        except OverflowError:
            return _EARLIEST if count < 0 else _LATEST
