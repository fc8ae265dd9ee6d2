"""What several pages need: parts that the store may refuse, and long lists in portions."""

import logging
from collections.abc import Awaitable, Mapping, Sequence
from typing import Generic, TypeVar, final

from attrs import frozen

from bgjobs import Activity
from bgjobs._core.text import visible
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.web.pages.page import PageRequest

T = TypeVar("T")

PORTION = 100
"""Rows of a list that a page shows."""
_DIGITS = 6
"""The longest number of a portion that is read from a query."""

_logger = logging.getLogger("bgjobs.web")


async def part(read: Awaitable[T]) -> T | None:
    """Return what a call reads, or None if the store refuses it, for example without a right.

    Raises:
        StoreUnavailableError: The whole page has to wait for the store.
    """
    try:
        return await read
    except StoreUnavailableError:
        raise
    except StoreError as error:
        _logger.warning("a part of a page cannot be read: %s", visible(str(error)))
        return None


@final
@frozen
class Portion(Generic[T]):
    """The rows of a long list that a page shows."""

    rows: Sequence[T]
    first: int
    """The number of its first row, counted from 1."""
    total: int
    """How many rows the list has."""
    before: str | None
    """The address of the portion before; None for the first one."""
    behind: str | None
    """The address of the portion that follows; None for the last one."""

    @property
    def last(self) -> int:
        """The number of its last row."""
        return self.first + len(self.rows) - 1


def portion(page: PageRequest, path: str, rows: Sequence[T], size: int = PORTION) -> Portion[T]:
    """Return the portion of a list that the query of a request names, or the nearest one."""
    count = max(1, -(-len(rows) // size))
    number = min(max(1, _asked(page)), count)
    start = size * (number - 1)

    def address(other: int) -> str | None:
        if not 1 <= other <= count:
            return None
        return page.links.page(path, page=str(other))

    shown = rows[start : start + size]
    return Portion(shown, start + 1, len(rows), address(number - 1), address(number + 1))


def _asked(page: PageRequest) -> int:
    text = page.request.query_params.get("page", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 1


def by_worker(activity: Sequence[Activity]) -> Mapping[str, Activity]:
    """Return the sum of each worker."""
    parts: dict[str, list[Activity]] = {}
    for one in activity:
        parts.setdefault(one.worker, []).append(one)
    return {worker: first.plus(*rest) for worker, (first, *rest) in parts.items()}
