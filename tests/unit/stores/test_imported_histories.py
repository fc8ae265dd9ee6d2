"""Exported histories are read back; others are refused without being quoted."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._core.history import HistoryEntry
from bgjobs.stores.imports import from_line, to_line
from tests.unit.stores.histories import ENTRIES
from tests.unit.stores.lines import JOB, NOW, SECRET, VALUES, WHOLE, line, refused


@given(st.lists(ENTRIES, max_size=5).map(tuple))
def test_an_exported_history_is_read_back(history: tuple[HistoryEntry, ...]) -> None:
    job = evolve(JOB, history=history)
    assert from_line(to_line(job), 1) == job


def test_a_line_of_an_earlier_version_has_no_history() -> None:
    assert from_line(line(history=...), 1) == evolve(JOB, history=())


ENTRY = "expected 'reservation' or 'end' first, found something else"
RESERVATION_ROW, END_ROW = VALUES["history"]


def past(place: int, value: object) -> dict[str, Any]:
    """Return a history with another value in the entry of a reservation."""
    return {"history": [[*RESERVATION_ROW[:place], value, *RESERVATION_ROW[place + 1 :]]]}


def end(place: int, value: object) -> dict[str, Any]:
    """Return a history with another value in the entry of an end."""
    return {"history": [[*END_ROW[:place], value, *END_ROW[place + 1 :]]]}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"history": {}}, "history: expected a list, found dict"),
        ({"history": None}, "history: expected a list, found none"),
        ({"history": [END_ROW] * 101}, "history: expected at most 100, found 101"),
        ({"history": [5]}, "history: [0]: expected a list, found int"),
        ({"history": [[]]}, f"history: [0]: {ENTRY}"),
        ({"history": [END_ROW, [SECRET, 5]]}, f"history: [1]: {ENTRY}"),
        (
            {"history": [END_ROW[:-1]]},
            "history: [0]: expected 6 values after the first, found 5",
        ),
        (
            {"history": [[*RESERVATION_ROW, 5]]},
            "history: [0]: expected 8 values after the first, found 9",
        ),
        (past(1, True), f"history: [0]: number: {WHOLE} bool"),
        (past(2, SECRET), "history: [0]: owner: expected a UUID, found other text"),
        (past(3, None), "history: [0]: queue: expected str, found NoneType"),
        (past(3, "q" * 201), "history: [0]: queue: expected at most 200 characters, found 201"),
        (
            past(4, "n" * 1_001),
            "history: [0]: node: expected at most 1,000 characters, found 1",
        ),
        (past(5, -1), f"history: [0]: attempt: {WHOLE} another number"),
        (past(6, NOW.isoformat()), "history: [0]: reserved_at: expected a whole number"),
        (past(7, 2**61), "history: [0]: ended_at: expected an instant with a time zone"),
        (
            past(8, SECRET),
            (
                "history: [0]: ended: expected one of failed, discarded, snoozed, interrupted, "
                "crashed, cancelled, released, found another value"
            ),
        ),
        (end(1, [1]), "history: [0]: state: expected one of failed, cancelled, found another"),
        (end(2, None), "history: [0]: at: expected a whole number"),
        (end(3, "t" * 201), "history: [0]: text: expected at most 200 characters, found 201"),
        (end(4, "\0"), "history: [0]: by: expected text without NUL and lone surrogates"),
        (end(5, 1.5), "history: [0]: retried_at: expected a whole number"),
        (end(6, 5), "history: [0]: retried_by: expected str, found int"),
    ],
)
def test_an_invalid_history_is_refused(changes: dict[str, Any], problem: str) -> None:
    found = refused(line(**changes))
    assert found.startswith(problem)
    assert SECRET not in found
