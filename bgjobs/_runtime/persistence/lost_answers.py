"""Writes whose answer was lost: compare the stored job with what the write would have left.

A server may commit a write and fail before it answers. The repeated write then finds that its
reservation is no longer there, as if another process had taken the job. These functions run in
the task that repeats the write. They raise `StoreUnavailableError` when the store cannot be
asked; the write is then repeated, and compared, once more.
"""

from bgjobs._core.jobs import (
    AnyJob,
    CancelledJob,
    EndedJob,
    FailedJob,
    Job,
    StoredJob,
    SucceededJob,
)
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.settlements import Cancel, Drop, Fail, Requeue, Settlement, Succeed
from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs.errors import UnreadableJobError

COUNTERS = ("attempts", "crashes", "interruptions")
_ENDS: dict[type[Settlement], type[EndedJob]] = {
    Succeed: SucceededJob,
    Fail: FailedJob,
    Cancel: CancelledJob,
}


async def was_settled(dispatch: Dispatch, settlement: Settlement) -> bool:
    """Whether an earlier try of this settlement was committed."""
    found = await _find(dispatch, settlement)
    if found is None:
        return isinstance(settlement, Drop)
    if isinstance(settlement, Requeue):
        return _was_requeued(found, settlement)
    held = settlement.reservation
    is_ours = (found.reservations, found.reserved_by) == (held.number, held.owner)
    return type(found) is _ENDS.get(type(settlement)) and is_ours


async def was_cancelled(dispatch: Dispatch, settlement: Settlement) -> Cancelled | None:
    """Return how an earlier try ended a job instead of putting it back; None if none did.

    The job's counters distinguish it from an end that another process has written.
    """
    if not isinstance(settlement, Requeue):
        return None
    found, held = await _find(dispatch, settlement), settlement.reservation
    if not isinstance(found, CancelledJob):
        return None
    is_ours = (found.reservations, found.reserved_by) == (held.number, held.owner) and all(
        getattr(found, counter) == getattr(settlement, counter) for counter in COUNTERS
    )
    return Cancelled(found.reason, found.cancelled_by) if is_ours else None


def _was_requeued(found: StoredJob, requeue: Requeue) -> bool:
    """Whether `requeue` put this job back, which may have run again since then.

    The job's counters distinguish it from one that another process has put back.
    """
    if found.reservations == requeue.reservation.number:
        return isinstance(found, Job) and found.reserved_by is None
    return found.reservations > requeue.reservation.number and all(
        getattr(found, counter) >= getattr(requeue, counter) for counter in COUNTERS
    )


async def _find(dispatch: Dispatch, settlement: Settlement) -> AnyJob | None:
    try:
        return await dispatch.once(dispatch.store.find, settlement.reservation.job_id)
    except UnreadableJobError:  # no settlement of ours leaves such a row
        return None
