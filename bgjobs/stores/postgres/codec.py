"""How values become parameters of statements, and rows become jobs.

Arrays are written in PostgreSQL's binary format here, each in one go. The driver would ask
every element for its type and quote every text, which was two thirds of the client's time for
storing a thousand jobs. The format is that of `array_recv` in
`src/backend/utils/adt/arrayfuncs.c`; all numbers are big-endian.

Timestamps arrive as the server's count of microseconds. The driver's own loader converts them
to the session's time zone, in which a time at the end of the calendar may not be representable,
and takes half of the time of reading a job.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import Any, final
from uuid import UUID

from attrs import field, frozen
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from bgjobs._core.jobs import CANCELLED, FailedJob, UnreadableJob
from bgjobs._core.settlements import Fail, Requeue, Settlement
from bgjobs._core.timestamps import MICROSECOND, as_instant
from bgjobs.stores.decoder import Decoder
from bgjobs.stores.json_columns import dump_errors, dump_metadata, dump_occurrence
from bgjobs.stores.types import NewJob

Row = tuple[Any, ...]
"""A row from the driver: values of the columns' types, and timestamps as counts."""
Parameters = Mapping[str, Any]
"""Values for a statement; of many types, hence Any."""

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From which the server counts microseconds."""
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_UUID, _TEXT, _SMALLINT, _INTEGER, _BIGINT, _TIMESTAMPTZ = 2950, 25, 21, 23, 20, 1184
"""The object ids of the elements' types, the same on every server."""
_HEADER = Struct(">iiIii").pack
_LENGTH = Struct(">i").pack
_NULL, _UUID_LENGTH = _LENGTH(-1), _LENGTH(16)
_INT2, _INT4, _INT8 = Struct(">ih").pack, Struct(">ii").pack, Struct(">iq").pack
"""A number of 2, 4 or 8 bytes after its length."""


@final
@frozen
class Array:
    """A parameter in binary format; the statement names its type."""

    data: bytes = field(repr=False)


@final
class ArrayDumper(Dumper):
    """Passes the bytes of an `Array` to the driver."""

    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        """Return the bytes."""
        return obj.data


def uuids(values: Sequence[UUID]) -> Array:
    """Return a uuid[]."""
    return _array(_UUID, len(values), [_UUID_LENGTH + one.bytes for one in values])


def texts(values: Sequence[str | None]) -> Array:
    """Return a text[]."""
    parts: list[bytes] = []
    for one in values:
        if one is None:
            parts.append(_NULL)
        else:
            encoded = one.encode()
            parts += (_LENGTH(len(encoded)), encoded)
    return _array(_TEXT, len(values), parts)


def smallints(values: Sequence[int]) -> Array:
    """Return a smallint[]."""
    return _array(_SMALLINT, len(values), [_INT2(2, one) for one in values])


def integers(values: Sequence[int]) -> Array:
    """Return an integer[]."""
    return _array(_INTEGER, len(values), [_INT4(4, one) for one in values])


def bigints(values: Sequence[int | None]) -> Array:
    """Return a bigint[]."""
    return _int8s(_BIGINT, values)


