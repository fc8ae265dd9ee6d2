"""How values become parameters of statements, and rows become jobs.

Timestamps arrive as the server's count of microseconds. The driver's own loader converts them
to the session's time zone, in which a time at the end of the calendar may not be representable,
and takes half of the time of reading a job.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from bgjobs._core.jobs import FailedJob, Job, Reservation, UnreadableJob
from bgjobs._core.settlements import (
    Cancel,
    Counted,
    Fail,
    Report,
    Requeue,
    Settlement,
    Succeed,
)
from bgjobs._core.timestamps import FIRST_INSTANT, LAST_INSTANT, MICROSECOND, as_instant
from bgjobs.stores.columns import FAILED, SETTLED
from bgjobs.stores.decoder import Decoder, as_of
from bgjobs.stores.json_columns import STORED, dump_metadata, dump_occurrence, dump_progress
from bgjobs.stores.postgres.arrays import (
    EPOCH,
    bigints,
    column_array,
    integers,
    texts,
    timestamps,
    uuids,
)
from bgjobs.stores.types import FROM_THE_START, NewJob, Position

F = TypeVar("F", bound=Settlement | Report)

Row = tuple[Any, ...]
"""A row from the driver: values of the columns' types, and timestamps as counts."""
Parameters = Mapping[str, Any]
"""Values for a statement; of many types, hence Any."""


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
        return FIRST_INSTANT if count < 0 else LAST_INSTANT


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


def with_state(row: Row) -> Job | UnreadableJob:
    """Return a live job; the last column is the time at which its state is asked for."""
    job = DECODER.job(row[:-1])
    return job if isinstance(job, UnreadableJob) else as_of(job, timestamp(row[-1]))


def enqueue_values(jobs: Sequence[NewJob], now: datetime | None) -> Parameters:
    """Return the parameters of `enqueue`, `find_holder` and `find_ended`.

    Jobs with unique keys are sorted by key. Two batches with the same keys then wait for each
    other in one order, and the server aborts neither as a deadlock.
    """
    if any(new.request.options.unique_key is not None for new in jobs):
        jobs = sorted(
            jobs, key=lambda new: (new.request.name, new.request.options.unique_key or "")
        )
    delays = [microseconds(new.request.options.available_in) for new in jobs]
    return {
        **{one: column_array(one, values) for one, values in _enqueued(jobs).items()},
        "delays": bigints(delays),
        "now": now,
    }


def plain_values(jobs: Sequence[NewJob], now: datetime | None) -> Parameters:
    """Return the parameters of `enqueue_plain`."""
    return {
        "id": uuids([new.id for new in jobs]),
        "name": texts([new.request.name for new in jobs]),
        "payload": texts([new.request.payload for new in jobs]),
        "now": now,
    }


def _enqueued(jobs: Sequence[NewJob]) -> Mapping[str, list[Any]]:
    """Return the values of each column of `ENQUEUED`, written for speed."""
    requests = [new.request for new in jobs]
    options = [request.options for request in requests]
    return {
        "id": [new.id for new in jobs],
        "name": [request.name for request in requests],
        "payload": [request.payload for request in requests],
        "priority": [option.priority for option in options],
        "available_at": [utc("available_at", option.available_at) for option in options],
        "unique_key": [option.unique_key for option in options],
        "occurrence": [dump_occurrence(option.occurrence) for option in options],
        "metadata": [dump_metadata(option.metadata) for option in options],
    }


def _column_of(column: str, values: Sequence[object]) -> list[Any]:
    """Return the values of a column in jobs or settlements that have it as an attribute."""
    found = [getattr(one, column) for one in values]
    stored = STORED.get(column)
    return found if stored is None else [stored(one) for one in found]


def reserve_values(
    owner: UUID,
    names: Collection[str],
    limit: int,
    now: datetime | None,
    after: Mapping[str, Position] = FROM_THE_START,
) -> Parameters:
    """Return the parameters of `reserve`."""
    return {"owner": owner, "limit": limit, "now": now, **names_values(names, after)}


def names_values(names: Collection[str], after: Mapping[str, Position]) -> Parameters:
    """Return the names, each once, and for each the position after which to look, or null.

    The server fills shorter arrays with null.
    """
    unique = sorted(set(names))
    positions = [after.get(name) for name in unique] if after else []
    return {
        "names": texts(unique),
        "after": timestamps([None if one is None else one.available_at for one in positions]),
        "after_ids": uuids([None if one is None else one.id for one in positions]),
    }


def settle_values(settlements: Sequence[Settlement], now: datetime | None) -> dict[str, Any]:
    """Return the parameters of the statement for settlements of one kind.

    They are in the order of `_in_lock_order`.
    """
    ordered = _in_lock_order(settlements)
    parameters: dict[str, Any] = {**_fences(ordered), "now": now}
    counted = [one for one in ordered if isinstance(one, Counted)]
    if counted:
        parameters.update(_counted_values(counted))
    return parameters


def succeed_values(settlements: Sequence[Settlement], now: datetime | None) -> dict[str, Any]:
    """Return the parameters of `succeed_with_result`, in the order of `settle_values`."""
    ordered = _in_lock_order(settlements)
    results = [one.result for one in ordered if isinstance(one, Succeed)]
    return {**_fences(ordered), "now": now, "results": texts(results)}


def report_values(reports: Sequence[Report]) -> Parameters:
    """Return the parameters of `report`, in the order of `settle_values`."""
    ordered = _in_lock_order(reports)
    stored = [dump_progress(one.progress) for one in ordered]
    return {**_fences(ordered), "progress": texts(stored)}


def _in_lock_order(settlements: Sequence[F]) -> Sequence[F]:
    """Sort by job id. The rows are locked in this order.

    So two batches about the same jobs cannot deadlock.
    """
    return sorted(settlements, key=lambda one: one.reservation.job_id.int)


def _fences(settlements: Sequence[Settlement | Report]) -> Parameters:
    return fence_values([one.reservation for one in settlements])


def fence_values(held: Collection[Reservation]) -> Parameters:
    """Return the parameters that identify reservations."""
    return {
        "ids": uuids([one.job_id for one in held]),
        "owners": uuids([one.owner for one in held]),
        "numbers": integers([one.number for one in held]),
    }


def _counted_values(settlements: Sequence[Counted]) -> Parameters:
    failed = [one.error for one in settlements if isinstance(one, Fail)]
    cancelled = [one for one in settlements if isinstance(one, Cancel)]
    delays = [microseconds(one.delay) for one in settlements if isinstance(one, Requeue)]
    return {
        **{one: column_array(one, _column_of(one, settlements)) for one in SETTLED},
        "reasons": texts(failed or [one.reason for one in cancelled]),
        "authors": texts([one.by for one in cancelled]),
        "delays": bigints(delays),
    }


def restore_values(jobs: Sequence[FailedJob]) -> Parameters:
    """Return the parameters of `restore`."""
    return {one: column_array(one, _column_of(one, jobs)) for one in FAILED}


def set_apart_values(found: Sequence[UnreadableJob], now: datetime | None) -> Parameters:
    """Return the parameters of `set_apart_live` and its like."""
    keys = [one.key for one in found]
    return {
        "ids": uuids([job_id for job_id, _, _ in keys]),
        "owners": uuids([owner for _, owner, _ in keys]),
        "numbers": integers([number for _, _, number in keys]),
        "reasons": texts([one.reason for one in found]),
        "now": now,
    }
