"""The runs of handlers: one for each reservation, and one at a time for each job."""

from typing import Literal, final
from uuid import UUID

import trio
from attrs import define, field

from tests.reliability.simulation.journal import Journal
from tests.reliability.simulation.machine import Machine
from tests.reliability.simulation.plan import LEASE
from tests.reliability.simulation.process import Process

End = Literal[
    "returned", "spoiled", "raised", "discarded", "snoozed", "crashed", "cancelled", "killed"
]


@final
@define(eq=False)
class Run:
    """One call of a handler."""

    job: str
    number: int
    """The number of the reservation."""
    process: Process
    timed: bool
    """Whether its worker has a timeout."""
    started: float = field(factory=trio.current_time)
    end: End | None = None
    """None as long as it goes on."""
    writes: bool = False
    """Whether it has given work to `complete_with`."""

    @property
    def failed(self) -> bool:
        """Whether its end counts as an attempt."""
        return self.end in ("raised", "spoiled") or (self.timed and self.end == "cancelled")


@final
class Runs:
    """Keeps all runs, and checks that none begins that must not."""

    def __init__(self, journal: Journal, machine: Machine) -> None:
        self._journal = journal
        self._machine = machine
        self._all: dict[tuple[str, int], Run] = {}
        self._by_job: dict[str, list[Run]] = {}

    def of(self, job: str, number: int) -> Run | None:
        """Give the run under one reservation."""
        return self._all.get((job, number))

    def count(self, job: UUID) -> int:
        """Say how many runs of a job have begun."""
        return len(self._by_job.get(str(job), ()))

    def began(self, process: Process, job: UUID, number: int, *, timed: bool) -> Run:
        """Note that a handler is called."""
        run = Run(str(job), number, process, timed)
        what = f"job {job}, reservation {number}, on {process.name}"
        self._journal.note(process.name, "began", str(job), number)
        self._journal.expect((run.job, number) not in self._all, f"{what}: began twice")
        others = self._by_job.setdefault(run.job, [])
        for other in others:
            beside = other.end is None and not (self.is_excused(other) or self.is_excused(run))
            text = f"{what}: began beside reservation {other.number} on {other.process.name}"
            self._journal.expect(not beside, text)
        self._all[run.job, number] = run
        others.append(run)
        return run

    def ended(self, run: Run, end: End) -> None:
        """Note how a handler ended; what a killed process does after its death is nothing."""
        if run.end is None:
            run.end = end
            self._journal.note(run.process.name, end, run.job, run.number)

    def killed(self, process: Process) -> None:
        """End the runs of a process with it."""
        for run in self._all.values():
            if run.process is process:
                self.ended(run, "killed")

    def is_excused(self, run: Run) -> bool:
        """Say whether its process may not know that it has lost the job.

        It stood still, or the store's clock jumped, so its lease ended behind its back.
        """
        since = run.started - LEASE
        return run.process.was_frozen_since(since) or self._machine.has_jumped_since(since)
