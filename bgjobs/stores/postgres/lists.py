"""Pages of jobs: which statement reads one, and where the next one begins.

A listing that is sorted by id has an index for ended jobs, also those of one worker, and for
running ones. Where a filter has another property, the listing first looks up the id of the row
at which the page ends (`until`), which is `pages.EXAMINED` rows away. So it neither reads the
whole table for a rare property, nor misses a row that moves while it reads. Waiting jobs are
indexed by the time at which they are due: their name and this time are such properties.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, final
from uuid import UUID

from attrs import evolve, frozen

from bgjobs._core.jobs import AnyJob, Job, State, UnreadableJob
from bgjobs.stores.decoder import LONGEST_SHOWN, Table
from bgjobs.stores.filters import JobFilter, with_metadata
from bgjobs.stores.pages import EXAMINED, FEW, Cursor, Listing, Page, checked
from bgjobs.stores.postgres import codec
from bgjobs.stores.postgres.codec import Row
from bgjobs.stores.postgres.connections import PostgresDatabase
from bgjobs.stores.values import cursor_of

_LISTS: dict[State, tuple[str, str]] = {
    "waiting": ("list_waiting", "list_waiting"),
    "delayed": ("list_waiting", "list_waiting"),
    "running": ("list_running", "list_running"),
    "succeeded": ("list_succeeded", "list_worker_succeeded"),
    "failed": ("list_failed", "list_worker_failed"),
    "cancelled": ("list_cancelled", "list_worker_cancelled"),
}
"""The statements that list the jobs of all workers, and those of one."""
_TABLES: dict[State, Table] = {
    "waiting": "jobs",
    "delayed": "jobs",
    "running": "jobs",
    "succeeded": "jobs_succeeded",
    "failed": "jobs_failed",
    "cancelled": "jobs_cancelled",
}
_FIRST_SEARCHED = 100
"""Matches of a search that are read at least where others of their properties are asked for."""

_MOST = 10 * EXAMINED
"""The limit between two ids: more rows may be there now than when the ids were read.

