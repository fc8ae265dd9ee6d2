"""Tables at any width: nothing is lost, and what is cut shows it."""

import io
from collections.abc import Sequence
from typing import cast
from uuid import UUID

import anyio
import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

import bgjobs
from bgjobs.cli.names import short_ids
from bgjobs.cli.output import formats
from bgjobs.cli.output.layout import Column, Escaped, Facts, Grid, assign_lines
from bgjobs.errors import StoreError

WIDTHS = (5, 17, 24, 40, 60, 80, 100, 300)
SIZES = [(2, 6, 7, 5), (4, 9, 3, 12), (36, 30, 8, 90), (1, 5, 200, 1), (12, 6, 14, 600)]
"""Of the header and of the rows."""
CELLS = [
    [chr(ord("a") + 4 * number + index) * size for index, size in enumerate(sizes)]
    for number, sizes in enumerate(SIZES)
]
"""Each of a letter that no other cell has."""


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
def test_each_header_and_value_is_there(last: dict[str, bool], width: int) -> None:
    lines = drawn(grid(Column(CELLS[0][3], **last)), width)

    assert max(map(cell_len, lines)) <= width
    for cell in (cell for cells in CELLS for cell in cells):
        assert "".join(lines).count(cell[0]) == len(cell)


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_truncated_has_an_ellipsis(width: int) -> None:
    lines = drawn(grid(Column(CELLS[0][3], is_truncated=True)), width)

    text = "".join(lines)
    assert max(map(cell_len, lines)) <= width
    for *cells, last in CELLS:
        for cell in cells:
            assert text.count(cell[0]) == len(cell)
        assert text.count(last[0]) == len(last) or f"{last[0]}…" in text
    assert ("…" in text) is (width < 700)


def test_rows_are_not_stacked_where_there_is_room() -> None:
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


def test_wide_characters_take_their_room() -> None:
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
def test_columns_are_dealt_in_their_order(
    widths: list[int], room: int, lines: list[list[int]]
) -> None:
    assert assign_lines(widths, room) == lines


@pytest.mark.parametrize("width", WIDTHS[1:])
def test_facts_lose_nothing(width: int) -> None:
    pairs = [("a" * 3, "b" * 9), ("c" * 60, "d" * 400), ("e" * 20, "")]

    lines = drawn(Facts([(Text(name), Text(value)) for name, value in pairs]), width)

    assert max(map(cell_len, lines)) <= width
    for text in (text for pair in pairs for text in pair if text):
        assert "".join(lines).count(text[0]) == len(text)


def test_the_net_holds_what_was_not_written_out_before() -> None:
    assert drawn(Escaped(Text("a\x1b[2J\u202eb\nc", style="bold")), 80) == [
        "a\\x1b[2J\\u202eb",
        "c",
    ]


def test_ids_are_as_short_as_they_can_be() -> None:
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


def test_ids_are_whole_where_the_store_cannot_tell() -> None:
    class Admin:
        async def find_ids(self, beginning: str, *, limit: int) -> Sequence[UUID]:
            raise StoreError("expected a store with operations, found none")

    one = UUID("0190aaaa-bbbb-7ccc-8ddd-000000000001")

    assert anyio.run(short_ids, cast("bgjobs.Admin", Admin()), [one]) == {}
