"""The history of a job in the audit log: whether each change may follow the one before."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

from bgjobs._core.jobs import EndState
from tests.reliability.chaos.checker.audit import Entry

_ENDS = get_args(EndState)
_CLOCKS = 0.01
"""Seconds by which two readings of a clock may differ because they are rounded."""


def by_job(entries: Iterable[Entry]) -> Mapping[str, Sequence[Entry]]:
    """Return the entries of each job, in their order."""
    jobs = defaultdict[str, list[Entry]](list)
    for entry in entries:
        jobs[entry.job].append(entry)
    return jobs


def faults(entries: Sequence[Entry], *, may_crash: bool) -> Iterator[str]:
    """Yield the changes of a job that may not follow the ones before."""
    before: Entry | None = None
    ended = ""
    for entry in entries:
        if entry.what in _ENDS or entry.what == "deleted":
            yield from _end(before, entry, ended)
            ended += f" {entry.what}"
            continue
        if ended:
            yield f"{entry.what} after it was{ended}"
        yield from _STEPS[entry.what](before, entry)
        if entry.what in ("released", "marked") and before is not None:
            yield from _counters(before, entry, may_crash=may_crash)
        before = entry


def _stored(before: Entry | None, entry: Entry) -> Iterator[str]:
    if before is not None:
        yield "stored twice"
    if entry.number or entry.owner:
        yield f"stored with owner {entry.owner} and number {entry.number}"


def _reserved(before: Entry | None, entry: Entry) -> Iterator[str]:
    if before is None or before.what == "reserved":
        yield f"reserved by {entry.owner} after {_text(before)}"
    elif entry.number != before.number + 1:
        yield f"reserved as number {entry.number} after {before.number}"


def _stolen(before: Entry | None, entry: Entry) -> Iterator[str]:
    yield f"taken over by {entry.owner} while it was reserved: {_text(before)}"


def _released(before: Entry | None, entry: Entry) -> Iterator[str]:
    if before is None or before.what != "reserved" or not _same_holder(before, entry):
        yield f"released from {entry.owner}, number {entry.number}, after {_text(before)}"


def _marked(before: Entry | None, entry: Entry) -> Iterator[str]:
    """The owner of marked ends takes a job over under the same number."""
    if before is None or (before.what, before.number) != ("reserved", entry.number):
        yield f"marked as number {entry.number} after {_text(before)}"


_STEPS = {
    "stored": _stored,
    "reserved": _reserved,
    "marked": _marked,
    "stolen": _stolen,
    "released": _released,
}
_HELD = ("reserved", "marked")


def _end(before: Entry | None, entry: Entry, ended: str) -> Iterator[str]:
    """A job ends while it is reserved; a waiting one may be deleted, or end with its parent."""
    if entry.what in ended:
        yield f"{entry.what} twice"
    is_replanned = entry.what in ("deleted", "cancelled") and entry.owner is None
    is_held = before is not None and before.what in _HELD and _same_holder(before, entry)
    if not is_held and not is_replanned:
        yield f"{entry.what} by {entry.owner}, number {entry.number}, after {_text(before)}"


def _counters(before: Entry, entry: Entry, *, may_crash: bool) -> Iterator[str]:
    """A release counts one event at most, and a crash only after the lease has ended."""
    raised = entry.attempts - before.attempts
    crashed = entry.crashes - before.crashes
    interrupted = entry.interruptions - before.interruptions
    if sorted([raised, crashed, interrupted]) not in ([0, 0, 0], [0, 0, 1]):
        yield f"counters changed by {raised}, {crashed} and {interrupted} at once"
    is_alive = entry.lease_left is not None and entry.lease_left > _CLOCKS
    if entry.what == "marked":  # by then, it has another owner
        is_alive = False
    if crashed and is_alive and not may_crash:
        yield f"a crash was counted with {entry.lease_left:.3f} s of the lease left"


def _same_holder(before: Entry, entry: Entry) -> bool:
    return (before.owner, before.number) == (entry.owner, entry.number)


def _text(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    return f"{entry.what} with owner {entry.owner}, number {entry.number}"


def longest_stall(entries: Iterable[Entry]) -> float:
    """Return the most seconds in which jobs were due and none ended or was released."""
    due: dict[str, float] = {}
    spans: list[tuple[float, float]] = []
    for entry in entries:
        if entry.what in ("stored", "released"):
            if entry.what == "released" and entry.job in due:
                spans.append((due[entry.job], entry.monotonic))
            due[entry.job] = max(entry.due, entry.monotonic)
        elif entry.what in _ENDS and entry.job in due:
            spans.append((due.pop(entry.job), entry.monotonic))
    return _longest_gap(spans)


def _longest_gap(spans: Iterable[tuple[float, float]]) -> float:
    """Return the longest time between two ends, or since a job was due, with jobs due."""
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
