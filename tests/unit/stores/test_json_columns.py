"""Metadata and histories as texts of columns."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._core.history import KEPT_HISTORY, HistoryEntry, PastEnd
from bgjobs.stores.columns import BYTES
from bgjobs.stores.json_columns import (
    dump_history,
    dump_metadata,
    load_history,
    load_metadata,
)
from tests.unit.stores.histories import END, ENTRIES, RESERVATION


def test_none_is_null() -> None:
    assert (dump_metadata(()), load_metadata(None)) == (None, {})
    assert (dump_history(()), load_history(None)) == (None, ())


@pytest.mark.parametrize("text", ["{", "1", '["a"]', "", '{"a":1}', '{"a":null}', "[" * 90_000])
def test_invalid_metadata_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|Expecting"):
        load_metadata(text)


def test_lone_surrogates_are_no_text() -> None:
    with pytest.raises(ValueError, match="expected a text"):
        load_metadata('{"a":"\\ud800"}')


RESERVATION_ROW = [
    "reservation", 3, str(UUID(int=7)), "mails", "host 7", 2,
    1_893_456_000_000_005, 1_893_542_400_000_000, "snoozed",
]  # fmt: skip
END_ROW = [
    "end", "cancelled", 1_893_456_000_000_005, "no", "ada", 1_893_542_400_000_000, "bob",
]  # fmt: skip


def test_the_form_of_the_entries() -> None:
    """Statements write entries of this form as well, so it is part of the schema."""
    text = dump_history((RESERVATION, END))
    assert text is not None
    assert json.loads(text) == [RESERVATION_ROW, END_ROW]
    assert "\n" not in text
    assert ": " not in text
    assert load_history(text) == (RESERVATION, END)


@given(st.lists(ENTRIES, max_size=5).map(tuple))
def test_a_history_is_read_back(history: tuple[HistoryEntry, ...]) -> None:
    assert load_history(dump_history(history)) == history


def test_the_longest_history_fits_into_its_column() -> None:
    """In JSON, a control character takes six bytes."""
    name, text = "\x01" * 200, "\x01" * 200
    values = {**{one: getattr(END, one) for one in ("state", "at", "retried_at")}, "text": text}
    end = PastEnd(**values, by=name, retried_by=name)
    written = dump_history((end,) * KEPT_HISTORY)
    assert written is not None
    assert len(written.encode()) < BYTES["history"] // 2


def changed(row: list[Any], place: int, value: object) -> str:
    """Return a history of one entry in which one value is another one."""
    return json.dumps([[*row[:place], value, *row[place + 1 :]]])


NO_KIND: list[object] = ["other", 5, None, []]
NO_COUNT: list[object] = ["1", -1, 2**63, 1.5, True, None]
NO_TEXT: list[object] = [5, True, [], "\ud800"]
NO_TIME: list[object] = ["2030-01-01T00:00:00+00:00", 2**60, -(2**60), 1.5, True, None]
NO_ID: list[object] = ["", "7", 7, None, f"{UUID(int=7)}0"]
NO_STATE: list[object] = ["succeeded", "", None, 5, []]
WRONG_RESERVATION = [
    [*NO_KIND, "end"], NO_COUNT, NO_ID, [*NO_TEXT, None], [*NO_TEXT, None], NO_COUNT,
    NO_TIME, NO_TIME, NO_STATE,
]  # fmt: skip
"""For each value of the entry of a reservation, values that it cannot have."""
NO_COPY: list[object] = [5, True, []]
"""What SQL copied may have been stored by a program that writes no UTF-8; it is repaired."""
WRONG_END = [
    [*NO_KIND, "reservation"], NO_STATE, NO_TIME, [*NO_COPY, None], NO_COPY, NO_TIME, NO_TEXT,
]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "place", "value"),
    [
        (row, place, value)
        for row, wrong in ((RESERVATION_ROW, WRONG_RESERVATION), (END_ROW, WRONG_END))
        for place, values in enumerate(wrong)
        for value in values
    ],
)
def test_a_history_with_a_wrong_value_is_refused(
    row: list[Any], place: int, value: object
) -> None:
    with pytest.raises(ValueError):
        load_history(changed(row, place, value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "5",
        "null",
        "{}",
        "[5]",
        '["end"]',
        "[[]]",
        '[["end"]]',
        '[{"end":1}]',
        json.dumps([RESERVATION_ROW[:-1]]),
        json.dumps([[*RESERVATION_ROW, 1]]),
        json.dumps([END_ROW[:-1]]),
        json.dumps([[*END_ROW, 1]]),
        json.dumps([RESERVATION_ROW, [*END_ROW, 1]]),
        "[" * 90_000,
    ],
)
def test_another_text_is_no_history(text: str) -> None:
    with pytest.raises(ValueError):
        load_history(text)