def timestamps(values: Sequence[datetime | None]) -> Array:
    """Return a timestamptz[] of aware datetimes."""
    counts = [None if one is None else (one - EPOCH) // MICROSECOND for one in values]
    return _int8s(_TIMESTAMPTZ, counts)


def unique_names(names: Iterable[str]) -> Array:
    """Return a text[] of worker names, each once."""
    return texts(sorted(set(names)))


def unique_ids(ids: Iterable[UUID]) -> Array:
    """Return a uuid[] of ids, each once."""
    return uuids(sorted(set(ids)))


def _int8s(oid: int, values: Sequence[int | None]) -> Array:
    return _array(oid, len(values), [_NULL if one is None else _INT8(8, one) for one in values])


def _array(oid: int, length: int, parts: Iterable[bytes]) -> Array:
    dimensions, may_contain_null, lower_bound = 1, 1, 1
    header = _HEADER(dimensions, may_contain_null, oid, length, lower_bound)
    return Array(header + b"".join(parts))


# The jobs of a batch share a few times at which they were stored and reserved.
@lru_cache(maxsize=256)
def exact_timestamp(count: int) -> datetime:
    """Return the time; raise `OverflowError` if no `datetime` can represent it."""
    return EPOCH + timedelta(0, 0, count)


def timestamp(count: int) -> datetime:
    """Return the time, or the nearest one that a `datetime` can represent."""
    try:
        return exact_timestamp(count)
    except OverflowError:
        return _EARLIEST if count < 0 else _LATEST


def utc(what: str, moment: datetime | None) -> datetime | None:
    """Check that `moment`, if there is one, has a time zone."""
    return None if moment is None else as_instant(what, moment)


def microseconds(duration: timedelta | None) -> int | None:
    """Return the whole microseconds of a duration.

    Durations are not sent as intervals: a day of an interval is as long as a day in the
    session's time zone.
    """
    return None if duration is None else duration // MICROSECOND


def _uuid(found: UUID) -> UUID:
    return found


DECODER = Decoder(as_id=_uuid, as_owner=_uuid, as_time=exact_timestamp)


def enqueue_values(jobs: Sequence[NewJob], now: datetime | None) -> Parameters:
    """Return the parameters of `enqueue` and `find_holder`.

    Jobs with unique keys are sorted by key. Two batches with the same keys then wait for each
    other in one order, and the server aborts neither as a deadlock.
    """
    options = [new.request.options for new in jobs]
    if any(option.unique_key is not None for option in options):
        jobs = sorted(
            jobs, key=lambda new: (new.request.name, new.request.options.unique_key or "")
        )
        options = [new.request.options for new in jobs]
    requests = [new.request for new in jobs]
    return {
        "ids": uuids([new.id for new in jobs]),
        "names": texts([request.name for request in requests]),
        "payloads": texts([request.payload for request in requests]),
        "priorities": smallints([option.priority for option in options]),
        "available_ats": timestamps([utc("available_at", o.available_at) for o in options]),
        "delays": bigints([microseconds(option.available_in) for option in options]),
        "unique_keys": texts([option.unique_key for option in options]),
        "occurrences": texts([dump_occurrence(option.occurrence) for option in options]),
        "metadata": texts([dump_metadata(option.metadata) for option in options]),
        "now": now,
    }


def reserve_values(
    owner: UUID, names: Collection[str], limit: int, now: datetime | None
) -> Parameters:
    """Return the parameters of `reserve`."""
    return {"owner": owner, "names": unique_names(names), "limit": limit, "now": now}


def settle_values(settlements: Sequence[Settlement], now: datetime | None) -> dict[str, Any]:
    """Return the parameters of the statement for settlements of one kind.

    They are sorted by job id. The rows are locked in this order, so that two batches about the
    same jobs cannot deadlock.
    """
    ordered = sorted(settlements, key=lambda one: one.reservation.job_id.int)
    parameters: dict[str, Any] = {
        "ids": uuids([one.reservation.job_id for one in ordered]),
        "owners": uuids([one.reservation.owner for one in ordered]),
        "numbers": integers([one.reservation.number for one in ordered]),
        "now": now,
    }
    counted = [one for one in ordered if isinstance(one, Fail | Requeue)]
    if counted:
        parameters.update(_counters(counted))
    return parameters


def _counters(settlements: Sequence[Fail | Requeue]) -> Parameters:
    return {
        "attempts": integers([one.attempts for one in settlements]),
        "crashes": integers([one.crashes for one in settlements]),
        "interruptions": integers([one.interruptions for one in settlements]),
        "errors": texts([dump_errors(one.errors) for one in settlements]),
        "reasons": texts([one.error for one in settlements if isinstance(one, Fail)]),
        "delays": bigints(
            [microseconds(one.delay) for one in settlements if isinstance(one, Requeue)]
        ),
        "cancelled": CANCELLED,
    }


def restore_values(jobs: Sequence[FailedJob]) -> Parameters:
    """Return the parameters of `restore`."""
    return {
        "ids": uuids([job.id for job in jobs]),
        "names": texts([job.name for job in jobs]),
        "payloads": texts([job.payload for job in jobs]),
        "priorities": smallints([job.priority for job in jobs]),
        "attempts": integers([job.attempts for job in jobs]),
        "crashes": integers([job.crashes for job in jobs]),
        "interruptions": integers([job.interruptions for job in jobs]),
        "numbers": integers([job.reservations for job in jobs]),
        "created_ats": timestamps([job.created_at for job in jobs]),
        "available_ats": timestamps([job.available_at for job in jobs]),
        "reserved_ats": timestamps([job.reserved_at for job in jobs]),
        "owners": _optional_ids([job.reserved_by for job in jobs]),
        "unique_keys": texts([job.unique_key for job in jobs]),
        "errors": texts([dump_errors(job.errors) for job in jobs]),
        "occurrences": texts([dump_occurrence(job.occurrence) for job in jobs]),
        "metadata": texts([dump_metadata(tuple(job.metadata.items())) for job in jobs]),
        "reasons": texts([job.error for job in jobs]),
        "failed_ats": timestamps([job.failed_at for job in jobs]),
    }


def set_apart_values(found: Sequence[UnreadableJob], now: datetime | None) -> Parameters:
    """Return the parameters of `set_apart_live` and its like."""
    keys = [one.key for one in found]
    return {
        "ids": uuids([job_id for job_id, _, _ in keys]),
        "owners": _optional_ids([owner for _, owner, _ in keys]),
        "numbers": integers([number for _, _, number in keys]),
        "reasons": texts([one.reason for one in found]),
        "now": now,
    }


def _optional_ids(ids: Sequence[UUID | str | None]) -> Array:
    """Return a text[], since a uuid[] could not be null in part."""
    return texts([None if one is None else str(one) for one in ids])
