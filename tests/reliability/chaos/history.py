"""The life of one job, as its triggers wrote it down: is each step one that may follow?"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tests.reliability.chaos.audit import Entry

_CLOCKS = 0.01
"""Seconds by which two readings of one clock may differ by rounding."""


def by_job(entries: Iterable[Entry]) -> Mapping[str, Sequence[Entry]]:
    """Sort the entries of all jobs into those of each."""
    jobs = defaultdict[str, list[Entry]](list)
    for entry in entries:
        jobs[entry.job].append(entry)
    return jobs


def faults(entries: Sequence[Entry], *, may_crash: bool) -> Iterator[str]:
    """Tell which steps of one job's life may not follow the ones before."""
    before: Entry | None = None
    ended = ""
    for entry in entries:
        if entry.what in ("succeeded", "failed", "deleted"):
            yield from _end(before, entry, ended)
            ended += f" {entry.what}"
            continue
        if ended:
            yield f"{entry.what} after it was{ended}"
        yield from _STEPS[entry.what](before, entry)
        if entry.what == "freed" and before is not None:
            yield from _counters(before, entry, may_crash=may_crash)
        before = entry


def _stored(before: Entry | None, entry: Entry) -> Iterator[str]:
    if before is not None:
        yield "stored although it was there"
    if entry.number or entry.owner:
        yield f"stored with owner {entry.owner} and number {entry.number}"


def _claimed(before: Entry | None, entry: Entry) -> Iterator[str]:
    if before is None or before.what == "claimed":
        yield f"claimed by {entry.owner} after {_told(before)}"
    elif entry.number != before.number + 1:
        yield f"claimed as number {entry.number} after {before.number}"


def _robbed(before: Entry | None, entry: Entry) -> Iterator[str]:
    yield f"given to {entry.owner} while it was reserved: {_told(before)}"


def _freed(before: Entry | None, entry: Entry) -> Iterator[str]:
    if before is None or before.what != "claimed" or not _same_holder(before, entry):
        yield f"freed from {entry.owner}, number {entry.number}, after {_told(before)}"


_STEPS = {"stored": _stored, "claimed": _claimed, "robbed": _robbed, "freed": _freed}


def _end(before: Entry | None, entry: Entry, ended: str) -> Iterator[str]:
    """A job ends where it is held; one that waits may be deleted, for a change of schedule."""
    if entry.what in ended:
        yield f"{entry.what} twice"
    is_planned_anew = entry.what == "deleted" and entry.owner is None
    is_held = before is not None and before.what == "claimed" and _same_holder(before, entry)
    if not is_held and not is_planned_anew:
        yield f"{entry.what} by {entry.owner}, number {entry.number}, after {_told(before)}"


def _counters(before: Entry, entry: Entry, *, may_crash: bool) -> Iterator[str]:
    """Giving it back counts one thing at most, and a crash only when the lease has ended."""
    raised = entry.attempts - before.attempts
    crashed = entry.crashes - before.crashes
    interrupted = entry.interruptions - before.interruptions
    if sorted([raised, crashed, interrupted]) not in ([0, 0, 0], [0, 0, 1]):
        yield f"counters changed by {raised}, {crashed} and {interrupted} at once"
    is_alive = entry.lease_left is not None and entry.lease_left > _CLOCKS
    if crashed and is_alive and not may_crash:
        yield f"a crash was counted with {entry.lease_left:.3f} s of the lease left"


def _same_holder(before: Entry, entry: Entry) -> bool:
    return (before.owner, before.number) == (entry.owner, entry.number)


def _told(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    return f"{entry.what} with owner {entry.owner}, number {entry.number}"


def longest_stall(entries: Iterable[Entry]) -> float:
    """Say for how long at most nothing ended or was given back although something was due."""
    due: dict[str, float] = {}
    spans: list[tuple[float, float]] = []
    for entry in entries:
        if entry.what in ("stored", "freed"):
            if entry.what == "freed" and entry.job in due:
                spans.append((due[entry.job], entry.moment))
            due[entry.job] = max(entry.due, entry.moment)
        elif entry.what in ("succeeded", "failed") and entry.job in due:
            spans.append((due.pop(entry.job), entry.moment))
    return _longest_gap(spans)


def _longest_gap(spans: Iterable[tuple[float, float]]) -> float:
    """Give the longest time between two ends, or from a first due moment, with work to do."""
    longest, waiting_since = 0.0, float("inf")
    ordered = sorted(spans, key=lambda span: span[1])
    starts: list[float] = []
    for start, _ in reversed(ordered):
        waiting_since = min(waiting_since, start)
        starts.append(waiting_since)
    before = float("-inf")
    for (_, end), earliest in zip(ordered, reversed(starts), strict=True):
        longest = max(longest, end - max(before, earliest))
        before = end
    return longest
