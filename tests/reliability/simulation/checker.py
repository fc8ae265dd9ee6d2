"""The check of each transaction: whether a process may make these changes at this time."""

import json
from collections.abc import Callable, Sequence
from typing import final
from uuid import UUID

from attrs import evolve

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.jobs import EndState
from tests.reliability.simulation.children import CASCADES, ChildChecks
from tests.reliability.simulation.database import Change
from tests.reliability.simulation.ends import EndChecks, counted
from tests.reliability.simulation.hooks import HookChecks
from tests.reliability.simulation.plan import Plan
from tests.reliability.simulation.process import Process, SharedClock
from tests.reliability.simulation.records import (
    Journal,
    Owners,
    Run,
    Runs,
    Schedules,
)
from tests.reliability.simulation.trees import FIRST_CHILD
from tests.reliability.simulation.workload import EnqueueLog


@final
class Checker:
    """Checks all transactions in the order of their commits."""

    def __init__(
        self, plan: Plan, journal: Journal, shared_clock: SharedClock, enqueue_log: EnqueueLog
    ) -> None:
        self.live: dict[str, Change] = {}
        self.ended: dict[str, Change] = {}
        self.cancelled: set[UUID] = set()
        """All jobs that were ever cancelled."""
        self.effects: list[str] = []
        self.owners = Owners(journal)
        self.runs = Runs(journal, shared_clock)
        self._schedules = Schedules(journal)
        self._ends = EndChecks(plan, journal, shared_clock, self.owners)
        self._histories = self._ends.histories
        self._progress = self._ends.progress
        self.hooks = HookChecks(journal, enqueue_log)
        self.pruned: dict[str, Change] = {}
        """The jobs that have ended and were pruned."""
        self.children = ChildChecks(journal, self.owners, shared_clock, self.live, self.ended)
        self._plan = plan
        self._journal = journal
        self._shared_clock = shared_clock
        self._enqueue_log = enqueue_log
        self._asked: set[str] = set()
        """The jobs that are to be cancelled by the processes that run them."""
        self._retried: dict[str, str] = {}
        """The end of each job that the present transaction retries."""
        self._verb = ""
        self._kinds: dict[str, Callable[[Process, Change], None]] = {
            "stored": self._stored,
            "changed": self._changed,
            "deleted": self._left,
            "succeeded": self._succeeded,
            "failed": self._failed,
            "cancelled": self._cancelled,
            "left_succeeded": self._left_end,
            "left_failed": self._left_end,
            "left_cancelled": self._left_end,
            "joined": self.children.joined,
            "joined_again": self.children.joined,
            "parted": self.children.parted,
            "asked": self._asks,
            "asked_again": self._asks,
            "command_forgotten": self._command_forgotten,
            "effect": self._effect,
            "hooked": lambda *_: None,
            "marked": lambda _, mark: self.hooks.marked(mark),
            "marked_again": lambda _, mark: self.hooks.marked(mark),
            "unmarked": self._unmarked,
            "restored": self._restored,
            "restored_cancelled": self._restored,
            "opened": self._opened,
            "renewed": self._renewed,
            "closed": self._closed,
            "owner_forgotten": self._owner_forgotten,
        }

    @property
    def waiting(self) -> list[Change]:
        """The live jobs that do not belong to a schedule."""
        return [row for row in self.live.values() if row.occurrence is None]

    def record_of(self, job: UUID) -> Change | None:
        """Return the row of a job that has ended, which may be pruned."""
        return self.ended.get(str(job), self.pruned.get(str(job)))

    def ended_as(self, state: EndState) -> list[str]:
        """Return the ids of the jobs that have ended in this state."""
        return [row.id for row in self.ended.values() if row.kind == state]

    @property
    def runs_of_schedules(self) -> list[UUID]:
        """The jobs of schedules that run, and those that have ended but did not succeed."""
        running = [row for row in self.live.values() if row.owner is not None]
        ended = [row for row in self.ended.values() if row.kind != "succeeded"]
        return [UUID(row.id) for row in (*running, *ended) if row.occurrence is not None]

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
        self.hooks.check_transaction(changes)
        self._schedules.check()
        self.children.check_transaction(verb, changes, self._asked)
        for job, end in self._retried.items():
            self._journal.fail(f"job {job}: retried, but {end} as well")

    def _check_change(self, process: Process, change: Change) -> None:
        check = self._kinds.get(change.kind)
        if check is None:
            self._journal.fail(f"job {change.id}: {change.kind}")
        else:
            check(process, change)

    def _opened(self, process: Process, change: Change) -> None:
        if change.id == str(HOOK_OWNER):
            self._journal.expect(self._verb == "register_hooks", f"opened by {self._verb}")
            self.hooks.has_owner = True
        else:
            self.owners.opened(process, change)

    def _renewed(self, process: Process, change: Change) -> None:
        if self._verb == "close_owners":
            self.owners.ended(process, change)
        else:
            self.owners.renewed(process, change, self._shared_clock.microseconds())

    def _closed(self, process: Process, change: Change) -> None:
        held = [row.id for row in self.live.values() if row.owner == change.id]
        held += self.hooks.held_by(change.id)
        self._journal.expect(not held, f"owner {change.id} closed while it holds {held}")
        self.owners.closed(process, change, self._shared_clock.microseconds())

    def _owner_forgotten(self, process: Process, change: Change) -> None:
        """Check that no ended job has the owner, unless the clock was set back."""
        has_jobs = any(row.owner == change.id for row in self.ended.values())
        is_wrong = has_jobs and not self._shared_clock.has_jumped_since(0.0)
        self._journal.expect(not is_wrong, f"owner {change.id} is forgotten before its jobs")
        self.owners.forgotten(change)

    def _stored(self, process: Process, new: Change) -> None:
        counters = new.attempts, new.crashes, new.interruptions
        self._expect(new.id not in self.live, new, "stored twice")
        self._expect(counters == (0, 0, 0) and new.owner is None, new, "stored as reserved")
        self.live[new.id] = new
        ended = self.ended.pop(new.id, None)
        if ended is not None:
            self._retry(ended, new)
            return
        self._expect((new.reservations, new.history) == (0, None), new, "stored with a past")
        if new.occurrence is None:
            number = json.loads(new.payload or "")["number"]
            if number < FIRST_CHILD:
                self._enqueue_log.stored(number, UUID(new.id))
            else:
                self._expect(self._verb == "start_children", new, f"stored by {self._verb}")
                self._enqueue_log.stored_child(number, UUID(new.id))
        else:
            self._schedules.stored(new)

    def _retry(self, old: Change, new: Change) -> None:
        self._expect(self._verb == "retry", new, f"stored again after it has {old.kind}")
        self._expect(old.kind in ("failed", "cancelled"), new, f"retried after {old.kind}")
        self._expect(new.reservations == old.reservations, new, "its number was changed")
        self._expect(new.occurrence is None, new, "retried as the run of a schedule")
        self._expect(new.id not in self._asked, new, "an old command was kept")
        self._expect(new.parent is None, new, f"retried as a child of {new.parent}")
        self._retried[new.id] = old.kind
        self._histories.retried(old, new)
        self._progress.retried(new)

    def _left_end(self, process: Process, change: Change) -> None:
        """Check that an ended job is deleted because it was retried or pruned."""
        if self._verb == "prune":
            self.children.pruned(change)
            self.pruned[change.id] = self.ended.pop(change.id)
            return
        end = self._retried.pop(change.id, "")
        self._expect(change.kind == f"left_{end}", change, f"{change.kind}, but retried: {end}")

    def _asks(self, process: Process, command: Change) -> None:
        held = self.live.get(command.id)
        is_held = held is not None and held.owner is not None
        self._journal.expect(is_held, f"job {command.id}: asked to end, but it does not run")
        self._journal.expect(
            self._verb in CASCADES, f"job {command.id}: asked to end by {self._verb}"
        )
        if held is not None:
            self.children.cascaded(process, held)
        self._asked.add(command.id)

    def _command_forgotten(self, process: Process, command: Change) -> None:
        held = self.live.get(command.id)
        is_idle = held is None or self._verb == "retry"
        self._journal.expect(is_idle, f"job {command.id}: its cancellation was forgotten")
        self._asked.discard(command.id)

    def _effect(self, process: Process, change: Change) -> None:
        self.effects.append(change.id)

    def _changed(self, process: Process, new: Change) -> None:
        old = self.live[new.id]
        self.live[new.id] = new
        if self._verb == "start_children":
            self.children.started(process, old, new)
        elif self.hooks.is_held(new):
            self._held_for_its_end(process, old, new)
        elif old.owner is None and new.owner is not None:
            self._reserved(process, old, new)
        elif old.owner is not None and new.owner is None:
            self._released(process, old, new)
        elif old.owner is not None and evolve(old, progress=new.progress) == new:
            self._progress.reported(process, new, self.runs.of(new.id, new.reservations))
        else:
            self._journal.fail(f"job {new.id}: from owner {old.owner} to {new.owner}")

    def _reserved(self, process: Process, old: Change, new: Change) -> None:
        now = self._shared_clock.microseconds()
        mine = self.owners.process_of(new.owner) is process
        self._expect(self._verb == "reserve" and mine, new, f"reserved for {new.owner}")
        self._expect(
            new.reservations == old.reservations + 1, new, "a reservation number was skipped"
        )
        self._expect(counted(old, new) == (0, 0, 0), new, "counted when it was reserved")
        self.children.reserved(new)
        self._expect(not self.owners.is_over(new.owner, now), new, "reserved without a lease")
        self._expect(new.instant <= now, new, "reserved before it was due")
        self._expect(new.history == old.history, new, "its history was changed")
        self._progress.kept(old, new)

    def _held_for_its_end(self, process: Process, old: Change, new: Change) -> None:
        """Check a job whose end is left to a process with its worker."""
        state = self.hooks.mark_of(new).payload or ""
        self._expect(self.hooks.covers(new, state), new, "marked, but has no function")
        if old.owner is None:
            number = old.reservations + 1
            same = evolve(old, kind=new.kind, owner=new.owner, reservations=number) == new
            self._expect(same and self._verb in CASCADES, new, "held while it waits")
            self.children.cascaded(process, new)
            return
        self._expect(self._verb == "mark_end", new, f"held by {self._verb}")
        self._expect(new.reservations == old.reservations, new, "held by another number")
        run = self.runs.of(old.id, old.reservations)
        if state == "failed":
            self._ends.check_failure(process, old, new, run)
        else:
            self._expect(new.id in self._asked, new, "to be cancelled, but not asked")
            self._ends.check_unended(process, old, new, run, may_be_cancelled=True)

    def _unmarked(self, process: Process, mark: Change) -> None:
        self.hooks.unmarked(mark, self.ended.get(mark.id), self._verb)

    def _restored(self, process: Process, new: Change) -> None:
        old = self.ended[new.id]
        self.hooks.restored(old, new)
        self.ended[new.id] = evolve(new, kind=old.kind)

    def _released(self, process: Process, old: Change, new: Change) -> None:
        run = self.runs.of(old.id, old.reservations)
        self._expect(
            new.reservations == old.reservations, new, "its reservation number was changed"
        )
        self._expect(new.id not in self._asked, new, "released, though it was cancelled")
        self.children.reserved(new)
        self._ends.check_unended(process, old, new, run, may_be_cancelled=False)

    def _succeeded(self, process: Process, new: Change) -> None:
        run = self._end(process, new)
        self._ends.check_own(process, new, run)
        returned = run is not None and run.end == "returned"
        self._expect(returned, new, f"succeeded after {run and run.end}")
        self._expect(new.result == (run and run.result), new, f"has the result {new.result}")
        self._expect(new.history == self.live[new.id].history, new, "its history was changed")
        self._progress.ended(new, run)

    def _cancelled(self, process: Process, new: Change) -> None:
        """Check a job that an operator ends while it waits, or that its process ends."""
        self.cancelled.add(UUID(new.id))
        old = self.live.get(new.id, new)
        if old.owner is None:
            known = self._verb in CASCADES and old is not new
            self._expect(known, new, f"cancelled by {self._verb}")
            self.children.cascaded(process, new)
            self._expect(new.id not in self.ended, new, "ended twice")
            self._expect(not self._needs_hook(new), new, "cancelled without its function")
            same = evolve(old, kind=new.kind) == new
            self._expect(same, new, "changed when it was cancelled")
            self.ended[new.id] = new
            return
        run = self._end(process, new)
        if self.hooks.is_held(old):
            self._check_marked(old, new)
            return
        self._expect(new.id in self._asked, new, "cancelled, but no operator wants it")
        self._ends.check_unended(process, old, new, run, may_be_cancelled=True)

    def _failed(self, process: Process, new: Change) -> None:
        old = self.live.get(new.id, new)
        run = self._end(process, new)
        if self.hooks.is_held(old):
            self._check_marked(old, new)
        else:
            self._ends.check_failure(process, old, new, run)

    def _check_marked(self, old: Change, new: Change) -> None:
        """Check the end of a marked job, which a process with its worker writes."""
        state = self.hooks.mark_of(new).payload
        right = (self._verb, new.kind) == ("end_with", state)
        self._expect(right, new, f"{new.kind} by {self._verb}, marked as {state}")
        self._expect(evolve(old, kind=new.kind) == new, new, "changed at its end")

    def _needs_hook(self, row: Change) -> bool:
        return self.hooks.has_owner and self.hooks.covers(row, "cancelled")

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

    def _left(self, process: Process, row: Change) -> None:
        """Check a deleted live job: it has ended, or was dropped before its first run."""
        del self.live[row.id]
        dropped = row.id not in self.ended
        if dropped:
            run = self.runs.of(row.id, row.reservations)
            self._expect(row.occurrence is not None and run is None, row, "lost")
        if row.occurrence is not None:
            replaced = dropped and self._verb == "replace"
            self._schedules.ended(row, dropped=dropped, replaced=replaced)
            if self._verb == "cancel":
                self._schedules.cancelled(row)

    def _expect(self, condition: object, row: Change, text: str) -> None:
        self._journal.expect(condition, f"job {row.id}, reservation {row.reservations}: {text}")
