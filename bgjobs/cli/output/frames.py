"""Frames of a live view: on a terminal of one size, all have the same columns, and fit.

The width of each column depends only on the width of the terminal. What does not fit ends with
an ellipsis, and columns that do not fit are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, final

from attrs import evolve, frozen
from rich.console import Console, ConsoleOptions
from rich.text import Text

from bgjobs.cli.output import sparklines
from bgjobs.cli.output.layout import assign_lines
from bgjobs.cli.output.sparklines import Sparkline

Cell: TypeAlias = Text | Sparkline
_GAP = 2
"""Blanks between two columns."""


@final
@frozen
class FrameColumn:
    """A column of a section, and the widths that it may have."""

    name: str
    sizes: Sequence[int]
    """In ascending order; columns grow in turn, as long as there is room."""
    is_number: bool = False


@final
@frozen
class Section:
    """Rows under a header."""

    columns: Sequence[FrameColumn]
    order: Sequence[str]
    """The names of the columns; the first ones are the last to be left out."""
    rows: Sequence[Sequence[Cell]]
    more: int = 0
    """How many rows are not shown."""

    @property
    def height(self) -> int:
        """Lines: the header, the rows or "none", and one that is empty or counts the rest."""
        return 2 + max(1, len(self.rows))


@final
@frozen
class Fact:
    """A text with a place of its own above the sections."""

    width: int
    text: str
    short: str = ""
    """What is shown instead where the text does not fit."""


@final
@frozen
class LiveFrame:
    """Facts above sections."""

    facts: Sequence[Fact]
    heads: Sequence[Sequence[int]]
    """Widths of the facts of each head that the view has. All heads take as many lines as the
    tallest, so that the sections stay where they are when one head replaces another."""
    sections: Sequence[Section]
    style: str = "bold"
    """The style of the facts."""
    is_past: bool = False
    """Whether the sections are not of the present, which dims them."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Draw it within the terminal; the last line of the terminal is left for the cursor."""
        pen = Pen(options.max_width, options.encoding)
        head = self._head(pen)
        room = options.size.height - 1
        fitting = shortened(self.sections, room - len(head))
        lines = [line for section in fitting for line in pen.section(section)]
        if self.is_past:
            for line in lines:
                line.stylize("dim")
        yield from [*head, *lines][:room]

    def _head(self, pen: "Pen") -> list[Text]:
        height = max(len(assign_lines(widths, pen.width)) for widths in self.heads)
        lines = pen.head(self.facts, self.style)
        return [*lines, *(Text() for _ in range(height + 1 - len(lines)))]


def shortened(sections: Sequence[Section], room: int) -> Sequence[Section]:
    """Cut rows of the longest section, one after another, until all fit in so many lines.

    Of several that are the longest, the last one is cut.
    """
    cut = [*sections]
    while cut and sum(one.height for one in cut) > room:
        index = max(range(len(cut)), key=lambda index: (len(cut[index].rows), index))
        longest = cut[index]
        if len(longest.rows) <= 1:
            break
        cut[index] = evolve(longest, rows=longest.rows[:-1], more=longest.more + 1)
    return cut


def widths_of(section: Section, room: int) -> Mapping[str, int]:
    """Return the widths of the columns that fit in so many columns of the terminal."""
    known = {one.name: one.sizes for one in section.columns}
    widths: dict[str, int] = {}
    left = room + _GAP
    for name in section.order:
        least = known[name][0] + _GAP
        if least <= left:
            widths[name], left = known[name][0], left - least
    return _grown(widths, known, left) if widths else {section.order[0]: room}


def _grown(
    widths: Mapping[str, int], sizes: Mapping[str, Sequence[int]], left: int
) -> Mapping[str, int]:
    """Return the widths after each column has grown in turn, until none can."""
    grown, before = dict(widths), None
    while grown != before:
        before = dict(grown)
        for name, width in before.items():
            larger = next((size for size in sizes[name] if size > width), width)
            if larger - width <= left:
                grown[name], left = larger, left - (larger - width)
    return grown


@final
@frozen
class Pen:
    """Writes lines of a width in an encoding, in which each character has its known width."""

    width: int
    encoding: str

    def head(self, facts: Sequence[Fact], style: str) -> list[Text]:
        """Return facts, as many beside each other as fit."""
        lines: list[Text] = []
        for band in assign_lines([one.width for one in facts], self.width):
            lines.append(self._line([self._fact(facts[index]) for index in band]))
            lines[-1].stylize(style)
        return lines

    def _fact(self, fact: Fact) -> Text:
        width = min(fact.width, self.width)
        is_short = fact.short and self._known(Text(fact.text)).cell_len > width
        return self._cut(Text(fact.short if is_short else fact.text), width)

    def section(self, section: Section) -> list[Text]:
        """Return the header, the rows, and an empty line or how many rows are not shown."""
        widths = widths_of(section, self.width)
        header = [Text(one.name, style="bold") for one in section.columns]
        lines = [self._row(section, row, widths) for row in [header, *section.rows]]
        if not section.rows:
            lines.append(self._line([self._cut(Text("none"), self.width)]))
        more = f"and {section.more:,} more" if section.more else ""
        return [*lines, self._line([self._cut(Text(more), self.width)])]

    def _row(self, section: Section, row: Sequence[Cell], widths: Mapping[str, int]) -> Text:
        pairs = zip(section.columns, row, strict=True)
        return self._line(
            [
                self._cell(cell, widths[column.name], is_number=column.is_number)
                for column, cell in pairs
                if column.name in widths
            ]
        )

    def _cell(self, cell: Cell, width: int, *, is_number: bool) -> Text:
        if isinstance(cell, Sparkline):
            return Text(cell.text(width, self._bars()), style="cyan")
        return self._cut(cell, width, is_number=is_number)

    def _bars(self) -> str:
        is_known = self._known(Text(sparklines.BLOCKS)).plain == sparklines.BLOCKS
        return sparklines.BLOCKS if is_known else sparklines.ASCII

    def _cut(self, text: Text, width: int, *, is_number: bool = False) -> Text:
        """Return a text of exactly this width."""
        cut = self._known(text)
        if cut.cell_len > width:
            mark = self._known(Text("…")).plain if self._bars() == sparklines.BLOCKS else "..."
            cut.truncate(max(0, width - len(mark)), overflow="crop")
            cut.append(mark[:width])
        blanks = width - cut.cell_len
        if is_number:
            cut.pad_left(blanks)
        else:
            cut.pad_right(blanks)
        return cut

    def _known(self, text: Text) -> Text:
        """Return a text as it is written: with characters outside the encoding escaped."""
        written = text.plain.encode(self.encoding, "backslashreplace").decode(self.encoding)
        return Text(written, style=text.style)

    def _line(self, cells: Sequence[Text]) -> Text:
        line = Text(" " * _GAP, no_wrap=True, overflow="ignore").join(cells)
        line.rstrip()
        return line
