"""Writes of single jobs, and reservations, that do not block."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import final
from uuid import UUID

from psycopg.pq import ExecStatus

from bgjobs._core.jobs import Job
from bgjobs.errors import StoreError
from bgjobs.stores.postgres import codec
from bgjobs.stores.postgres.arrays import texts, timestamp_bytes
from bgjobs.stores.postgres.connections import PostgresDatabase
from bgjobs.stores.postgres.errors import as_store_error
from bgjobs.stores.postgres.nonblocking_call import PostgresNonBlockingCall, Values
from bgjobs.stores.postgres.notices import payloads_of
from bgjobs.stores.postgres.statements import NOTIFY, channel_of, numbered
from bgjobs.stores.types import FROM_THE_START, NewJob, Notice, Position, Written
from bgjobs.stores.values import are_plain, in_claim_order, stored_as

LARGEST = 8_000
"""Characters of a payload, and bytes of the names and positions of a reservation.

The operating system takes as much at once.
"""
_ENQUEUE, _NOTIFY, _RESERVE = b"bgjobs_enqueue", b"bgjobs_notify", b"bgjobs_reserve"


@final
class PostgresNonBlockingWriter(PostgresNonBlockingCall):
    """Writes one job at a time."""

    _new: NewJob

    def _statements(self) -> Mapping[bytes, bytes]:
        return {_ENQUEUE: self._sql["enqueue_one"], _NOTIFY: NOTIFY}

    def begin(self, new: NewJob, notice: Notice, *, now: datetime | None = None) -> bool:
        """Send a new job, and then a notice unless it is empty, without waiting."""
        instant = codec.utc("now", now)
        if not are_plain([new]) or len(new.request.payload) > LARGEST:
            return False
        if (line := self._open_line()) is None:
            return False
        calls = [(_ENQUEUE, self._values(new, instant))]
        if notice:
            channel = channel_of(self._sql.schema).encode()
            calls.append((_NOTIFY, [channel, texts(payloads_of(notice)).data]))
        is_sent = self._begin(line, *calls)
        if is_sent:
            self._new = new
        return is_sent

    def _values(self, new: NewJob, now: datetime | None) -> Values:
        name, payload, at = new.request.name, new.request.payload, _time(now)
        try:
            return new.id.bytes, name.encode(), payload.encode(), at
        except UnicodeEncodeError as error:
            raise as_store_error(self._label, error) from error

    def receive(self) -> Written | None:
        """Return the answer to the last write, or None if it has not arrived."""
        result = self._received(self._in_progress)
        if result is None:
            return None
        if result.ntuples != 1:
            raise StoreError(f"{self._label}: the job was not stored")
        moment = codec.timestamp(int.from_bytes(result.get_value(0, 1) or b"", signed=True))
        return Written([stored_as(self._new, moment, moment)], ())


@final
class PostgresNonBlockingReserver(PostgresNonBlockingCall):
    """Reserves jobs without caps."""

    def _statements(self) -> Mapping[bytes, bytes]:
        return {_RESERVE: self._sql["reserve"]}

    def begin(
        self,
        owner: UUID,
        names: Collection[str],
        limit: int,
        *,
        after: Mapping[str, Position] = FROM_THE_START,
        now: datetime | None = None,
    ) -> bool:
        """Begin to reserve due jobs, without waiting for them."""
        instant = codec.utc("now", now)
        workers = {name: one.data for name, one in codec.names_values(names, after).items()}
        if sum(map(len, workers.values())) > LARGEST or (line := self._open_line()) is None:
            return False
        limited = {"owner": owner.bytes, "limit": limit.to_bytes(8), "now": _time(instant)}
        _, parameters = numbered(self._sql["reserve"])
        values = {**limited, **workers}
        return self._begin(line, (_RESERVE, [values[name] for name in parameters]))

    def receive(self) -> Sequence[Job] | None:
        """Return the reserved jobs in their order, or None if they have not arrived."""
        line = self._in_progress
        result = self._received(line)
        if result is None:
            return None
        if result.status != ExecStatus.TUPLES_OK:
            raise StoreError(f"{self._label}: no job was reserved")
        rows = self._sql.rows_of(line.connection, result)
        return in_claim_order(map(codec.DECODER.job, rows))


@final
class PostgresNonBlocking:
    """Both, of one store."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.writer: PostgresNonBlockingWriter = PostgresNonBlockingWriter(database)
        self.reserver: PostgresNonBlockingReserver = PostgresNonBlockingReserver(database)

    def close(self) -> None:
        """End the connections of a closed store."""
        self.writer.close()
        self.reserver.close()


def _time(moment: datetime | None) -> bytes | None:
    return None if moment is None else timestamp_bytes(moment)
