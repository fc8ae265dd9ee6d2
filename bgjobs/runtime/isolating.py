"""Batches of which the database refuses a row: divided until all the others are done."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from bgjobs.errors import RowRefusedError

T = TypeVar("T")


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
