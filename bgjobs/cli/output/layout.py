"""Tables and lists that fit the width of the terminal without losing a value."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import final

from attrs import frozen
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from bgjobs._core.text import visible_lines

_GAP = 2
"""Blanks between two columns."""
_INDENT = 2
"""Blanks before the second and later lines of a row."""
_MIN_WIDTH = 20
"""The smallest width of a column that is truncated or wrapped."""
_MAX_LABEL = 24


@final
@frozen
class Column:
    """How one column is drawn."""

    name: str
    is_number: bool = False
    is_truncated: bool = False
    """Whether values end with an ellipsis where they do not fit."""
    is_wrapped: bool = False
    """Whether values continue on the next line where they do not fit."""


@final
@frozen
class Grid:
    """Rows under a header; columns that do not fit beside the others are drawn below them."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Draw it within the available width."""
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
        """Return, for each line of a row, the widths of its columns by their index."""
        shrinks = [column.is_truncated or column.is_wrapped for column in self.columns]
        least = [
            min(width, _MIN_WIDTH) if shrink else width
            for width, shrink in zip(natural, shrinks, strict=True)
        ]
        layout: list[dict[int, int]] = []
        for number, band in enumerate(assign_lines(least, room)):
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
        if self.columns[index].is_truncated:
            cell = cell.copy()
            cell.truncate(width, overflow="ellipsis")
        return [cell] if cell.cell_len <= width else _wrapped(console, cell, width)

    def _padded(self, cell: Text, index: int, width: int) -> Text:
        padded = cell.copy()
        blanks = width - cell.cell_len
        if self.columns[index].is_number:
            padded.pad_left(blanks)
        else:
            padded.pad_right(blanks)
        return padded


def assign_lines(widths: Sequence[int], room: int) -> list[list[int]]:
    """Distribute columns of these widths, in order, over as few lines as possible.

    Returns:
        For each line the indexes of its columns.
    """
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
    """Names and values, one pair on each line; long values are wrapped."""

    pairs: Sequence[tuple[Text, Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Draw it within the available width."""
        room = options.max_width
        widest = max((name.cell_len for name, _ in self.pairs), default=0)
        label = min(widest, _MAX_LABEL, room // 3)
        for name, value in self.pairs:
            values = _wrapped(console, value, room - label - _GAP)
            if name.cell_len > label:
                yield from _wrapped(console, name, room)
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


def _wrapped(console: Console, text: Text, width: int) -> Sequence[Text]:
    return [*text.wrap(console, max(1, width), overflow="fold")]


@final
@frozen
class Escaped:
    """A drawing in which invisible characters are escaped.

    It covers texts that were not escaped before they were drawn.
    """

    what: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Draw the content with its invisible characters escaped."""
        for segment in console.render(self.what, options):
            text = visible_lines(segment.text)
            is_unchanged = segment.control or text == segment.text
            yield segment if is_unchanged else Segment(text, segment.style)
