"""How rows of the tables are read, and values as the arrays that go into statements."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from bgjobs._core.jobs import CANCELLED, FailedJob
from bgjobs._core.settlements import Fail, Requeue, Settlement
from bgjobs._core.timestamps import MICROSECOND, as_instant
from bgjobs.stores.decoder import Decoder
from bgjobs.stores.json_columns import dump_errors, dump_metadata, dump_occurrence
from bgjobs.stores.port import NewJob
from bgjobs.stores.postgres import arrays
from bgjobs.stores.postgres.timestamps import exact_instant

Row = tuple[Any, ...]
"""What the driver gives: values of the types that the columns have; instants as counts."""
Parameters = Mapping[str, Any]
"""Values for a statement; of many types, hence Any."""


def _uuid(found: UUID) -> UUID:
    return found


DECODER = Decoder(as_id=_uuid, as_owner=_uuid, as_time=exact_instant)


def wanted(jobs: Sequence[NewJob], now: datetime | None) -> Parameters:
    """Give the parameters of enqueue.sql and find_live.sql.

    Those with unique keys go in by key: two batches that want the same ones then wait for each
    other in one order, and none of them is taken back as a deadlock.
    """
    options = [new.request.options for new in jobs]
    if any(option.unique_key is not None for option in options):
        jobs = sorted(
            jobs, key=lambda new: (new.request.name, new.request.options.unique_key or "")
        )
        options = [new.request.options for new in jobs]
    requests = [new.request for new in jobs]
    return {
        "ids": arrays.uuids([new.id for new in jobs]),
        "names": arrays.texts([request.name for request in requests]),
        "payloads": arrays.texts([request.payload for request in requests]),
        "priorities": arrays.smallints([option.priority for option in options]),
        "available_ats": arrays.instants(
            [utc("available_at", o.available_at) for o in options]
        ),
        "delays": arrays.bigints([microseconds(option.available_in) for option in options]),
        "unique_keys": arrays.texts([option.unique_key for option in options]),
        "occurrences": arrays.texts([dump_occurrence(o.occurrence) for o in options]),
        "metadata": arrays.texts([dump_metadata(option.metadata) for option in options]),
        "now": now,
    }


def settled(settlements: Sequence[Settlement], now: datetime | None) -> dict[str, Any]:
    """Give the parameters of a settlement's statement, for settlements of one kind.

    The rows are locked by id, so that two batches about the same jobs cannot deadlock.
    """
    ordered = sorted(settlements, key=lambda one: one.reservation.job_id.int)
    parameters: dict[str, Any] = {
        "ids": arrays.uuids([one.reservation.job_id for one in ordered]),
        "owners": arrays.uuids([one.reservation.owner for one in ordered]),
        "numbers": arrays.integers([one.reservation.number for one in ordered]),
        "now": now,
    }
    unhappy = [one for one in ordered if isinstance(one, Fail | Requeue)]
    if unhappy:
        parameters.update(_counters(unhappy))
    return parameters


def _counters(settlements: Sequence[Fail | Requeue]) -> Parameters:
    return {
        "attempts": arrays.integers([one.attempts for one in settlements]),
        "crashes": arrays.integers([one.crashes for one in settlements]),
        "interruptions": arrays.integers([one.interruptions for one in settlements]),
        "errors": arrays.texts([dump_errors(one.errors) for one in settlements]),
        "reasons": arrays.texts([one.error for one in settlements if isinstance(one, Fail)]),
        "delays": arrays.bigints(
            [microseconds(one.delay) for one in settlements if isinstance(one, Requeue)]
        ),
        "cancelled": CANCELLED,
    }


def restored(jobs: Sequence[FailedJob]) -> Parameters:
    """Give the parameters of restore.sql."""
    return {
        "ids": arrays.uuids([job.id for job in jobs]),
        "names": arrays.texts([job.name for job in jobs]),
        "payloads": arrays.texts([job.payload for job in jobs]),
        "priorities": arrays.smallints([job.priority for job in jobs]),
        "attempts": arrays.integers([job.attempts for job in jobs]),
        "crashes": arrays.integers([job.crashes for job in jobs]),
        "interruptions": arrays.integers([job.interruptions for job in jobs]),
        "numbers": arrays.integers([job.reservations for job in jobs]),
        "created_ats": arrays.instants([job.created_at for job in jobs]),
        "available_ats": arrays.instants([job.available_at for job in jobs]),
        "reserved_ats": arrays.instants([job.reserved_at for job in jobs]),
        "owners": arrays.texts(
            [None if job.reserved_by is None else str(job.reserved_by) for job in jobs]
        ),
        "unique_keys": arrays.texts([job.unique_key for job in jobs]),
        "errors": arrays.texts([dump_errors(job.errors) for job in jobs]),
        "occurrences": arrays.texts([dump_occurrence(job.occurrence) for job in jobs]),
        "metadata": arrays.texts([dump_metadata(tuple(job.metadata.items())) for job in jobs]),
        "reasons": arrays.texts([job.error for job in jobs]),
        "failed_ats": arrays.instants([job.failed_at for job in jobs]),
    }


def utc(what: str, moment: datetime | None) -> datetime | None:
    """Check that `moment`, when there is one, has a time zone."""
    return None if moment is None else as_instant(what, moment)


def microseconds(duration: timedelta | None) -> int | None:
    """Count the whole microseconds of a duration.

    Not sent as an interval: its days are as long as the days of the session's time zone.
    """
    return None if duration is None else duration // MICROSECOND


def unique_names(names: Iterable[str]) -> arrays.Array:
    """Give worker names, each once."""
    return arrays.texts(sorted(set(names)))


def unique_ids(ids: Iterable[UUID]) -> arrays.Array:
    """Give ids, each once."""
    return arrays.uuids(sorted(set(ids)))
