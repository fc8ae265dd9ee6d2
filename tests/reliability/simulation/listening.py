"""What a process tells of itself, compared with what the store shows."""

from collections.abc import Callable, Iterator
from typing import Any, final

from bgjobs import events
from bgjobs._runtime.queues.attempt import HandlerCrashedError
from bgjobs.errors import LeaseLostError, StoreUnavailableError
from tests.reliability.simulation.journal import Journal
from tests.reliability.simulation.plan import Plan
from tests.reliability.simulation.process import Process
from tests.reliability.simulation.witness import Witness


@final
class Ear:
    """A listener: some events may never come, and others must be true."""

    def __init__(
        self, process: Process, plan: Plan, witness: Witness, journal: Journal
    ) -> None:
        self._process = process
        self._plan = plan
        self._witness = witness
        self._journal = journal
        # Any: each kind of event has the function that takes it.
        self._kinds: dict[type, Callable[[Any], None]] = {
            events.OwnerDied: self._owner_died,
            events.ChildCrashed: self._crashed,
            events.RestartLimitExceeded: self._never,
            events.ListenerFailed: self._never,
            events.CancellationIgnored: self._never,
            events.NoWorkerForJob: self._never,
            events.StoreFailed: self._store_failed,
            events.QueueError: self._queue_error,
            events.ReservationLost: self._lost,
            events.JobSucceeded: self._succeeded,
        }

    def __call__(self, event: events.Event) -> None:
        """Hear an event; of what the dead say nothing counts."""
        hear = self._kinds.get(type(event))
        if hear is not None and not self._process.dead:
            hear(event)

    def _owner_died(self, event: events.OwnerDied) -> None:
        self._process.died.add(event.owner)

    def _crashed(self, event: events.ChildCrashed) -> None:
        self._journal.note(self._process.name, "crashed", event.child, repr(event.error))
        if not all(self._may_crash(error) for error in _leaves(event.error)):
            self._never(event)

    def _may_crash(self, error: BaseException) -> bool:
        if isinstance(error, HandlerCrashedError):
            return self._plan.crashes
        return isinstance(error, LeaseLostError) and self._plan.leases_may_end

    def _queue_error(self, event: events.QueueError) -> None:
        if not (isinstance(event.error, StoreUnavailableError) or self._may_crash(event.error)):
            self._never(event)

    def _store_failed(self, event: events.StoreFailed) -> None:
        if not isinstance(event.error, StoreUnavailableError):
            self._never(event)

    def _lost(self, event: events.ReservationLost) -> None:
        job = event.job
        ended = self._witness.ended.get(str(job.id))
        mine = (
            ended is not None
            and ended.kind == "succeeded"
            and ended.reservations == job.reservations
        )
        self._journal.expect(not mine, f"job {job.id}: told as lost, but it has succeeded")

    def _succeeded(self, event: events.JobSucceeded) -> None:
        ended = self._witness.ended.get(str(event.job.id))
        told = ended is not None and ended.kind == "succeeded"
        self._journal.expect(told, f"job {event.job.id}: told as succeeded, but it is not")

    def _never(self, event: object) -> None:
        self._journal.wrong(f"{self._process.name}: {event!r}")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error
