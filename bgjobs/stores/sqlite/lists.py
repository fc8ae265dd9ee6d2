"""Lists of jobs: which statement reads a page, how far it reads, and where the next begins."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, final
from uuid import UUID

from attrs import frozen

from bgjobs._core.jobs import State, UnreadableJob
from bgjobs._core.timestamps import as_instant, from_microseconds, to_microseconds
from bgjobs.stores.decoder import LONGEST_SHOWN, Table, as_of
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import (
    EXAMINED,
    FEW,
    Cursor,
    Listing,
    Page,
    are_in,
    checked,
    unreadable_in,
)
from bgjobs.stores.sqlite import codec
from bgjobs.stores.sqlite.connection import Parameters, Row
from bgjobs.stores.sqlite.executor import Executor
from bgjobs.stores.values import cursor_of, listing

LAST = 2_000
"""Errors that are searched one by one: fast, and enough for a page of frequent ones."""
_TABLES: Mapping[State, Table] = {
    "waiting": "jobs",
    "delayed": "jobs",
    "running": "jobs",
    "succeeded": "jobs_succeeded",
    "failed": "jobs_failed",
    "cancelled": "jobs_cancelled",
}
_ASCENDING = ("waiting", "delayed", "running")
_NO_CONDITIONS: Parameters = {
    "name": None,
    "is_delayed": None,
    "owners": None,
    "before": None,
    "since": None,
    "last": None,
}
"""The parameters of a statement that returns all rows of a listing."""


@final
@frozen
class Found:
    """The rows of one page, and where the next page begins."""

    rows: Sequence[Row]
    after: Cursor | None


def read(
    executor: Executor, wanted: JobFilter[State], page: Page, now: int, *, only_ids: bool
) -> Found:
    """Return the rows of a page of the jobs that a filter selects, whatever their metadata."""
    suffix = ":ids" if only_ids else ""
    values = {**_NO_CONDITIONS, **_conditions(executor, wanted), "now": now}
    if wanted.words:
        return _Search(executor, wanted, suffix).page(values, page)
    return _listed(executor, wanted, page, values, suffix)


def _conditions(executor: Executor, wanted: JobFilter[State]) -> dict[str, Any]:
    is_waiting = wanted.state in ("waiting", "delayed")
    return {
        "name": wanted.name,
        "is_delayed": wanted.state == "delayed" if is_waiting else None,
        "owners": _owners(executor, wanted),
        "before": _moment("before", wanted.before),
        "since": _moment("after", wanted.after),
    }


def _moment(what: str, instant: datetime | None) -> int | None:
    return None if instant is None else to_microseconds(as_instant(what, instant))


def _owners(executor: Executor, wanted: JobFilter[State]) -> str | None:
    """Return the ids of the owners that a filter selects, as JSON; None for all."""
    asked = None if wanted.owner is None else {str(wanted.owner)}
    if wanted.queue is not None:
        rows = executor.read("find_queue_owners", {"queue": wanted.queue})
        of_queue = {row[0] for row in rows}
        asked = of_queue if asked is None else asked & of_queue
    return None if asked is None else codec.to_json(asked)


def _reads_others(values: Mapping[str, Any]) -> bool:
    """Whether a statement reads rows that it does not return, in the order of the listing."""
    return any(values[one] is not None for one in ("is_delayed", "owners", "before", "since"))


def _listed(
    executor: Executor, wanted: JobFilter[State], page: Page, values: Parameters, suffix: str
) -> Found:
    """Return a page of a listing that is sorted by id."""
    block = f"list_{'waiting' if wanted.state == 'delayed' else wanted.state}"
    # One index has all reserved rows, which are few; the rows of a state have indexes by id.
    if wanted.state not in _ASCENDING and wanted.name is not None:
        block = f"list_worker_{wanted.state}"
    last = None
    if wanted.state != "running" and _reads_others(values):
        named = {"name": wanted.name} if "worker" in block else {}
        found = _last_examined(executor, block, {**values, **_NO_CONDITIONS, **named}, page)
        last = None if found is None else found[0]
    rows = executor.page(block + suffix, page, {**values, "last": last}, one_more=True)
    kept, end = rows[: page.limit], [] if last is None else [(last,)]
    if not (end or len(rows) > page.limit):
        return Found(kept, None)
    seen = kept if len(rows) > page.limit else end
    is_ascending = wanted.state in _ASCENDING
    return Found(kept, _position(seen, page, is_ascending=is_ascending))


def _last_examined(
    executor: Executor, block: str, values: Parameters, page: Page
) -> Row | None:
    """Return the last row that one page may read; None if no row follows it."""
    skipped = {**values, "skip": EXAMINED - 1}
    rows = executor.page(f"{block}:ids", Page(1, page.after), skipped, one_more=True)
    return rows[0] if len(rows) > 1 else None


def _position(rows: Sequence[Row], page: Page, *, is_ascending: bool) -> Cursor:
    """Return where the page behind these rows begins.

    An invalid id is no position: the page then begins behind the last valid one, and returns
    the rows behind that again until they are set apart.
    """
    for row in reversed(rows):
        if (job_id := codec.id_or_none(row[0])) is not None:
            return Cursor(job_id)
    if page.after_id is not None:
        return Cursor(page.after_id)
    return Cursor(UUID(int=0 if is_ascending else 2**128 - 1))


@final
@frozen
class _Search:
    """A search in the errors of failed jobs, whose rows end with a number: their order."""

    executor: Executor
    wanted: JobFilter[State]
    suffix: str
    """Added to the name of the statement that returns the rows."""

    def page(self, values: Parameters, page: Page) -> Found:
        """Return a page, the jobs that failed last first."""
        cursor = cursor_of(page)
        words, is_beginning = checked(self.wanted.words)
        values = {
            **values,
            "words": _matching(words, is_beginning=is_beginning),
            "number": None if cursor is None else cursor.number,
        }
        if is_beginning:
            rows = self._among_the_last(words, values, page)
            if len(rows) > page.limit:
                return self._cut(rows, page, None)
        block, last = "search_failed", None
        if self._has_few():
            block = "search_worker_failed"
        elif values["name"] is not None or _reads_others(values):
            last = self._last_examined(values, page)
        number = None if last is None else last[-1]
        rows = self._read(block, page, {**values, "last": number})
        return self._cut(rows, page, last)

    def _read(self, block: str, page: Page, values: Parameters) -> list[Row]:
        return self.executor.page(block + self.suffix, page, values, one_more=True)

    def _cut(self, rows: Sequence[Row], page: Page, last: Row | None) -> Found:
        """Return a page of these rows, of which one may be that of the next page."""
        if len(rows) <= page.limit:
            return Found(rows, None if last is None else _cursor(last))
        kept = rows[: page.limit]
        return Found(kept, _cursor(kept[-1]) if kept else cursor_of(page))

    def _last_examined(self, values: Parameters, page: Page) -> Row | None:
        alone = {**values, **_NO_CONDITIONS}
        return _last_examined(self.executor, "search_failed", alone, page)

    def _among_the_last(
        self, words: Sequence[str], values: Parameters, page: Page
    ) -> Sequence[Row]:
        """Return the rows of a page, if the jobs that failed last fill one; else too few.

        For the beginning of a word, FTS5 merges the rows of all words that begin with it, which
        takes long where these are frequent (https://sqlite.org/fts5.html#fts5_prefix_queries).
        """
        found = self.executor.read("get_last_summaries", {**values, "limit": LAST})
        numbers = [number for number, summary in found if are_in(words, summary)]
        if len(numbers) <= page.limit:
            return ()
        chosen = {**values, "numbers": codec.to_json(numbers)}
        return self._read("get_numbered_failures", page, chosen)

    def _has_few(self) -> bool:
        if self.wanted.name is None:
            return False
        values: Parameters = {"name": self.wanted.name, "at_most": FEW + 1}
        count: int = self.executor.read("count_failed", values)[0][0]
        return count <= FEW


def _cursor(row: Row) -> Cursor:
    return Cursor(codec.DECODER.id_of(row[0]), number=row[-1])


def _matching(words: Sequence[str], *, is_beginning: bool) -> str:
    """Return a query of FTS5, in which a word in quotes is no operator."""
    quoted = " ".join(f'"{word}"' for word in words)
    return f"{quoted}*" if is_beginning else quoted


def jobs(executor: Executor, wanted: JobFilter[State], page: Page, now: int) -> Listing[Any]:
    """Return a page of the jobs that a filter selects, whatever their metadata."""
    found = read(executor, wanted, page, now, only_ids=False)
    decode = codec.DECODER.of(_TABLES[wanted.state])
    rows = (row[:-1] for row in found.rows) if wanted.words else found.rows
    read_jobs = listing(map(decode, rows))
    moment = from_microseconds(now)
    at_the_time = [as_of(job, moment) for job in read_jobs]
    return Listing(at_the_time, unreadable_in(read_jobs), found.after)


def unreadable(executor: Executor, page: Page) -> Listing[UnreadableJob]:
    """Return a page of rows that were set apart, the newest first."""
    values: Parameters = {"longest": LONGEST_SHOWN}
    rows = executor.page("list_unreadable", page, values, one_more=True)
    if any(codec.id_or_none(row[0]) is None for row in rows):
        executor.write("rename_unreadable", None, {})
        rows = executor.page("list_unreadable", page, values, one_more=True)
    kept = rows[: page.limit]
    after = _position(kept, page, is_ascending=False) if len(rows) > page.limit else None
    return Listing(map(codec.DECODER.set_apart, kept), after=after)
