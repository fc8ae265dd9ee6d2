"""Draws the picture of docs/guide/schedules.md: a year of one schedule, as the library says."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from html import escape
from pathlib import Path

from bgjobs import schedule
from bgjobs.schedules import PreviewLine

PICTURE = Path(__file__).parent / "guide" / "schedules-year.svg"

YEAR = 2026
NIGHTLY = schedule().at(2, 30).in_timezone("Europe/Paris").build()

LEFT, RIGHT, DAY, HOUR = 70, 800, 2, 60
WALL, WORLD = 165, 345
"""Where the two panels have their lower ends."""
WIDTH, HEIGHT = 820, 380

STYLE = """
.back { fill: #fff } .grid { stroke: #d0d7de }
.change { stroke: #8c959f; stroke-dasharray: 4 4 }
text { fill: #24292f; font: 12px sans-serif } .head { font-size: 15px }
.often { stroke: #0969da; shape-rendering: crispEdges }
.moved { fill: #bc4c00 } text.moved { fill: #953800 }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117 } .grid { stroke: #30363d } .change { stroke: #6e7681 }
text { fill: #e6edf3 } .often { stroke: #58a6ff } .moved, text.moved { fill: #f0883e }
}"""

DESCRIPTION = (
    "Two panels over the days of the year. On the wall clock every run is at 02:30, but for "
    "the one of 29 March at 03:00. In UTC the runs are at 01:30 in winter and at 00:30 in "
    "summer, with the one of 29 March between them, at 01:00. On 25 October, when 02:30 comes "
    "twice, there is one run."
)

Clock = Callable[[PreviewLine], datetime]


def year_picture() -> str:
    """Draw the year as SVG."""
    start = datetime(YEAR, 1, 1, tzinfo=UTC)
    lines = [*NIGHTLY.preview(365, after=start)]
    title = f"{NIGHTLY.describe()}, in {YEAR}"
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {size}',
        'role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(DESCRIPTION)}</desc>',
        f"<style>{STYLE}\n</style>",
        f'<rect class="back" {size} rx="6"/>',
        _text(LEFT, 28, title, style="head"),
        *_months(),
        *_panel("on the wall clock", WALL, 2, 1.5),
        *_panel("in UTC", WORLD, 0, 2),
        *_changes(lines),
        *_dots(lines, _local, WALL, 2),
        *_dots(lines, _utc, WORLD, 0),
        *_labels(lines),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _local(line: PreviewLine) -> datetime:
    return line.local


def _utc(line: PreviewLine) -> datetime:
    return line.utc


def _months() -> Iterator[str]:
    for month in range(1, 13):
        first = date(YEAR, month, 1)
        yield _text(_x(first) + 30, HEIGHT - 14, f"{first:%b}", anchor="middle")


def _panel(name: str, bottom: int, least: int, hours: float) -> Iterator[str]:
    yield _text(LEFT, bottom - round(hours * HOUR) - 10, name)
    for half in range(int(hours * 2) + 1):
        y = bottom - half * HOUR // 2
        yield f'<path class="grid" d="M{LEFT} {y}H{RIGHT}"/>'
        yield _text(LEFT - 8, y + 4, f"{least + half // 2:02}:{half % 2 * 30:02}", anchor="end")


def _changes(lines: list[PreviewLine]) -> Iterator[str]:
    """Mark the days on which the clocks are changed, which are those with a remark."""
    for line in _remarked(lines):
        x = _x(line.local.date())
        yield f'<path class="change" d="M{x} {WALL - 90}V{WALL}M{x} {WORLD - 120}V{WORLD}"/>'


def _dots(lines: list[PreviewLine], clock: Clock, bottom: int, least: int) -> Iterator[str]:
    places = [(line, _x(line.local.date()), _y(clock(line), bottom, least)) for line in lines]
    path = "".join(f"M{x} {y - 3}v6" for line, x, y in places if not line.remark)
    yield f'<path class="often" d="{path}"/>'
    for line, x, y in places:
        if line.remark:
            yield f'<circle class="moved" cx="{x}" cy="{y}" r="4"/>'


def _labels(lines: list[PreviewLine]) -> Iterator[str]:
    spring, autumn = _remarked(lines)
    x = _x(spring.local.date()) + 10
    yield _text(x, WALL - 66, f"on {_day(spring)}, {spring.remark}", style="moved")
    yield _text(x, WORLD - 66, f"{spring.local:%H:%M %Z}", style="moved")
    yield _text(LEFT + 4, WORLD - 98, f"{lines[0].local:%H:%M %Z}")
    yield _text(x, WORLD - 38, f"{autumn.local:%H:%M %Z}")
    x = _x(autumn.local.date()) - 10
    remark = f"on {_day(autumn)}, {autumn.remark}"
    yield _text(x, WALL - 11, remark, anchor="end", style="moved")
    yield _text(x + 18, WORLD - 98, f"{lines[-1].local:%H:%M %Z}")


def _remarked(lines: list[PreviewLine]) -> list[PreviewLine]:
    return [line for line in lines if line.remark]


def _day(line: PreviewLine) -> str:
    return f"{line.local.day} {line.local:%B}"


def _text(x: int, y: int, text: str, *, anchor: str = "start", style: str = "") -> str:
    styled = f' class="{style}"' if style else ""
    anchored = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x}" y="{y}"{anchored}{styled}>{escape(text)}</text>'


def _x(day: date) -> int:
    return LEFT + (day - date(YEAR, 1, 1)).days * DAY


def _y(moment: datetime, bottom: int, least: int) -> int:
    midnight = moment.replace(hour=least, minute=0)
    return bottom - (moment - midnight) // timedelta(minutes=60 // HOUR)


if __name__ == "__main__":
    PICTURE.write_text(year_picture(), "utf-8")
