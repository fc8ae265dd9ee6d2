"""What the checker records: all steps and problems, owners, scheduled jobs and runs."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Literal, final
from uuid import UUID

import trio
from attrs import define, field, frozen

from bgjobs._core.history import KEPT_HISTORY, HistoryEntry, PastEnd, PastReservation
from bgjobs._core.jobs import Job
from bgjobs._core.nurseries import NURSERY_OWNER
from bgjobs._core.occurrences import Occurrence
from bgjobs.stores.json_columns import load_history, load_occurrence
from tests.reliability.simulation.database import Change
from tests.reliability.simulation.plan import LEASE
from tests.reliability.simulation.process import Process, SharedClock

MOST_PROBLEMS = 20
"""The number of problems that are kept; the first one is the most useful."""
MOST_CALLS = 50_000
"""The most calls of the store in a simulation; only an endless loop makes more."""


@final
class Journal:
    """Records every step; the first problem ends the simulation."""

    def __init__(self) -> None:
        self.steps: list[tuple[object, ...]] = []
        self.problems: list[str] = []
        self.calls = 0
        self.stop: Callable[[], None] = lambda: None
        """Ends the simulation."""

    def record(self, *facts: object) -> None:
        """Record a step."""
        self.steps.append((trio.current_time(), *facts))

    def called(self) -> None:
        """Count a call of the store."""
        self.calls += 1
        if self.calls == MOST_CALLS:
            self.fail(f"{MOST_CALLS} calls of the store without an end")

    def fail(self, text: str) -> None:
        """Record a problem, and end the simulation."""
        if len(self.problems) < MOST_PROBLEMS:
            self.record("PROBLEM", text)
            self.problems.append(f"{trio.current_time():.6f}: {text}")
        self.stop()

    def expect(self, condition: object, text: str) -> None:
        """Record a problem unless the condition holds."""
        if not condition:
            self.fail(text)


def fingerprint(steps: Sequence[tuple[object, ...]]) -> str:
    """Return a digest of all steps, to compare two simulations of a seed."""
    return sha256("\n".join(map(repr, steps)).encode()).hexdigest()


@final
@frozen
class _Lease:
    process: Process
    until: int


@final
class Owners:
    """The owners: the process of each, and its lease."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._open: dict[str, _Lease] = {}
        self._processes: dict[str, Process] = {}
        self._names: dict[str, str] = {}
        self.past: set[str] = set()
        """The owners that were closed."""
        self._unanswered: set[str] = set()
        self._newest = ""

    @property
    def rows(self) -> list[str]:
        """The ids of all owners that have a row."""
        return list(self._open)

    @property
    def open(self) -> list[str]:
        """The names of the processes that have an owner with a row, and know of it.

        That of a nursery is left out: it is closed in one try, as its lease ends by itself.
        """
        return [
            lease.process.name
            for owner, lease in self._open.items()
            if owner not in self._unanswered and self._names[owner] != NURSERY_OWNER
        ]

    def unanswered(self) -> None:
        """Record that the process of the newest owner does not know of it."""
        self._unanswered.add(self._newest)

    def process_of(self, owner: str | None) -> Process | None:
        """Return the process that opened an owner."""
        return self._processes.get(owner or "")

    def name_of(self, owner: str | None) -> str:
        """Return the name of the queue of an owner."""
        return self._names.get(owner or "", "")

    def is_over(self, owner: str | None, now: int) -> bool:
        """Whether an owner has no lease, or it has ended."""
        lease = self._open.get(owner or "")
        return lease is None or lease.until <= now

    def opened(self, process: Process, change: Change) -> None:
        """Record a new owner."""
        self._journal.expect(
            change.id not in self._processes, f"owner {change.id} opened twice"
        )
        self._processes[change.id] = process
        self._names[change.id] = change.payload or ""
        self._newest = change.id
        self._open[change.id] = _Lease(process, change.instant)

    def renewed(self, process: Process, change: Change, now: int) -> None:
        """Check a heartbeat: its process is that of the owner, and the lease has not ended."""
        expect, who = self._journal.expect, f"owner {change.id}"
        expect(self.process_of(change.id) is process, f"{who} renewed by {process.name}")
        expect(not self.is_over(change.id, now), f"{who} renewed after its lease had ended")
        self._open[change.id] = _Lease(process, change.instant)

    def ended(self, process: Process, change: Change) -> None:
        """Check that a process has ended the lease of an owner of its own."""
        lease = self._open[change.id]
        right = lease.process is process and change.instant <= lease.until
        self._journal.expect(right, f"owner {change.id} ended by {process.name}")
        self._open[change.id] = _Lease(process, change.instant)

    def closed(self, process: Process, change: Change, now: int) -> None:
        """Check a deleted owner: its process deleted it, or its lease has ended."""
        mine = self.process_of(change.id) is process
        alive = not self.is_over(change.id, now)
        text = f"owner {change.id} closed by {process.name} before its lease has ended"
        self._journal.expect(mine or not alive, text)
        self._open.pop(change.id, None)
        self.past.add(change.id)

    def forgotten(self, change: Change) -> None:
        """Record that the name of a closed owner is not known any longer."""
        self.past.discard(change.id)
        self._names.pop(change.id, None)


