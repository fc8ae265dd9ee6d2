"""Tables that lose nothing where there is little room, and the net under all that is drawn."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import final

from attrs import frozen
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from bgjobs.visible import visible_lines

_GAP = 2
"""Blanks between two columns."""
_INDENT = 2
"""Blanks before the further lines of a row."""
_LEAST = 20
"""A column that can be cut or folded is not made narrower than this."""
_LONGEST_LABEL = 24


@final
@frozen
class Column:
    """How one column is drawn."""

    name: str
    is_number: bool = False
    is_cut: bool = False
    """Ends with an ellipsis where there is no room for all of it."""
    is_folded: bool = False
    """Goes on below where there is no room for all of it, beside the other columns."""


@final
@frozen
class Grid:
    """Rows under a header; columns that have no room beside the others stand below them."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Draw it as wide as there is room."""
        header = [Text(column.name, style="bold") for column in self.columns]
        rows = [header, *self.rows]
        natural = [max(cell.cell_len for cell in cells) for cells in zip(*rows, strict=True)]
        layout = self._layout(natural, options.max_width)
        for row in rows:
            lines: list[Text] = []
            for number, band in enumerate(layout):
                lines += self._drawn(console, row, band, _INDENT if number else 0)
            while len(lines) > 1 and not lines[-1]:
                lines.pop()
            yield from lines

    def _layout(self, natural: Sequence[int], room: int) -> list[dict[int, int]]:
        """Return the columns of each line of a row, with their widths."""
        gives = [column.is_cut or column.is_folded for column in self.columns]
        least = [
            min(width, _LEAST) if give else width
            for width, give in zip(natural, gives, strict=True)
        ]
        layout: list[dict[int, int]] = []
        for number, band in enumerate(dealt(least, room)):
            free = max(1, room - (_INDENT if number else 0))
            taken = sum(least[index] for index in band) + _GAP * (len(band) - 1)
            widths: dict[int, int] = {}
            for index in band:
                more = min(natural[index] - least[index], max(0, free - taken))
                widths[index] = min(least[index] + more, free)
                taken += more
            layout.append(widths)
        return layout

    def _drawn(
        self, console: Console, row: Sequence[Text], band: dict[int, int], indent: int
    ) -> Iterator[Text]:
        cells = [self._cell(console, row[index], index, width) for index, width in band.items()]
        for height in range(max(map(len, cells))):
            line = Text(" " * indent, no_wrap=True, overflow="ignore")
            for (index, width), lines in zip(band.items(), cells, strict=True):
                line.append(" " * (width + _GAP) if height >= len(lines) else "")
                if height < len(lines):
                    line.append_text(self._padded(lines[height], index, width))
                    line.append(" " * _GAP)
            line.rstrip()
            yield line

    def _cell(self, console: Console, cell: Text, index: int, width: int) -> Sequence[Text]:
        if self.columns[index].is_cut:
            cell = cell.copy()
            cell.truncate(width, overflow="ellipsis")
        return [cell] if cell.cell_len <= width else _folded(console, cell, width)

    def _padded(self, cell: Text, index: int, width: int) -> Text:
        padded = cell.copy()
        blanks = width - cell.cell_len
        if self.columns[index].is_number:
            padded.pad_left(blanks)
        else:
            padded.pad_right(blanks)
        return padded


def dealt(widths: Sequence[int], room: int) -> list[list[int]]:
    """Deal columns of these widths, in their order, to as few lines as have room for them."""
    lines: list[list[int]] = []
    free = 0
    for index, width in enumerate(widths):
        if not lines or width + _GAP > free:
            free = room - (_INDENT if lines else 0) - width
            lines.append([index])
        else:
            free -= width + _GAP
            lines[-1].append(index)
    return lines


@final
@frozen
class Facts:
    """Names and values, one pair a line; what has no room goes on below."""

    pairs: Sequence[tuple[Text, Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Draw it as wide as there is room."""
        room = options.max_width
        widest = max((name.cell_len for name, _ in self.pairs), default=0)
        label = min(widest, _LONGEST_LABEL, room // 3)
        for name, value in self.pairs:
            values = _folded(console, value, room - label - _GAP)
            if name.cell_len > label:
                yield from _folded(console, name, room)
                heads = [Text()]
            else:
                heads = [name]
            for head, one in zip_longest(heads, values, fillvalue=Text()):
                yield _beside(head, label + _GAP, one)


def _beside(head: Text, width: int, value: Text) -> Text:
    line = head.copy()
    line.pad_right(width - head.cell_len)
    line.append_text(value)
    line.rstrip()
    line.no_wrap, line.overflow = True, "ignore"
    return line


def _folded(console: Console, text: Text, width: int) -> Sequence[Text]:
    return [*text.wrap(console, max(1, width), overflow="fold")]


@final
@frozen
class Seen:
    """A drawing of which each character is one that can be seen."""

    what: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Draw what is in it, with the rest written out."""
        for segment in console.render(self.what, options):
            text = visible_lines(segment.text)
            is_left = segment.control or text == segment.text
            yield segment if is_left else Segment(text, segment.style)
