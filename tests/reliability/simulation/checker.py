"""The check of each transaction: whether a process may make these changes at this time."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, final
from uuid import UUID

from bgjobs import events
from bgjobs._runtime.queues.attempt import HandlerCrashedError
from bgjobs.errors import LeaseLostError, StoreUnavailableError
from tests.reliability.simulation.database import Change
from tests.reliability.simulation.plan import Plan
from tests.reliability.simulation.process import Process, SharedClock
from tests.reliability.simulation.records import Journal, Owners, Run, Runs, Schedules
from tests.reliability.simulation.workload import EnqueueLog

MOST_INTERRUPTIONS = 100
"""The default limit, which no seed reaches."""


@final
class Checker:
    """Checks all transactions in the order of their commits."""

    def __init__(
        self, plan: Plan, journal: Journal, shared_clock: SharedClock, enqueue_log: EnqueueLog
    ) -> None:
        self.live: dict[str, Change] = {}
        self.ended: dict[str, Change] = {}
        self.effects: list[str] = []
        self.owners = Owners(journal)
        self.runs = Runs(journal, shared_clock)
        self._schedules = Schedules(journal)
        self._plan = plan
        self._journal = journal
        self._shared_clock = shared_clock
        self._enqueue_log = enqueue_log
        self._verb = ""

    @property
    def waiting(self) -> list[Change]:
        """The live jobs that do not belong to a schedule."""
        return [row for row in self.live.values() if row.occurrence is None]

    @property
    def holders(self) -> list[str]:
        """The names of the processes that have reserved jobs."""
        held = (self.owners.process_of(row.owner) for row in self.live.values())
        return [process.name for process in held if process is not None]

    def check_transaction(self, process: Process, verb: str, changes: Sequence[Change]) -> None:
        """Check the changes of one transaction of a process."""
        if not changes:
            return
        self._verb = verb
        for change in changes:
            self._journal.record(
                process.name, verb, change.kind, change.id, change.reservations
            )
            self._check_change(process, change)
        self._check_effects(changes)
        self._schedules.check()

    def _check_change(self, process: Process, change: Change) -> None:
        match change.kind:
            case "stored":
                self._stored(change)
            case "changed":
                self._changed(process, change)
            case "deleted":
                self._left(self.live.pop(change.id))
            case "succeeded":
                self._succeeded(process, change)
            case "failed":
                self._failed(process, change)
            case "effect":
                self.effects.append(change.id)
            case _:
                self._check_owner(process, change)

    def _check_owner(self, process: Process, change: Change) -> None:
        now = self._shared_clock.microseconds()
        match change.kind:
            case "opened":
                self.owners.opened(process, change)
            case "renewed":
                self.owners.renewed(process, change, now)
            case "closed":
                self._closed(process, change, now)
            case _:
                self._journal.fail(f"job {change.id}: {change.kind}")

    def _closed(self, process: Process, change: Change, now: int) -> None:
        held = [row.id for row in self.live.values() if row.owner == change.id]
        if self.owners.process_of(change.id) is process and not process.was_killed:
            orderly = not held or self.owners.is_over(change.id, now)
            self._journal.expect(orderly, f"owner {change.id} closed while it holds {held}")
        self.owners.closed(process, change, now)

    def _stored(self, new: Change) -> None:
        counters = new.reservations, new.attempts, new.crashes, new.interruptions
        self._expect(new.id not in self.live and new.id not in self.ended, new, "stored twice")
        self._expect(counters == (0, 0, 0, 0) and new.owner is None, new, "stored as reserved")
        self.live[new.id] = new
        if new.occurrence is None:
            number = json.loads(new.payload or "")["number"]
            self._enqueue_log.stored(number, UUID(new.id))
        else:
            self._schedules.stored(new)

    def _changed(self, process: Process, new: Change) -> None:
        old = self.live[new.id]
        self.live[new.id] = new
        if old.owner is None and new.owner is not None:
            self._reserved(process, old, new)
        elif old.owner is not None and new.owner is None:
            self._released(process, old, new)
        else:
            self._journal.fail(f"job {new.id}: from owner {old.owner} to {new.owner}")

    def _reserved(self, process: Process, old: Change, new: Change) -> None:
        now = self._shared_clock.microseconds()
        mine = self.owners.process_of(new.owner) is process
        self._expect(self._verb == "reserve" and mine, new, f"reserved for {new.owner}")
        self._expect(
            new.reservations == old.reservations + 1, new, "a reservation number was skipped"
        )
        self._expect(_counted(old, new) == (0, 0, 0), new, "counted when it was reserved")
        self._expect(not self.owners.is_over(new.owner, now), new, "reserved without a lease")
        self._expect(new.instant <= now, new, "reserved before it was due")

    def _released(self, process: Process, old: Change, new: Change) -> None:
        run = self.runs.of(old.id, old.reservations)
        self._expect(
            new.reservations == old.reservations, new, "its reservation number was changed"
        )
        match _counted(old, new):
            case 0, 1, 0:
                self._check_crash(process, old, run)
            case 1, 0, 0:
                self._check_own(process, old, run)
                self._expect(run is not None and run.failed, new, "counted an attempt")
            case 0, 0, 1:
                self._check_own(process, old, run)
            case 0, 0, 0:
                self._check_own(process, old, run)
                free = run is None or run.end == "snoozed"
                self._expect(free, new, f"released after {run and run.end}")
            case counted:
                self._journal.fail(f"job {new.id}: counted {counted}")

    def _check_own(self, process: Process, old: Change, run: Run | None) -> None:
        """Check that the owner of the reservation made the change, after the handler ended."""
        mine = self.owners.process_of(old.owner) is process
        self._expect(mine, old, f"settled by {process.name}, which does not hold it")
        self._expect(run is None or run.end is not None, old, "settled while it runs")

    def _check_crash(self, process: Process, old: Change, run: Run | None) -> None:
        """Check that the owner is dead: its lease has ended, or it has reported its death."""
        if self.owners.is_over(old.owner, self._shared_clock.microseconds()):
            return
        mine = self.owners.process_of(old.owner) is process
        died = mine and UUID(old.owner or "") in process.died
        self._expect(died, old, f"taken by {process.name} from a living owner")
        self._expect(run is not None and run.end == "crashed", old, "counted a crash")

    def _succeeded(self, process: Process, new: Change) -> None:
        run = self._end(process, new)
        self._check_own(process, new, run)
        returned = run is not None and run.end == "returned"
        self._expect(returned, new, f"succeeded after {run and run.end}")

    def _failed(self, process: Process, new: Change) -> None:
        old = self.live.get(new.id, new)
        run = self._end(process, new)
        match _counted(old, new):
            case 0, 1, 0:
                self._check_crash(process, old, run)
                self._expect(new.crashes > self._plan.max_crashes, new, "failed by crashes")
            case 0, 0, 1:
                self._expect(
                    new.interruptions > MOST_INTERRUPTIONS, new, "interrupted too often"
                )
            case 0, 0, 0:
                self._check_own(process, old, run)
                used_up = (
                    run is not None and run.failed and new.attempts >= self._plan.max_retries
                )
                discarded = run is not None and run.end == "discarded"
                self._expect(used_up or discarded, new, f"failed after {run and run.end}")
            case counted:
                self._journal.fail(f"job {new.id}: counted {counted}")

    def _end(self, process: Process, new: Change) -> Run | None:
        """Record the end of a job; the row of the live job is deleted afterwards."""
        old = self.live.get(new.id)
        self._expect(new.id not in self.ended, new, "ended twice")
        held = old is not None and (old.owner, old.reservations) == (
            new.owner,
            new.reservations,
        )
        self._expect(held and new.owner is not None, new, "ended under another reservation")
        self.ended[new.id] = new
        return self.runs.of(new.id, new.reservations)

    def _check_effects(self, changes: Sequence[Change]) -> None:
        """Check that each effect is in the same transaction as the success of its job."""
        written = sorted((one.id, one.reservations) for one in changes if one.kind == "effect")
        wanted = sorted(
            (one.id, one.reservations)
            for one in changes
            if one.kind == "succeeded" and self._writes(one)
        )
        self._journal.expect(written == wanted, f"effects {written}, successes {wanted}")

    def _writes(self, ended: Change) -> bool:
        run = self.runs.of(ended.id, ended.reservations)
        return run is not None and run.writes

    def _left(self, row: Change) -> None:
        """Check a deleted live job: it has ended, or was dropped before its first run."""
        dropped = row.id not in self.ended
        if dropped:
            run = self.runs.of(row.id, row.reservations)
            self._expect(row.occurrence is not None and run is None, row, "lost")
        if row.occurrence is not None:
            replaced = dropped and self._verb == "replace"
            self._schedules.ended(row, dropped=dropped, replaced=replaced)

    def _expect(self, condition: object, row: Change, text: str) -> None:
        self._journal.expect(condition, f"job {row.id}, reservation {row.reservations}: {text}")


def _counted(old: Change, new: Change) -> tuple[int, int, int]:
    return (
        new.attempts - old.attempts,
        new.crashes - old.crashes,
        new.interruptions - old.interruptions,
    )


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
            events.CancellationIgnored: self._unexpected,
            events.NoWorkerForJob: self._unexpected,
            events.StoreFailed: self._store_failed,
            events.QueueError: self._queue_error,
            events.ReservationLost: self._lost,
            events.JobSucceeded: self._succeeded,
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

    def _lost(self, event: events.ReservationLost) -> None:
        job = event.job
        ended = self._checker.ended.get(str(job.id))
        mine = (
            ended is not None
            and ended.kind == "succeeded"
            and ended.reservations == job.reservations
        )
        self._journal.expect(not mine, f"job {job.id}: reported as lost, but it has succeeded")

    def _succeeded(self, event: events.JobSucceeded) -> None:
        ended = self._checker.ended.get(str(event.job.id))
        is_true = ended is not None and ended.kind == "succeeded"
        self._journal.expect(
            is_true, f"job {event.job.id}: reported as succeeded, but it has not"
        )

    def _unexpected(self, event: object) -> None:
        self._journal.fail(f"{self._process.name}: {event!r}")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error
