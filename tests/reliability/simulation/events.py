"""The check of each event: whether it is expected, and agrees with the database."""

from collections.abc import Callable, Iterator
from typing import Any, final

from bgjobs import events
from bgjobs._runtime.leases.marked_ends import UnfinishedHookError
from bgjobs._runtime.queues.handler_errors import HandlerCrashedError
from bgjobs.errors import LeaseLostError, StoreUnavailableError
from tests.reliability.simulation.checker import Checker
from tests.reliability.simulation.plan import Plan
from tests.reliability.simulation.process import Process
from tests.reliability.simulation.records import Journal
from tests.reliability.simulation.workload import HookError, raises_at_its_end


@final
class EventChecker:
    """A listener which checks that events are expected, and agree with the database."""

    def __init__(
        self, process: Process, plan: Plan, checker: Checker, journal: Journal
    ) -> None:
        self._process = process
        self._plan = plan
        self._checker = checker
        self._journal = journal
        # Any: each function takes its own class of event.
        self._kinds: dict[type, Callable[[Any], None]] = {
            events.OwnerDied: self._owner_died,
            events.ChildCrashed: self._crashed,
            events.RestartLimitExceeded: self._unexpected,
            events.ListenerFailed: self._unexpected,
            events.CancellationIgnored: self._ignored,
            events.NoWorkerForJob: self._unexpected,
            events.StoreFailed: self._store_failed,
            events.QueueError: self._queue_error,
            events.ReservationLost: self._lost,
            events.JobSucceeded: self._succeeded,
            events.JobCancelled: self._cancelled,
            events.FailureHookFailed: self._hook_failed,
        }

    def __call__(self, event: events.Event) -> None:
        """Check an event; those of killed processes are ignored."""
        check = self._kinds.get(type(event))
        if check is not None and not self._process.was_killed:
            check(event)

    def _owner_died(self, event: events.OwnerDied) -> None:
        self._process.died.add(event.owner)

    def _crashed(self, event: events.ChildCrashed) -> None:
        self._journal.record(self._process.name, "crashed", event.child, repr(event.error))
        if not all(self._may_crash(error) for error in _leaves(event.error)):
            self._unexpected(event)

    def _may_crash(self, error: BaseException) -> bool:
        if isinstance(error, HandlerCrashedError):
            return self._plan.crashes
        return isinstance(error, LeaseLostError) and self._plan.leases_may_end

    def _queue_error(self, event: events.QueueError) -> None:
        if not (isinstance(event.error, StoreUnavailableError) or self._may_crash(event.error)):
            self._unexpected(event)

    def _store_failed(self, event: events.StoreFailed) -> None:
        if not isinstance(event.error, StoreUnavailableError):
            self._unexpected(event)

    def _ignored(self, event: events.CancellationIgnored) -> None:
        """Check that the handler waits for another job: its call of the store may be slow."""
        run = self._checker.runs.of(str(event.job.id), event.job.reservations)
        if run is None or not (run.waits or run.is_nursing):
            self._unexpected(event)

    def _lost(self, event: events.ReservationLost) -> None:
        job = event.job
        ended = self._checker.ended.get(str(job.id))  # a pruned one is not known to any process
        mine = (
            ended is not None
            and ended.kind == "succeeded"
            and ended.reservations == job.reservations
        )
        self._journal.expect(not mine, f"job {job.id}: reported as lost, but it has succeeded")

    def _succeeded(self, event: events.JobSucceeded) -> None:
        ended = self._checker.record_of(event.job.id)
        is_true = ended is not None and ended.kind == "succeeded"
        self._journal.expect(
            is_true, f"job {event.job.id}: reported as succeeded, but it has not"
        )

    def _cancelled(self, event: events.JobCancelled) -> None:
        job = event.job.id  # a child may be cancelled because of its parent
        by_whom = event.by == "ada" or job in self._checker.children.all
        is_true = job in self._checker.cancelled and by_whom
        self._journal.expect(is_true, f"job {job}: reported as cancelled, but it was not")

    def _hook_failed(self, event: events.FailureHookFailed) -> None:
        job = event.job.id
        if isinstance(event.error, HookError):
            is_true = raises_at_its_end(job)
        else:
            is_gone = isinstance(event.error, UnfinishedHookError)
            is_true = is_gone and str(job) in self._checker.hooks.given_up
        if not is_true:
            self._unexpected(event)

    def _unexpected(self, event: object) -> None:
        self._journal.fail(f"{self._process.name}: {event!r}")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error
