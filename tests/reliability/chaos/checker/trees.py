"""The invariants of jobs that belong to a parent, checked on what a phase has left behind."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.reliability.chaos.checker.audit import Entry
from tests.reliability.chaos.checker.invariants import ENDS, JobRecord, Violation
from tests.reliability.chaos.processes.handlers import (
    CHILDREN,
    LEVELS,
    TREE,
    level_of,
    size_below,
)


def violations(jobs: Sequence[JobRecord], entries: Sequence[Entry]) -> Iterator[Violation]:
    """Yield what is wrong with parents and children."""
    yield from _results(jobs)
    yield from _children(jobs)
    yield from _starts(jobs, entries)


def _results(jobs: Sequence[JobRecord]) -> Iterator[Violation]:
    """Each parent that has succeeded returned the number of jobs of its tree."""
    for job in jobs:
        succeeded = job.name == TREE and job.state == "succeeded"
        wanted = str(size_below(level_of(job.key))) if succeeded else None
        if job.name == TREE and job.result != wanted:
            text = f"{job.id} ({TREE}, {job.key}): has the result {job.result}, not {wanted}"
            yield Violation("wrong", text)


def _children(jobs: Sequence[JobRecord]) -> Iterator[Violation]:
    """Each parent that has succeeded has one succeeded child of each key, and no one two."""
    succeeded = [job for job in jobs if job.state == "succeeded" and job.parent is not None]
    for (parent, key), count in Counter((one.parent, one.key) for one in succeeded).items():
        if count > 1:
            yield Violation("duplicated", f"{parent}: {count} children {key} have succeeded")
    counts = Counter(one.parent for one in succeeded)
    for job in jobs:
        is_parent = job.name == TREE and level_of(job.key) < LEVELS
        if is_parent and job.state == "succeeded" and counts[job.id] != CHILDREN:
            text = f"{job.id} ({TREE}): has succeeded with {counts[job.id]} children"
            yield Violation("lost", text)


def _starts(jobs: Sequence[JobRecord], entries: Sequence[Entry]) -> Iterator[Violation]:
    """No child is put back after its parent has ended, and at most one start comes with that.

    A child that starts in the moment in which its parent ends is asked to end.
    """
    ended = {one.job: number for number, one in enumerate(entries) if one.what in ENDS}
    parents: Mapping[str, str] = {job.id: job.parent for job in jobs if job.parent is not None}
    later = defaultdict[str, list[str]](list)
    for number, one in enumerate(entries):
        parent = parents.get(one.job)
        if parent in ended and number > ended[parent]:
            later[one.job].append(one.what)
    for job, steps in later.items():
        if steps.count("reserved") > 1 or "released" in steps or "stored" in steps:
            yield Violation("wrong", f"{job}: {', '.join(steps)} after its parent had ended")
