"""The check of the end of a reservation: its counters, its history and who writes it."""

from typing import final
from uuid import UUID

import trio

from tests.reliability.simulation.database import Change
from tests.reliability.simulation.plan import LEASE, Plan
from tests.reliability.simulation.process import Process, SharedClock
from tests.reliability.simulation.progress import ProgressChecks
from tests.reliability.simulation.records import Histories, Journal, Owners, Run

MOST_INTERRUPTIONS = 100
"""The default limit, which no seed reaches."""


@final
class EndChecks:
    """Checks ends without success, of jobs that are put back, cancelled or failed."""

    def __init__(
        self, plan: Plan, journal: Journal, shared_clock: SharedClock, owners: Owners
    ) -> None:
        self.histories = Histories(journal, owners)
        self.progress = ProgressChecks(journal, owners)
        self._plan = plan
        self._journal = journal
        self._shared_clock = shared_clock
        self._owners = owners

    def check_unended(
        self,
        process: Process,
        old: Change,
        new: Change,
        run: Run | None,
        *,
        may_be_cancelled: bool,
    ) -> None:
        """Check the counters and the history of a job that is put back or cancelled."""
        match counted(old, new):
            case 0, 1, 0:
                self._check_crash(process, old, run)
                ends = {"crashed"}
            case 1, 0, 0:
                self.check_own(process, old, run)
                self._expect(run is not None and run.failed, new, "counted an attempt")
                ends = {"failed"}
            case 0, 0, 1:
                self.check_own(process, old, run)
                ends = {"interrupted"}
            case 0, 0, 0 if run is not None and run.has_nursed and self._is_taken(process, old):
                ends = {"crashed"}
            case 0, 0, 0:
                self.check_own(process, old, run)
                ends = self._uncounted(new, run, may_be_cancelled=may_be_cancelled)
            case others:
                ends = set[str]()
                self._journal.fail(f"job {new.id}: counted {others}")
        self.histories.ended(old, new, ends)
        self.progress.kept(old, new)
        if ends.isdisjoint(("crashed", "interrupted")):  # by the monitor, perhaps
            self.progress.ended(new, run)

    def _uncounted(self, new: Change, run: Run | None, *, may_be_cancelled: bool) -> set[str]:
        """Check a run whose end counts for no limit, and return how it may have ended."""
        has_nursed = run is not None and run.has_nursed
        free = run is None or run.end == "snoozed" or has_nursed
        ends = {"released" if run is None else "snoozed"}
        if has_nursed:
            ends.add("interrupted")
        if may_be_cancelled:
            free = run is None or run.end != "returned"
            ends.add("cancelled")
        self._expect(free, new, f"put back after {run and run.end}")
        return ends

    def check_failure(
        self, process: Process, old: Change, new: Change, run: Run | None
    ) -> None:
        end = ""
        match counted(old, new):
            case 0, 1, 0:
                end = "crashed"
                self._check_crash(process, old, run)
                self._expect(new.crashes > self._plan.max_crashes, new, "failed by crashes")
            case 0, 0, 1:
                end = "interrupted"
                self._expect(
                    new.interruptions > MOST_INTERRUPTIONS, new, "interrupted too often"
                )
            case 0, 0, 0:
                self.check_own(process, old, run)
                used_up = (
                    run is not None and run.failed and new.attempts >= self._plan.max_retries
                )
                discarded = run is not None and run.end == "discarded"
                gave_up = run is not None and run.end == "gave up"
                end = "discarded" if discarded else "failed"
                right = used_up or discarded or gave_up
                self._expect(right, new, f"failed after {run and run.end}")
            case others:
                self._journal.fail(f"job {new.id}: counted {others}")
        self.histories.ended(old, new, {end})
        self.progress.kept(old, new)
        if end in ("failed", "discarded"):
            self.progress.ended(new, run)

    def check_own(self, process: Process, old: Change, run: Run | None) -> None:
        """Check that the owner of the reservation made the change, after the handler ended."""
        mine = self._owners.process_of(old.owner) is process
        self._expect(mine, old, f"settled by {process.name}, which does not hold it")
        is_over = run is None or (run.end is not None and not run.is_open)
        self._expect(is_over, old, "settled while it runs")

    def _is_taken(self, process: Process, old: Change) -> bool:
        """Whether another process writes the end of a dead owner's run."""
        return self._is_dead(old) and self._owners.process_of(old.owner) is not process

    def _is_dead(self, old: Change) -> bool:
        """Whether the lease of the owner has ended, which ends all of its runs.

        The clock may jump between the read of the monitor and its write.
        """
        clock, lately = self._shared_clock, trio.current_time() - LEASE
        times = (clock.microseconds(), clock.microseconds_without(jumps_since=lately))
        return any(self._owners.is_over(old.owner, one) for one in times)

    def _check_crash(self, process: Process, old: Change, run: Run | None) -> None:
        """Check that the owner is dead: its lease has ended, or it has reported its death."""
        if self._is_dead(old):
            return
        mine = self._owners.process_of(old.owner) is process
        died = mine and UUID(old.owner or "") in process.died
        self._expect(died, old, f"taken by {process.name} from a living owner")
        self._expect(run is not None and run.end == "crashed", old, "counted a crash")

    def _expect(self, condition: object, row: Change, text: str) -> None:
        self._journal.expect(condition, f"job {row.id}, reservation {row.reservations}: {text}")


def counted(old: Change, new: Change) -> tuple[int, int, int]:
    """Return by how much attempts, crashes and interruptions have grown."""
    return (
        new.attempts - old.attempts,
        new.crashes - old.crashes,
        new.interruptions - old.interruptions,
    )
