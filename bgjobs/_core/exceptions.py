"""The causes and the members of exceptions."""

from collections.abc import Iterator
from typing import cast

from bgjobs.errors import BgJobsError


def origin_of(error: BaseException) -> BaseException:
    """Return the first cause of an error of bgjobs, such as an error of the driver."""
    while isinstance(error, BgJobsError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions in nested groups that are no groups; else the error itself."""
    # Not with `split`, which a subclass may override, and not by recursion, which a deeply
    # nested group would exhaust.
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseExceptionGroup):
            yield one
            continue
        group = cast("BaseExceptionGroup[BaseException]", one)
        if id(group) not in seen:
            seen.add(id(group))
            waiting.extend(group.exceptions)


def is_failure(error: BaseException, *more: type[BaseException]) -> bool:
    """Whether `error`, or each error in this group, means a failed attempt or is of `more`."""
    kinds: tuple[type[BaseException], ...] = (Exception, SystemExit, *more)
    return all(isinstance(one, kinds) for one in leaves(error))


def unwrapped(error: BaseException) -> BaseException:
    """Return the only exception in a group, also of nested groups; else the error itself."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        if len(group.exceptions) != 1:
            return group
        error = group.exceptions[0]
    return error
