"""The pages in docs/ that are generated from the code are up to date and complete."""

import re
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

import bgjobs
from bgjobs import errors, events, schedules, testing
from docs.tables import CLASSES, DOCS, PAGES, fields_of
from tests.docs.documents import named

REFERENCE = DOCS / "reference"
ELSEWHERE = {
    *("backoff", "errors", "events", "schedules"),  # pages of their own
    *("Schedule", "every", "schedule"),  # on the page of bgjobs.schedules
    *("Event", "Listener"),  # on the page of the events
    "BgJobsError",  # on the page of the errors
    "Clock",  # on the page of bgjobs.testing
    *("Store", "OperatedStore", "operations_of"),  # on the page of the port
}
"""Names of bgjobs that are on other pages."""
OPERATIONS = DOCS / "operate" / "operations.md"


def names_in(path: Path) -> set[str]:
    """Return the names in code style on a page."""
    return set(re.findall(r"`(\w+)`", path.read_text("utf-8")))


def documented(page: str, module: str) -> set[str]:
    """Return the names of a module whose docstrings a page includes."""
    text = (REFERENCE / f"{page}.md").read_text("utf-8")
    asked = rf"^\.\. (?:auto\w+|py:data):: {re.escape(module)}\.(\w+)(?:\(.*)?$"
    return set(re.findall(asked, text, re.MULTILINE))


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_the_page_is_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == PAGES[path](), "run: python docs/tables.py"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_setting_says_what_it_means(kind: type) -> None:
    assert [one.name for one in fields_of(kind) if not one.meaning] == []


def test_operations_say_what_to_do_about_every_event() -> None:
    table = {event.__name__ for event in get_args(events.Event)}
    assert table - names_in(OPERATIONS) == set()


@pytest.mark.parametrize(
    ("page", "module", "elsewhere"),
    [
        ("bgjobs", bgjobs, ELSEWHERE),
        ("schedules", schedules, set(dir(errors))),
        ("testing", testing, set[str]()),
    ],
)
def test_the_reference_has_every_public_name(
    page: str, module: ModuleType, elsewhere: set[str]
) -> None:
    assert documented(page, module.__name__) == set(module.__all__) - elsewhere


def test_the_tree_of_errors_shows_every_error() -> None:
    def all_below(error: type[Exception]) -> set[str]:
        below = error.__subclasses__()
        return {one.__name__ for one in below}.union(*map(all_below, below))

    ours = {name for name in all_below(errors.BgJobsError) if hasattr(errors, name)}
    drawn = set(re.findall(r"\b\w+Error\b", errors.__doc__ or ""))
    assert ours - drawn == set()
