"""What is wrong with the runs of a fleet: pure checks of what was written down."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import final

from attrs import field, frozen

SECOND = 1_000_000
"""All instants of the schedules are whole microseconds."""


@final
@frozen
class Start:
    """A handler that began."""

    job: str
    due: int
    previous: int | None
    process: int
    began: float
    late: float


@final
@frozen
class Run:
    """A run that was recorded in the transaction that completed it."""

    job: str
    due: int
    previous: int | None
    process: int
    began: float
    ended: float


@final
@frozen
class Waiting:
    """A row of a scheduled job that has not run yet."""

    job: str
    due: int
    previous: int | None


@final
@frozen(kw_only=True)
class Evidence:
    """All that a fleet has left behind."""

    names: Sequence[str]
    starts: Sequence[Start]
    runs: Sequence[Run]
    waiting: Sequence[Waiting]
    missed: Sequence[tuple[str, int, int]]
    """What `OccurrencesMissed` told: which job, the first of them, and how many."""
    killed: Mapping[int, float] = field(factory=dict[int, float])
    """When processes were killed; what they were running may run again."""
    strict: bool
    """Whether none may be missed."""


def problems(evidence: Evidence) -> list[str]:
    """Tell everything that is wrong, with nothing."""
    found = list(_unpaired(evidence))
    for name in evidence.names:
        runs = sorted((one for one in evidence.runs if one.job == name), key=_by_due)
        waiting = [one for one in evidence.waiting if one.job == name]
        if not runs or len(waiting) != 1:
            found.append(f"{name}: {len(runs)} runs, {len(waiting)} live rows")
            continue
        about = [
            *_doubled(runs),
            *_broken_chain([*runs, *waiting]),
            *_gaps(evidence, runs, waiting[0]),
            *_overlaps(evidence, name),
        ]
        found += [f"{name}: {text}" for text in about]
    return found


def seconds_missed(evidence: Evidence) -> int:
    """Count the occurrences that had no run of their own."""
    per_job = defaultdict[str, list[int]](list)
    links: list[Run | Waiting] = [*evidence.runs, *evidence.waiting]
    for one in links:
        per_job[one.job].append(one.due)
    return sum(
        (max(dues) - min(dues)) // SECOND + 1 - len(set(dues)) for dues in per_job.values()
    )


def _unpaired(evidence: Evidence) -> Iterator[str]:
    """Every start has ended in one run, unless its process was killed."""
    runs = Counter((one.job, one.due, one.process) for one in evidence.runs)
    starts = Counter((one.job, one.due, one.process) for one in evidence.starts)
    for what, count in (runs - starts).items():
        yield f"{what}: ran {count} times more than it began"
    for what, count in (starts - runs).items():
        if what[2] not in evidence.killed:
            yield f"{what}: began {count} times more than it ran"


def _doubled(runs: Iterable[Run]) -> Iterator[str]:
    for due, count in Counter(one.due for one in runs).items():
        if count > 1:
            yield f"{due}: ran {count} times"


def _broken_chain(links: Iterable[Run | Waiting]) -> Iterator[str]:
    before = None
    for one in links:
        if one.previous != before:
            yield f"{one.due}: previous is {one.previous}, not {before}"
        before = one.due


def _gaps(evidence: Evidence, runs: Sequence[Run], waiting: Waiting) -> Iterator[str]:
    """Every second has a run; unless strict, it may instead have been told as missed."""
    ran = {one.due for one in runs}
    lost = set(range(runs[0].due, waiting.due, SECOND)) - ran
    told = [
        first + number * SECOND
        for job, first, count in evidence.missed
        if job == waiting.job
        for number in range(count)
    ]
    if any(due % SECOND for due in ran):
        yield "ran between two seconds"
    if evidence.strict and lost:
        yield f"{len(lost)} lost, such as {min(lost)}"
    # What a killed process had yet to tell, or had heard, nobody told.
    if not evidence.killed and sorted(told) != sorted(lost):
        yield f"{len(told)} told as missed, {len(lost)} have no run"


def _overlaps(evidence: Evidence, name: str) -> Iterator[str]:
    spans = sorted(_spans(evidence, name))
    for (_, ended), (began, _) in pairwise(spans):
        if began < ended:
            yield f"two ran at once for {ended - began:.6f} s"


def _spans(evidence: Evidence, name: str) -> Iterator[tuple[float, float]]:
    done = {(one.due, one.process) for one in evidence.runs if one.job == name}
    for run in evidence.runs:
        if run.job == name:
            yield run.began, run.ended
    for start in evidence.starts:
        if start.job == name and (start.due, start.process) not in done:
            yield start.began, evidence.killed.get(start.process, start.began)


def _by_due(run: Run) -> int:
    return run.due
