"""Whether a write whose answer was lost is what left a job as it is found now."""

from bgjobs._core.jobs import CANCELLED, FailedJob, Job, Reservation, StoredJob, SucceededJob
from bgjobs._core.settlements import Requeue, Settlement, Succeed

COUNTERS = ("attempts", "crashes", "interruptions")


def is_settled(found: StoredJob, settlement: Settlement, reservation: Reservation) -> bool:
    """Whether `found` is what this settlement would have left behind."""
    if isinstance(settlement, Requeue):
        return _was_requeued(found, settlement)
    if found.reservations != reservation.number:
        return False
    kind = SucceededJob if isinstance(settlement, Succeed) else FailedJob
    return isinstance(found, kind) and found.reserved_by == reservation.owner


def cancelled_before(found: StoredJob, put_back: Requeue) -> str | None:
    """Return why this settlement has ended `found`, which it was to put back; else None.

    The counters are what tells it from an end that somebody else has written.
    """
    held = put_back.reservation
    is_ours = (found.reservations, found.reserved_by) == (held.number, held.owner) and all(
        getattr(found, counter) == getattr(put_back, counter) for counter in COUNTERS
    )
    if not isinstance(found, FailedJob) or not is_ours:
        return None
    return found.error.removeprefix(CANCELLED) if found.error.startswith(CANCELLED) else None


def _was_requeued(found: StoredJob, requeue: Requeue) -> bool:
    """Whether it was, though it may have been reserved, and may have ended, since then.

    The counters are what tells it from one that somebody else has given back.
    """
    if found.reservations == requeue.reservation.number:
        return isinstance(found, Job) and found.reserved_by is None
    return found.reservations > requeue.reservation.number and all(
        getattr(found, counter) >= getattr(requeue, counter) for counter in COUNTERS
    )
