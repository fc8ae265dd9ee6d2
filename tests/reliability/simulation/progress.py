"""Checks the progress of rows: a run has reported it, and its last report stays at its end."""

import json
from typing import final

from tests.reliability.simulation.database import Change
from tests.reliability.simulation.process import Process
from tests.reliability.simulation.records import Journal, Owners, Run


@final
class ProgressChecks:
    """Checks changes of the progress of jobs."""

    def __init__(self, journal: Journal, owners: Owners) -> None:
        self._journal = journal
        self._owners = owners

    def reported(self, process: Process, new: Change, run: Run | None) -> None:
        """Check a report: its process holds the job, whose run has made it."""
        mine = self._owners.process_of(new.owner) is process
        self._expect(mine, new, f"reported by {process.name}, which does not hold it")
        made = run is not None and _done(new) in run.reports
        self._expect(made, new, f"{_done(new)} is stored, reported were {run and run.reports}")

    def kept(self, old: Change, new: Change) -> None:
        """Check that the progress did not change."""
        self._expect(new.progress == old.progress, new, "its progress was changed")

    def ended(self, new: Change, run: Run | None) -> None:
        """Check that a run which its own process has ended has left its last report."""
        if run is not None and run.reports:
            last = run.reports[-1]
            self._expect(_done(new) == last, new, f"ended with {_done(new)}, not with {last}")

    def retried(self, new: Change) -> None:
        """Check that a job which an operator retries has no progress."""
        self._expect(new.progress is None, new, "retried with progress")

    def _expect(self, condition: object, row: Change, text: str) -> None:
        self._journal.expect(condition, f"job {row.id}, progress: {text}")


def _done(row: Change) -> int | None:
    if row.progress is None:
        return None
    done: int = json.loads(row.progress)[0]
    return done
