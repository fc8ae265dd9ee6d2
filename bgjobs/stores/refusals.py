"""Rows that the database refuses, by a constraint or a trigger, apart from all others."""

from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from bgjobs.errors import RowRefusedError
from bgjobs.stores.operations import Cancellation


def end_apart(
    parents: Sequence[UUID], end: Callable[[Collection[UUID]], Cancellation]
) -> Cancellation:
    """End the descendants of parents at once, or parent by parent if a row is refused.

    Each call of `end` is a transaction of its own.

    Raises:
        RowRefusedError: A row was refused. The descendants of all other parents have ended.
    """
    try:
        return end(parents)
    except RowRefusedError:
        if len(parents) == 1:
            raise
    ended, asked, refused = list[UUID](), list[UUID](), list[RowRefusedError]()
    for parent in parents:
        try:
            found = end([parent])
        except RowRefusedError as error:
            refused.append(error)
        else:
            ended += found.ended
            asked += found.asked
    if refused:
        raise refused[0]
    return Cancellation(ended, asked)