@final
@define
class _Chain:
    """The state of one scheduled job."""

    live: int = 0
    last: datetime | None = None
    """The latest occurrence that was stored."""
    before: datetime | None = None
    """The one before it, which is the latest again when that one is replaced."""
    served: datetime | None = None
    """The latest occurrence whose job has ended."""
    is_cancelled: bool = False
    """Whether an operator ended the waiting job, so that its process plans another one."""


@final
class Schedules:
    """Checks the rows of scheduled jobs."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._chains: dict[str, _Chain] = {}

    def stored(self, change: Change) -> None:
        """Check a new occurrence."""
        occurrence = _occurrence(change)
        name = occurrence.recurrence.name
        chain = self._chains.setdefault(name, _Chain())
        chain.live += 1
        # The process that plans anew after an operator may not know the occurrence before.
        is_first = chain.is_cancelled and occurrence.previous is None
        chain.is_cancelled = False
        is_later = chain.last is None or occurrence.at > chain.last
        self._journal.expect(is_later, f"{name}: {occurrence.at} planned after {chain.last}")
        right = is_first or occurrence.previous == chain.served
        text = f"{name}: previous is {occurrence.previous}, not {chain.served}"
        self._journal.expect(right, text)
        chain.before, chain.last = chain.last, occurrence.at

    def ended(self, change: Change, *, dropped: bool, replaced: bool) -> None:
        """Record the end of an occurrence; one that was dropped or replaced was not served.

        The replacement may be the same occurrence: a process with an outdated time of the store
        asked for another one, and the store has planned by its own time.
        """
        occurrence = _occurrence(change)
        chain = self._chains[occurrence.recurrence.name]
        chain.live -= 1
        if replaced:
            chain.last = chain.before
        elif not dropped:
            chain.served = occurrence.at

    def cancelled(self, change: Change) -> None:
        """Record that an operator ended a waiting job, which no other job follows."""
        self._chains[_occurrence(change).recurrence.name].is_cancelled = True

    def check(self) -> None:
        """Check that each scheduled job has one live row after a transaction."""
        for name, chain in self._chains.items():
            wanted = 0 if chain.is_cancelled else 1
            self._journal.expect(chain.live == wanted, f"{name}: {chain.live} live rows")


def _occurrence(change: Change) -> Occurrence:
    occurrence = load_occurrence(change.occurrence)
    assert occurrence is not None
    return occurrence


@final
class Histories:
    """Checks that a row keeps each reservation that ends without success, and each retry."""

    def __init__(self, journal: Journal, owners: Owners) -> None:
        self._journal = journal
        self._owners = owners

    def ended(self, old: Change, new: Change, ends: Collection[str]) -> None:
        """Check that the present reservation was added, with one of these ends."""
        entry = self._added(old, new)
        name = self._owners.name_of(old.owner)
        right = (
            isinstance(entry, PastReservation)
            and (str(entry.owner), entry.number) == (old.owner, old.reservations)
            and (entry.attempt, entry.queue) == (old.attempts + 1, name)
            and entry.ended in ends
        )
        self._journal.expect(right, f"job {new.id}: {entry} added, expected {ends} by {name}")

    def retried(self, old: Change, new: Change) -> None:
        """Check that the end was added, and who retried the job."""
        entry = self._added(old, new)
        right = (
            isinstance(entry, PastEnd)
            and (entry.state, entry.retried_by) == (old.kind, "grace")
            and entry.by in _authors(old)
        )
        self._journal.expect(right, f"job {new.id}: {entry} added to its history")

    def _added(self, old: Change, new: Change) -> HistoryEntry | None:
        """Return the entry that was added; its others are those that the row had before."""
        before, after = load_history(old.history), load_history(new.history)
        kept = (*before, *after[-1:])[-KEPT_HISTORY:]
        self._journal.expect(after == kept, f"job {new.id}: {after} follows {before}")
        numbers = [one.number for one in after if isinstance(one, PastReservation)]
        ascending = numbers == sorted(set(numbers))
        self._journal.expect(ascending, f"job {new.id}: {numbers} in its history")
        return after[-1] if after else None


def _authors(ended: Change) -> Collection[str | None]:
    """Return who may have cancelled a job: no one, if its parent has ended."""
    if ended.kind != "cancelled":
        return (None,)
    return ("ada",) if ended.parent is None else ("ada", None)


End = Literal[
    "returned",
    "raised in transaction",
    "raised",
    "gave up",
    "discarded",
    "snoozed",
    "crashed",
    "cancelled",
    "killed",
]


@final
@define(eq=False)
class Run:
    """A call of a handler."""

    job: str
    number: int
    """The number of the reservation."""
    process: Process
    owner: UUID | None
    """The owner that called it."""
    is_scheduled: bool
    """Whether it runs in the queue of a scheduled job."""
    timed: bool
    """Whether its worker has a timeout."""
    started: float = field(factory=trio.current_time)
    end: End | None = None
    """None while it runs."""
    writes: bool = False
    """Whether it has passed work to `complete_with`."""
    is_open: bool = False
    """Whether its middleware has not been left."""
    result: str | None = None
    """What it has returned, if its worker keeps results."""
    waits: bool = False
    """Whether it waits for another job, so that it needs no place in its queue."""
    is_nursing: bool = False
    """Whether it is inside the block of a nursery."""
    has_nursed: bool = False
    """Whether it was, so that its end may be an interruption that is not counted."""
    total: int = 0
    """The sum of what its children have returned."""
    reports: list[int] = field(factory=list[int])
    """The progress that it has reported, each number once."""

    @property
    def failed(self) -> bool:
        """Whether its end counts as an attempt."""
        return self.end in ("raised", "raised in transaction") or (
            self.timed and self.end == "cancelled"
        )


@final
class Runs:
    """All runs; checks that each reservation has one, and that each job has one at a time."""

    def __init__(self, journal: Journal, shared_clock: SharedClock) -> None:
        self._journal = journal
        self._shared_clock = shared_clock
        self._all: dict[tuple[str, int], Run] = {}
        self._by_job: dict[str, list[Run]] = {}

    def of(self, job: str, number: int) -> Run | None:
        """Return the run of a reservation, or None."""
        return self._all.get((job, number))

    def count(self, job: UUID) -> int:
        """Return how many runs of a job have begun."""
        return len(self._by_job.get(str(job), ()))

    def check_concurrency(self, run: Run, most: int) -> None:
        """Check that an owner runs at most so many handlers, without those that wait."""
        running = [
            one
            for one in self._all.values()
            if one.owner == run.owner and one.end is None and not one.waits
        ]
        self._journal.expect(len(running) <= most, f"job {run.job}: {len(running)} run at once")

    def began(self, process: Process, job: Job, *, timed: bool) -> Run:
        """Record and check the call of a handler."""
        number, is_scheduled = job.reservations, job.occurrence is not None
        run = Run(str(job.id), number, process, job.reserved_by, is_scheduled, timed)
        what = f"job {job.id}, reservation {number}, on {process.name}"
        self._journal.record(process.name, "began", str(job.id), number)
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
        """Record how a handler ended; only the first end of a run counts."""
        if run.end is None:
            run.end = end
            self._journal.record(run.process.name, end, run.job, run.number)

    def killed(self, process: Process) -> None:
        """Record the end of all runs of a process that was killed."""
        for run in self._all.values():
            if run.process is process:
                self.ended(run, "killed")

    def is_excused(self, run: Run) -> bool:
        """Whether its process may be unaware that it has lost the job.

        The process was paused, or the clock of the store jumped, so the lease ended unnoticed.
        """
        since = run.started - LEASE
        return run.process.was_paused_since(since) or self._shared_clock.has_jumped_since(since)