Without a limit, the planner could sort many rows instead of reading an index in its order.
"""


@final
@frozen
class _Part:
    """The rows of a page, and the position after them; None if no row follows."""

    rows: Sequence[Row]
    after: Cursor | None


@final
@frozen(eq=False)
class Listings:
    """Reads the listings of a `PostgresStore`."""

    _database: PostgresDatabase

    def jobs(self, wanted: JobFilter[State], page: Page, now: datetime | None) -> Listing[Any]:
        """Return a page of jobs: see `Store.list`."""
        if wanted.state == "unreadable":
            return self._unreadable(page)
        return with_metadata(partial(self._jobs, wanted, now=now), wanted, page)

    def ids(self, wanted: JobFilter[State], page: Page, now: datetime | None) -> Listing[UUID]:
        """Return only their ids."""
        part = self._part(wanted, page, now, ":ids")
        return Listing([row[0] for row in part.rows], after=part.after)

    def _jobs(
        self, wanted: JobFilter[State], page: Page, *, now: datetime | None
    ) -> Listing[AnyJob]:
        part = self._part(wanted, page, now)
        decode = _decoder_of(wanted)
        found = [decode(row) for row in part.rows]
        return Listing(
            [one for one in found if not isinstance(one, UnreadableJob)],
            tuple(one for one in found if isinstance(one, UnreadableJob)),
            part.after,
        )

    def _unreadable(self, page: Page) -> Listing[UnreadableJob]:
        values = {"after": page.after_id, "limit": page.limit + 1, "longest": LONGEST_SHOWN}
        part = _cut(self._database.rows("list_unreadable", values), page, _id_of, None)
        return Listing(map(codec.DECODER.set_apart, part.rows), after=part.after)

    def _part(
        self, wanted: JobFilter[State], page: Page, now: datetime | None, ids: str = ""
    ) -> _Part:
        """Read one row more than the page has, which shows whether another row follows."""
        if page.limit == 0:
            return _Part((), Cursor(page.after) if isinstance(page.after, UUID) else page.after)
        values = {
            **_others(wanted),
            "name": wanted.name,
            "after": page.after_id,
            "limit": page.limit + 1,
            "now": codec.utc("now", now),
        }
        if wanted.search is not None:
            return self._searched(wanted, page, values, ids)
        everything, of_worker = _LISTS[wanted.state]
        name = everything if wanted.name is None else of_worker
        values |= {"delayed": wanted.state == "delayed", "skip": 0, "until": None}
        indexed = _indexed(wanted, values)
        if indexed == values:
            rows = self._database.rows(f"{name}{ids}", {**values, "examined": page.limit + 1})
            return _cut(rows, page, _id_of, None)
        until = self._until(name, indexed)
        rows = self._database.rows(
            f"{name}{ids}", {**values, "until": until, "examined": _MOST}
        )
        return _cut(rows, page, _id_of, None if until is None else Cursor(until))

    def _until(self, name: str, indexed: codec.Parameters) -> Any:
        """Return the id at which the page ends; None at the end of the listing."""
        asked = {**indexed, "limit": 2, "skip": EXAMINED - 1, "examined": EXAMINED + 1}
        found = self._database.rows(f"{name}:ids", asked)
        return found[0][0] if len(found) > 1 else None

    def _searched(
        self, wanted: JobFilter[State], page: Page, values: dict[str, Any], ids: str
    ) -> _Part:
        """Read matches of a search, and leave out those that lack other properties."""
        cursor = cursor_of(page)
        words, is_prefix = checked(wanted.words)
        limit = page.limit + 1
        if any(one is not None for one in _others(wanted).values()):
            limit = max(limit, _FIRST_SEARCHED)
        values |= {
            "limit": limit,
            "at": None if cursor is None else cursor.at,
            "words": " ".join(words),
            "suffix": ":*" if is_prefix else "",
        }
        name = "search_worker_failed" if self._has_few(wanted) else "search_failed"
        rows = self._database.rows(f"{name}{ids}", values)
        last = _searched_position(rows[-1]) if len(rows) == limit else None
        return _cut([row for row in rows if row[-1]], page, _searched_position, last)

    def _has_few(self, wanted: JobFilter[State]) -> bool:
        if wanted.name is None:
            return False
        values = {"name": wanted.name, "at_most": FEW + 1}
        [[count]] = self._database.rows("count_failed", values)
        few: bool = count <= FEW
        return few


def _others(wanted: JobFilter[State]) -> dict[str, Any]:
    """Return the properties that no index finds."""
    return {
        "owner": wanted.owner,
        "queue": wanted.queue,
        "before": codec.utc("before", wanted.before),
        "since": codec.utc("after", wanted.after),
    }


def _indexed(wanted: JobFilter[State], values: codec.Parameters) -> codec.Parameters:
    """Return the values without the properties that no index finds."""
    others = dict.fromkeys(_others(wanted))
    if wanted.state == "running":
        others["owner"] = wanted.owner
    elif _TABLES[wanted.state] == "jobs":
        others |= dict.fromkeys(("name", "delayed"))
    return {**values, **others}


def _cut(
    rows: Sequence[Row], page: Page, position: Callable[[Row], Cursor], last: Cursor | None
) -> _Part:
    """Return the rows of a page; without a further row, `last` is the position after them."""
    if len(rows) <= page.limit:
        return _Part(rows, last)
    kept = rows[: page.limit]
    return _Part(kept, position(kept[-1]))


def _id_of(row: Row) -> Cursor:
    return Cursor(row[0])


def _searched_position(row: Row) -> Cursor:
    return Cursor(row[0], at=codec.timestamp(row[-2]))


def _decoder_of(wanted: JobFilter[State]) -> Callable[[Row], AnyJob | UnreadableJob]:
    """Return what makes a job of a row of this listing."""
    decode = codec.DECODER.of(_TABLES[wanted.state])
    if wanted.search is not None:
        return lambda row: decode(row[:-2])
    if wanted.state != "delayed":
        return decode

    def delayed(row: Row) -> AnyJob | UnreadableJob:
        job = decode(row)
        return evolve(job, state="delayed") if isinstance(job, Job) else job

    return delayed
