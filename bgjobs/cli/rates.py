"""How many jobs end per second, from two looks."""

from typing import Literal, final

from attrs import frozen

from bgjobs.cli.counting import AT_MOST
from bgjobs.cli.snapshot import Look, QueueRow
from bgjobs.cli.states import moment_of

Ended = Literal["succeeded", "failed"]


@final
@frozen
class Rate:
    """Jobs per second."""

    per_second: float
    is_least: bool = False
    """There may have been more."""

    def __str__(self) -> str:
        return f"{self.per_second:,.1f}{'+' if self.is_least else ''}"


def rate(state: Ended, before: Look | None, now: Look, queue: str | None = None) -> Rate | None:
    """Say how many jobs of a queue, or of all, ended so; None where that cannot be known.

    Jobs that were deleted or retried meanwhile are not seen. Where there are too many to be
    counted, it is told from the newest of them.
    """
    if before is None or now.seconds <= before.seconds:
        return None
    seconds = now.seconds - before.seconds
    count = _count(state, now, queue)
    if count >= AT_MOST:
        return _sampled(state, before, now, queue)
    return Rate(max(0, count - _count(state, before, queue)) / seconds)


def _count(state: Ended, look: Look, queue: str | None) -> int:
    counts = look.counts if queue is None else _row(look, queue).counts
    return counts.succeeded if state == "succeeded" else counts.failed


def _row(look: Look, queue: str) -> QueueRow:
    return next(row for row in look.queues if row.name == queue)


def _sampled(state: Ended, before: Look, now: Look, queue: str | None) -> Rate | None:
    seen, newest = before.samples.get(state), now.samples.get(state)
    if not seen or not newest:
        return None
    # By the store's clock on both sides, whatever this machine's says.
    latest = max(map(moment_of, seen))
    ended = [job for job in newest if moment_of(job) > latest]
    mine = ended
    if queue is not None:
        mine = [job for job in ended if job.name in _row(now, queue).workers]
    seconds = now.seconds - before.seconds
    return Rate(len(mine) / seconds, is_least=len(ended) == len(newest))
