"""Reads that take more than one statement, or choose one: commands, limits and searches."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from bgjobs._core.jobs import LARGEST_COUNT, UnreadableJob
from bgjobs._core.limits import Cap
from bgjobs._core.timestamps import as_instant, to_microseconds
from bgjobs.stores.limits import Openings, Use, openings
from bgjobs.stores.operations import Failures
from bgjobs.stores.pages import FEW, Page, are_in, checked
from bgjobs.stores.sqlite import codec
from bgjobs.stores.sqlite.connection import Parameters, Row
from bgjobs.stores.sqlite.executor import Executor
from bgjobs.stores.types import Commands
from bgjobs.stores.values import commands_of, cursor_of

LAST = 2_000
"""Errors that are searched one by one: fast, and enough for a page of frequent ones."""


def as_commands(found: Sequence[Row]) -> Commands:
    """Return the commands in rows of the statement `commands`."""
    parsed = (
        (one, None if one is None else codec.id_or_none(one), text) for one, text in found
    )
    return commands_of(
        (job, text) for one, job, text in parsed if (one is None) is (job is None)
    )


def as_openings(found: Sequence[Row], caps: Sequence[Cap]) -> Openings:
    """Return what the caps leave room for, from rows of the statement `use`."""
    uses = {
        name: Use(running, started, None if oldest is None else timedelta(microseconds=oldest))
        for name, running, started, oldest in found
    }
    return openings(caps, uses)


def refused(executor: Executor, names: Collection[str]) -> list[UnreadableJob]:
    """Return waiting rows that the database does not allow to be reserved."""
    values: Parameters = {"names": codec.names_json(names), "most": LARGEST_COUNT}
    found = executor.read("find_refused", values)
    return [codec.DECODER.unreadable("jobs", row) for row in found]


def failed(executor: Executor, failures: Failures, page: Page) -> list[Row]:
    """Return a page of failed jobs; those of a search have their number as last column."""
    if not failures.words:
        name = "get_failed" if failures.name is None else "get_worker_failed"
        return executor.page(name, page, _bounds(failures))
    values, numbers = _search(executor, failures, page)
    if numbers:
        return executor.read("get_numbered_failures", {"numbers": codec.to_json(numbers)})
    name = "search_worker_failed" if _has_few(executor, failures) else "search_failed"
    return executor.page(name, page, values)


def failed_ids(executor: Executor, failures: Failures, page: Page) -> list[Row]:
    """Return only the ids of `failed`, and the numbers of a search."""
    if not failures.words:
        name = "get_failed_ids" if failures.name is None else "get_worker_failed_ids"
        return executor.page(name, page, _bounds(failures))
    values, numbers = _search(executor, failures, page)
    if numbers:
        found = executor.read("get_numbered_failures", {"numbers": codec.to_json(numbers)})
        return [(row[0], row[-1]) for row in found]
    name = "search_worker_failed_ids" if _has_few(executor, failures) else "search_failed_ids"
    return executor.page(name, page, values)


def _bounds(failures: Failures) -> dict[str, str | int | None]:
    before = failures.before
    return {
        "name": failures.name,
        "before": None if before is None else to_microseconds(as_instant("before", before)),
    }


def _search(
    executor: Executor, failures: Failures, page: Page
) -> tuple[Parameters, Sequence[int]]:
    """Return the parameters of a search, and the numbers of its page if they are known."""
    cursor = cursor_of(page)
    number = None if cursor is None else cursor.number
    values = {**_bounds(failures), "number": number}
    words, is_beginning = checked(failures.words)
    if is_beginning and (numbers := _among_the_last(executor, words, values, page)):
        return values, numbers
    return {**values, "words": _matching(words, is_beginning=is_beginning)}, ()


def _among_the_last(
    executor: Executor,
    words: Sequence[str],
    values: Mapping[str, str | int | None],
    page: Page,
) -> list[int]:
    """Return the numbers of a whole page, if the jobs that failed last fill one; else none.

    For the beginning of a word, FTS5 merges the rows of all words that begin with it, which
    takes long where these are frequent (https://sqlite.org/fts5.html#fts5_prefix_queries).
    """
    last: Parameters = {**values, "limit": LAST}
    found = executor.read("get_last_summaries", last)
    numbers = [number for number, summary in found if are_in(words, summary)]
    return numbers[: page.limit] if len(numbers) >= page.limit else []


def _has_few(executor: Executor, failures: Failures) -> bool:
    if failures.name is None:
        return False
    values: Parameters = {"name": failures.name, "at_most": FEW + 1}
    count: int = executor.read("count_failed", values)[0][0]
    return count <= FEW


def _matching(words: Collection[str], *, is_beginning: bool) -> str:
    """Return a query of FTS5, in which a word in quotes is no operator."""
    quoted = " ".join(f'"{word}"' for word in words)
    return f"{quoted}*" if is_beginning else quoted
