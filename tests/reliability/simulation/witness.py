"""Checks every change of a row when it is made: may it be, now and by this process?"""

import json
from collections.abc import Sequence
from typing import final
from uuid import UUID

from tests.reliability.simulation.disk import Change
from tests.reliability.simulation.journal import Journal
from tests.reliability.simulation.ledger import Ledger
from tests.reliability.simulation.machine import Machine
from tests.reliability.simulation.owners import Owners
from tests.reliability.simulation.plan import Plan
from tests.reliability.simulation.planned import Planned
from tests.reliability.simulation.process import Process
from tests.reliability.simulation.runs import Run, Runs

MOST_INTERRUPTIONS = 100
"""The default limit, which no world reaches."""


@final
class Witness:
    """Sees all transactions in the order of their commits."""

    def __init__(self, plan: Plan, journal: Journal, machine: Machine, ledger: Ledger) -> None:
        self.live: dict[str, Change] = {}
        self.ended: dict[str, Change] = {}
        self.effects: list[str] = []
        self.owners = Owners(journal)
        self.runs = Runs(journal, machine)
        self._planned = Planned(journal)
        self._plan = plan
        self._journal = journal
        self._machine = machine
        self._ledger = ledger
        self._verb = ""

    @property
    def waiting(self) -> list[Change]:
        """Give the live jobs that were enqueued by hand."""
        return [row for row in self.live.values() if row.occurrence is None]

    @property
    def holders(self) -> list[str]:
        """Name the processes that hold jobs."""
        held = (self.owners.process_of(row.owner) for row in self.live.values())
        return [process.name for process in held if process is not None]

    def look(self, process: Process, verb: str, changes: Sequence[Change]) -> None:
        """Check what one transaction of a process has changed."""
        if not changes:
            return
        self._verb = verb
        for change in changes:
            self._journal.note(process.name, verb, change.kind, change.id, change.reservations)
            self._see(process, change)
        self._check_effects(changes)
        self._planned.check()

    def _see(self, process: Process, change: Change) -> None:
        match change.kind:
            case "stored":
                self._stored(change)
            case "changed":
                self._changed(process, change)
            case "gone":
                self._left(self.live.pop(change.id))
            case "succeeded":
                self._succeeded(process, change)
            case "failed":
                self._failed(process, change)
            case "effect":
                self.effects.append(change.id)
            case _:
                self._see_owner(process, change)

    def _see_owner(self, process: Process, change: Change) -> None:
        now = self._machine.microseconds()
        match change.kind:
            case "opened":
                self.owners.opened(process, change)
            case "renewed":
                self.owners.renewed(process, change, now)
            case "closed":
                self._closed(process, change, now)
            case _:
                self._journal.wrong(f"job {change.id}: {change.kind}")

    def _closed(self, process: Process, change: Change, now: int) -> None:
        held = [row.id for row in self.live.values() if row.owner == change.id]
        if self.owners.process_of(change.id) is process and not process.dead:
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
            self._ledger.stored(number, UUID(new.id))
        else:
            self._planned.stored(new)

    def _changed(self, process: Process, new: Change) -> None:
        old = self.live[new.id]
        self.live[new.id] = new
        if old.owner is None and new.owner is not None:
            self._reserved(process, old, new)
        elif old.owner is not None and new.owner is None:
            self._released(process, old, new)
        else:
            self._journal.wrong(f"job {new.id}: from owner {old.owner} to {new.owner}")

    def _reserved(self, process: Process, old: Change, new: Change) -> None:
        now = self._machine.microseconds()
        mine = self.owners.process_of(new.owner) is process
        self._expect(self._verb == "reserve" and mine, new, f"reserved for {new.owner}")
        self._expect(new.reservations == old.reservations + 1, new, "a number was left out")
        self._expect(_counted(old, new) == (0, 0, 0), new, "counted when it was reserved")
        self._expect(not self.owners.is_over(new.owner, now), new, "reserved without a lease")
        self._expect(new.instant <= now, new, "reserved before it was due")

    def _released(self, process: Process, old: Change, new: Change) -> None:
        run = self.runs.of(old.id, old.reservations)
        self._expect(new.reservations == old.reservations, new, "its number was changed")
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
                self._expect(free, new, f"given back after {run and run.end}")
            case counted:
                self._journal.wrong(f"job {new.id}: counted {counted}")

    def _check_own(self, process: Process, old: Change, run: Run | None) -> None:
        """Check that the holder itself wrote it, after its handler had ended."""
        mine = self.owners.process_of(old.owner) is process
        self._expect(mine, old, f"settled by {process.name}, which does not hold it")
        self._expect(run is None or run.end is not None, old, "settled while it runs")

    def _check_crash(self, process: Process, old: Change, run: Run | None) -> None:
        """Check that the holder is dead: by its lease, or because it says so itself."""
        if self.owners.is_over(old.owner, self._machine.microseconds()):
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
                self._journal.wrong(f"job {new.id}: counted {counted}")

    def _end(self, process: Process, new: Change) -> Run | None:
        """Note the end of a job; its row in the table of live ones goes after it."""
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
        """Check that effects and the successes that they belong to go down together."""
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
        """Check what is not live any more: it has ended, or was dropped before it began."""
        dropped = row.id not in self.ended
        if dropped:
            run = self.runs.of(row.id, row.reservations)
            self._expect(row.occurrence is not None and run is None, row, "lost")
        if row.occurrence is not None:
            replaced = dropped and self._verb == "replace"
            self._planned.gone(row, dropped=dropped, replaced=replaced)

    def _expect(self, condition: object, row: Change, text: str) -> None:
        self._journal.expect(condition, f"job {row.id}, reservation {row.reservations}: {text}")


def _counted(old: Change, new: Change) -> tuple[int, int, int]:
    return (
        new.attempts - old.attempts,
        new.crashes - old.crashes,
        new.interruptions - old.interruptions,
    )
