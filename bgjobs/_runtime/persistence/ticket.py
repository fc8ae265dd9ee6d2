"""One write that waits to be committed."""

from collections.abc import Collection, Sequence
from typing import Any, final

from anyio import Event
from attrs import define, evolve, field

from bgjobs._core.jobs import CANCELLED, FailedJob, Job, Reservation, StoredJob, SucceededJob
from bgjobs._core.settlements import Requeue, Settlement, Succeed
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.types import NewJob, Written


@final
@define(eq=False)
class Ticket:
    """One waiting write, and what became of it."""

    enqueue: Sequence[NewJob] = ()
    settle: Sequence[Settlement] = ()
    done: Event = field(factory=Event)
    written: Written | None = None
    error: BaseException | None = None
    failure: StoreUnavailableError | None = None
    """Why the last try was in vain."""
    refused: dict[Reservation, Exception] = field(factory=dict[Reservation, Exception])
    """Which settlements of several the store does not take; the others are written."""
    repeated: bool = False
    """An earlier try may have been committed although its answer was lost."""
    withdrawn: bool = False
    """Nobody waits for it any more."""
    told: Collection[str] = ()
    """The workers of whose new jobs other processes are told with it."""

    def fail(self, error: BaseException) -> None:
        """Answer the caller that waits for it with an error."""
        self.error = error
        self.done.set()

    def repeat(self, failure: StoreUnavailableError | None = None) -> None:
        """Note that it is written once more, and for want of the store if that is why."""
        self.repeated = True
        self.failure = failure or self.failure
        self.error = None
        self.enqueue = [evolve(new, repeated=True) for new in self.enqueue]

    @property
    def size(self) -> int:
        """How many rows it writes."""
        return len(self.enqueue) + len(self.settle)

    @property
    def names(self) -> set[str]:
        """The workers whose jobs it stores."""
        return {new.request.name for new in self.enqueue}

    @property
    def goes_alone(self) -> bool:
        """Whether it has failed, and may be waiting for a key that no other ticket wants."""
        return self.repeated and any(
            new.request.options.unique_key is not None for new in self.enqueue
        )

    @property
    def weight(self) -> int:
        """How many characters of payload it writes."""
        return sum(len(new.request.payload) for new in self.enqueue) if self.enqueue else 0


def fault_in(written: Any, count: int, label: str) -> StoreError | None:
    """Return what is wrong with a store's answer; Any: it may be one of the user's own."""
    is_right = isinstance(written, Written)
    if is_right and len(written.jobs) == count:
        return None
    found = f"{len(written.jobs)} of them" if is_right else type(written).__name__
    return StoreError(f"{label}: write: expected Written with {count} jobs, found {found}")


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
