"""Iterables whose items count as progress: each is done when the next one is asked for.

They are classes and no async generators, so a loop that breaks leaves nothing for the event
loop to finish.
"""

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
)
from functools import partial
from typing import Any, Generic, TypeVar, final

from attrs import define, frozen

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Report = Callable[[float], Coroutine[Any, Any, None]]
"""Reports how many items are done, and lets other tasks run."""


@final
@frozen(eq=False)
class TrackedItems(Generic[T_co]):
    """The items of an iterable, for ``for`` and for ``async for``."""

    _items: Iterable[T_co]
    _report: Report
    _report_sync: Callable[[float], None]

    def __iter__(self) -> Iterator[T_co]:
        self._report_sync(0)
        for done, item in enumerate(self._items, 1):
            yield item
            self._report_sync(done)

    def __aiter__(self) -> AsyncIterator[T_co]:
        return _Steps(partial(_following, iter(self._items)), self._report)


@final
@frozen(eq=False)
class TrackedAsyncItems(Generic[T_co]):
    """The items of an async iterable, for ``async for``."""

    _items: AsyncIterable[T_co]
    _report: Report

    def __aiter__(self) -> AsyncIterator[T_co]:
        return _Steps(aiter(self._items).__anext__, self._report)


@final
@define(eq=False)
class _Steps(Generic[T]):
    """One loop with ``async for``."""

    _following: Callable[[], Awaitable[T]]
    _report: Report
    _begun: int = 0

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        await self._report(self._begun)
        item = await self._following()
        self._begun += 1  # it is done when the next one is asked for
        return item


async def _following(items: Iterator[T]) -> T:
    try:
        return next(items)
    except StopIteration:
        raise StopAsyncIteration from None
