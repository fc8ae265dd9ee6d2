"""Searches in the errors of failed jobs, by the index of their words or past it."""

from collections.abc import Mapping, Sequence

from bgjobs._core.timestamps import as_instant, to_microseconds
from bgjobs.stores.operations import Failures
from bgjobs.stores.pages import FEW, Page, are_in, checked
from bgjobs.stores.sqlite import codec
from bgjobs.stores.sqlite.calls import Calls
from bgjobs.stores.sqlite.connection import Parameters, Row
from bgjobs.stores.values import cursor_of

LAST = 2_000
"""Errors that are looked at one by one: a moment, and enough for a page of frequent ones."""


def failed(calls: Calls, verb: str, failures: Failures, page: Page) -> list[Row]:
    """Return the rows of a page; those of a search have their number behind them."""
    before = failures.before
    values: dict[str, str | int | None] = {
        "name": failures.name,
        "before": None if before is None else to_microseconds(as_instant("before", before)),
    }
    if not failures.words:
        return calls.page(verb, page, values, 0 if failures.name is None else 1)
    cursor = cursor_of(page)
    values["number"] = None if cursor is None else cursor.number
    words, is_beginning = checked(failures.words)
    if is_beginning and (numbers := _among_the_last(calls, words, values, page)):
        found = calls.read("get_last_failures", {"numbers": codec.to_json(numbers)}, 1)
        return found if verb == "get_failed" else [(row[0], row[-1]) for row in found]
    values["words"] = _matching(words, is_beginning=is_beginning)
    return calls.page(verb, page, values, 3 if _has_few(calls, failures) else 2)


def _among_the_last(
    calls: Calls, words: Sequence[str], values: Mapping[str, str | int | None], page: Page
) -> list[int]:
    """Return the numbers of a whole page, if the jobs that failed last have as many; else none.

    For the beginning of a word SQLite puts together all rows of all words that begin so, which
    is too much where these are frequent. Where they are rare it is not.
    """
    last: Parameters = {**values, "limit": LAST}
    found = calls.read("get_last_failures", last, 0)
    numbers = [number for number, summary in found if are_in(words, summary)]
    return numbers[: page.limit] if len(numbers) >= page.limit else []


def _has_few(calls: Calls, failures: Failures) -> bool:
    if failures.name is None:
        return False
    values: Parameters = {"name": failures.name, "at_most": FEW + 1}
    count: int = calls.read("count_failed", values)[0][0]
    return count <= FEW


def _matching(words: Sequence[str], *, is_beginning: bool) -> str:
    """Write the search in the language of FTS5, where a word in quotes is no operator."""
    quoted = " ".join(f'"{word}"' for word in words)
    return f"{quoted}*" if is_beginning else quoted
