"""Batches in which the database refuses a row: divided until all other rows are written.

A trigger or a constraint that was added by hand may refuse the change of one row, and with it
the transaction of the whole batch. These functions run in the task of the caller. An
unavailable store ends them with its `StoreUnavailableError`; what is committed by then stays.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from bgjobs.errors import RowRefusedError

P = ParamSpec("P")
T = TypeVar("T")


def answering(verb: Callable[P, T]) -> Callable[P, T | RowRefusedError]:
    """Return `verb` so that it returns a `RowRefusedError`, for `answered` to raise.

    `Dispatch` would emit `StoreFailed` for each try that raised one. Now it is emitted only
    once, for the row that is refused alone.
    """

    @wraps(verb)
    def ask(*args: P.args, **kwargs: P.kwargs) -> T | RowRefusedError:
        try:
            return verb(*args, **kwargs)
        except RowRefusedError as error:
            return error

    return ask


def answered(answer: T | RowRefusedError) -> T:
    """Return what a verb has returned, or raise the `RowRefusedError` that it returned."""
    if isinstance(answer, RowRefusedError):
        raise answer
    return answer


async def isolate(
    batch: Sequence[T],
    change: Callable[[Sequence[T]], Awaitable[None]],
    refused: Callable[[T, RowRefusedError], object],
) -> None:
    """Apply `change` to a batch, and to halves of it where the database refuses a row.

    Halves are divided in turn, down to single items. Each part is a transaction of its own.
    `refused` is called for each item that is refused alone, in the order of the batch.
    """
    waiting = [list(batch)] if batch else []
    while waiting:
        part = waiting.pop()
        try:
            await change(part)
        except RowRefusedError as error:
            if len(part) == 1:
                refused(part[0], error)
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]


async def prune_past_refused(
    prune: Callable[[int, int], Awaitable[int]],
    most: int,
    refused: Callable[[RowRefusedError], object],
    skip: int = 0,
) -> AsyncGenerator[int]:
    """Delete ended jobs in batches of at most `most`, until only refused rows are left.

    Yields how many rows each call deleted. `prune` gets how many rows to delete, and how many
    rows to pass over, starting with `skip`; it takes those that ended first.
    """
    limit = most
    while True:
        try:
            count = await prune(limit, skip)
        except RowRefusedError as error:
            if limit == 1:
                refused(error)
                skip += 1
            limit = max(1, limit // 2)
            continue
        if not count:
            return
        yield count
        limit = min(most, 2 * limit)
