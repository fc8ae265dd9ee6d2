"""Times, durations and ids as text, and tables and lists of any width."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import cast
from uuid import UUID
from zoneinfo import ZoneInfo

import anyio
import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

import bgjobs
from bgjobs._core.timestamps import FIRST_MICROSECOND, LAST_MICROSECOND, from_microseconds
from bgjobs.cli.names import short_ids
from bgjobs.cli.output import formats
from bgjobs.cli.output.layout import Column, Escaped, Facts, Grid, assign_lines
from bgjobs.errors import StoreError

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("0", 0),
        ("1.5s", 1.5),
        ("15m", 900),
        ("1h30m", 5_400),
        ("7d", 604_800),
        ("1d2h3m4s", 93_784),
    ],
)
def test_a_duration_is_parsed(text: str, seconds: float) -> None:
    assert formats.parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "-5m", "5 m", "m", "1m2h", "9" * 20 + "d", "٣m"])
def test_text_that_is_no_duration_is_none(text: str) -> None:
    assert formats.parse_duration(text) is None


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "120 min"),
        (7_200, "2 h"),
        (172_800, "2 d"),
        (86_400 * 3_000, "3,000 d"),
    ],
)
def test_a_duration_is_formatted_briefly(seconds: float, written: str) -> None:
    assert formats.short_duration(timedelta(seconds=seconds)) == written


def test_past_and_future_times_are_worded_differently() -> None:
    assert formats.relative_time(NOON, NOON + timedelta(minutes=5)) == "5 min ago"
    assert formats.relative_time(NOON, NOON - timedelta(minutes=5)) == "in 5 min"


def test_a_time_is_in_a_zone_for_people_and_in_utc_for_programs() -> None:
    in_paris = NOON.astimezone(timezone(timedelta(hours=1)))

    assert formats.absolute_time(in_paris, UTC) == "2030-01-31 12:00:00 UTC"
    assert (
        formats.absolute_time(in_paris, ZoneInfo("America/New_York"))
        == "2030-01-31 07:00:00 EST"
    )
    assert formats.iso_time(in_paris) == "2030-01-31T12:00:00Z"
    assert formats.iso_time(None) is None


@pytest.mark.parametrize(
    ("microsecond", "zone", "written"),
    [
        (FIRST_MICROSECOND, "America/New_York", "1-01-01 00:00:00 UTC"),
        (LAST_MICROSECOND, "Asia/Tokyo", "9999-12-31 23:59:59 UTC"),
    ],
)
def test_a_time_beyond_the_calendar_of_a_zone_is_in_utc(
    microsecond: int, zone: str, written: str
) -> None:
    found = formats.absolute_time(from_microseconds(microsecond), ZoneInfo(zone))
    assert found.lstrip("0") == written


WIDTHS = (5, 17, 24, 40, 60, 80, 100, 300)


SIZES = [(2, 6, 7, 5), (4, 9, 3, 12), (36, 30, 8, 90), (1, 5, 200, 1), (12, 6, 14, 600)]
"""Lengths of the cells of the header and of each row."""


CELLS = [
    [chr(ord("a") + 4 * number + index) * size for index, size in enumerate(sizes)]
    for number, sizes in enumerate(SIZES)
]
"""Each cell repeats a letter that no other cell has."""


def drawn(what: RenderableType, width: int) -> list[str]:
    written = io.StringIO()
    Console(file=written, width=width, color_system=None).print(what)
    return written.getvalue().splitlines()


def grid(last: Column) -> Grid:
    names, *rows = CELLS
    columns = [*map(Column, names[:3]), last]
    return Grid(columns, [[*map(Text, row)] for row in rows])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("last", [{}, {"is_wrapped": True}, {"is_number": True}])
def test_a_grid_shows_each_header_and_value(last: dict[str, bool], width: int) -> None:
    lines = drawn(grid(Column(CELLS[0][3], **last)), width)

    assert max(map(cell_len, lines)) <= width
    for cell in (cell for cells in CELLS for cell in cells):
        assert "".join(lines).count(cell[0]) == len(cell)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_truncated_value_ends_with_an_ellipsis(width: int) -> None:
    lines = drawn(grid(Column(CELLS[0][3], is_truncated=True)), width)

    text = "".join(lines)
    assert max(map(cell_len, lines)) <= width
    for *cells, last in CELLS:
        for cell in cells:
            assert text.count(cell[0]) == len(cell)
        assert text.count(last[0]) == len(last) or f"{last[0]}…" in text
    assert ("…" in text) is (width < 700)


def test_columns_share_a_line_if_they_fit() -> None:
    names = [Column(name) for name in ("id", "worker", "running")]
    rows = [[Text("0189aaaa"), Text("send_mail"), Text("12")]]

    assert drawn(Grid(names, rows), 28) == [
        "id        worker     running",
        "0189aaaa  send_mail  12",
    ]
    assert drawn(Grid(names, rows), 27) == [
        "id        worker",
        "  running",
        "0189aaaa  send_mail",
        "  12",
    ]


def test_wide_characters_count_as_two_columns() -> None:
    rows = [[Text("日本"), Text("x")], [Text("ab"), Text("y")]]

    assert drawn(Grid([Column("a"), Column("b")], rows), 40) == [
        "a     b",
        "日本  x",
        "ab    y",
    ]


@pytest.mark.parametrize(
    ("widths", "room", "lines"),
    [
        ([4, 4, 4], 16, [[0, 1, 2]]),
        ([4, 4, 4], 15, [[0, 1], [2]]),
        ([20, 4, 4], 10, [[0], [1], [2]]),
        ([4, 4, 4], 12, [[0, 1], [2]]),
        ([], 10, []),
    ],
)
def test_columns_are_assigned_to_lines_in_order(
    widths: list[int], room: int, lines: list[list[int]]
) -> None:
    assert assign_lines(widths, room) == lines


@pytest.mark.parametrize("width", WIDTHS[1:])
def test_facts_show_each_name_and_value(width: int) -> None:
    pairs = [("a" * 3, "b" * 9), ("c" * 60, "d" * 400), ("e" * 20, "")]

    lines = drawn(Facts([(Text(name), Text(value)) for name, value in pairs]), width)

    assert max(map(cell_len, lines)) <= width
    for text in (text for pair in pairs for text in pair if text):
        assert "".join(lines).count(text[0]) == len(text)


def test_texts_that_were_not_escaped_are_escaped_when_drawn() -> None:
    assert drawn(Escaped(Text("a\x1b[2J\u202eb\nc", style="bold")), 80) == [
        "a\\x1b[2J\\u202eb",
        "c",
    ]


def test_ids_are_shortened_to_distinct_prefixes() -> None:
    one, near, far = (
        UUID("0190aaaa-bbbb-7ccc-8ddd-000000000001"),
        UUID("0190aaaa-bbbb-7ccc-8dde-000000000001"),
        UUID("0190aaaa-cccc-7ccc-8ddd-000000000001"),
    )

    assert formats.distinct_prefixes([one, far]) == {one: "0190aaaa-b", far: "0190aaaa-c"}
    assert formats.distinct_prefixes([one, near])[near] == "0190aaaa-bbbb-7ccc-8dde"
    assert formats.distinct_prefixes([one, one]) == {one: "0190aaaa"}
    assert formats.distinct_prefixes([]) == {}
    assert formats.id_prefix(one, 32) == str(one)
    assert formats.shared_digits(one, one) == 32


def test_ids_are_whole_if_the_store_cannot_search_prefixes() -> None:
    class Admin:
        async def find_ids(self, beginning: str, *, limit: int) -> Sequence[UUID]:
            raise StoreError("expected a store with operations, found none")

    class Client:
        admin = Admin()

    one = UUID("0190aaaa-bbbb-7ccc-8ddd-000000000001")

    assert anyio.run(short_ids, cast("bgjobs.Client", Client()), [one]) == {}
