"""The invariants of scheduled jobs: each occurrence runs once, on one of all processes."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import final

from attrs import field, frozen

SECOND = 1_000_000
"""Microseconds, the unit of all occurrences here."""


@final
@frozen
class Start:
    """A start of a handler, from the journal."""

    job: str
    due: int
    previous: int | None
    process: int
    began: float
    late: float


@final
@frozen
class Run:
    """A run, recorded in the transaction that completed its job."""

    job: str
    due: int
    previous: int | None
    process: int
    began: float
    ended: float


@final
@frozen
class Waiting:
    """The row of a scheduled job that waits at the end."""

    job: str
    due: int
    previous: int | None


@final
@frozen(kw_only=True)
class FleetObservations:
    """Everything that a fleet has left behind."""

    names: Sequence[str]
    starts: Sequence[Start]
    runs: Sequence[Run]
    waiting: Sequence[Waiting]
    missed: Sequence[tuple[str, int, int]]
    """The `OccurrencesMissed` events: job, first occurrence and count."""
    killed: Mapping[int, float] = field(factory=dict[int, float])
    """When each killed process was killed; its occurrences may run again."""
    strict: bool
    """Whether no occurrence may be missed."""


def violations(observations: FleetObservations) -> list[str]:
    """Return a text for each violation."""
    found = list(_unpaired(observations))
    for name in observations.names:
        runs = sorted((one for one in observations.runs if one.job == name), key=_by_due)
        waiting = [one for one in observations.waiting if one.job == name]
        if not runs or len(waiting) != 1:
            found.append(f"{name}: {len(runs)} runs, {len(waiting)} live rows")
            continue
        about = [
            *_duplicated(runs),
            *_broken_chain([*runs, *waiting]),
            *_gaps(observations, runs, waiting[0]),
            *_overlaps(observations, name),
        ]
        found += [f"{name}: {text}" for text in about]
    return found


def seconds_missed(observations: FleetObservations) -> int:
    """Return the number of occurrences without a run of their own."""
    per_job = defaultdict[str, list[int]](list)
    links: list[Run | Waiting] = [*observations.runs, *observations.waiting]
    for one in links:
        per_job[one.job].append(one.due)
    return sum(
        (max(dues) - min(dues)) // SECOND + 1 - len(set(dues)) for dues in per_job.values()
    )


def _unpaired(observations: FleetObservations) -> Iterator[str]:
    """Every start has led to one run, unless its process was killed."""
    runs = Counter((one.job, one.due, one.process) for one in observations.runs)
    starts = Counter((one.job, one.due, one.process) for one in observations.starts)
    for what, count in (runs - starts).items():
        yield f"{what}: ran {count} times more than it began"
    for what, count in (starts - runs).items():
        if what[2] not in observations.killed:
            yield f"{what}: began {count} times more than it ran"


def _duplicated(runs: Iterable[Run]) -> Iterator[str]:
    for due, count in Counter(one.due for one in runs).items():
        if count > 1:
            yield f"{due}: ran {count} times"


def _broken_chain(links: Iterable[Run | Waiting]) -> Iterator[str]:
    before = None
    for one in links:
        if one.previous != before:
            yield f"{one.due}: previous is {one.previous}, not {before}"
        before = one.due


def _gaps(
    observations: FleetObservations, runs: Sequence[Run], waiting: Waiting
) -> Iterator[str]:
    """Every second has a run, or was reported as missed if that is allowed."""
    ran = {one.due for one in runs}
    lost = set(range(runs[0].due, waiting.due, SECOND)) - ran
    reported = [
        first + number * SECOND
        for job, first, count in observations.missed
        if job == waiting.job
        for number in range(count)
    ]
    if any(due % SECOND for due in ran):
        yield "ran between two seconds"
    if observations.strict and lost:
        yield f"{len(lost)} lost, such as {min(lost)}"
    # A killed process does not report the events that it had not written yet.
    if not observations.killed and sorted(reported) != sorted(lost):
        yield f"{len(reported)} reported as missed, {len(lost)} have no run"


def _overlaps(observations: FleetObservations, name: str) -> Iterator[str]:
    spans = sorted(_spans(observations, name))
    for (_, ended), (began, _) in pairwise(spans):
        if began < ended:
            yield f"two ran at once for {ended - began:.6f} s"


def _spans(observations: FleetObservations, name: str) -> Iterator[tuple[float, float]]:
    done = {(one.due, one.process) for one in observations.runs if one.job == name}
    for run in observations.runs:
        if run.job == name:
            yield run.began, run.ended
    for start in observations.starts:
        if start.job == name and (start.due, start.process) not in done:
            yield start.began, observations.killed.get(start.process, start.began)


def _by_due(run: Run) -> int:
    return run.due
