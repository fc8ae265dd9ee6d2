"""Batches of which the database refuses a row: divided until all the others are done."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from bgjobs.errors import RowRefusedError

P = ParamSpec("P")
T = TypeVar("T")


def answering(verb: Callable[P, T]) -> Callable[P, T | RowRefusedError]:
    """Return a verb that returns its refusal of a row, to be raised by `answered`.

    So that each try is not told as `StoreFailed`: the row that is refused alone is told once.
    """

    @wraps(verb)
    def ask(*args: P.args, **kwargs: P.kwargs) -> T | RowRefusedError:
        try:
            return verb(*args, **kwargs)
        except RowRefusedError as error:
            return error

    return ask


def answered(answer: T | RowRefusedError) -> T:
    """Return what a verb has answered, or raise its refusal."""
    if isinstance(answer, RowRefusedError):
        raise answer
    return answer


async def isolate(
    batch: Sequence[T],
    change: Callable[[Sequence[T]], Awaitable[None]],
    refused: Callable[[T, RowRefusedError], object],
) -> None:
    """Change a batch, its halves where the database refuses it, and so on down to single ones.

    Each part is a transaction of its own. `refused` is told of each that is refused alone, in
    the order of the batch.
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
    """Yield how many of one kind were deleted by each call, until only refused ones are left.

    `prune` is told how many to delete, and how many of the longest ended to pass over,
    `skip` at first.
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
