"""A comparison as a bar chart: plain SVG, with colours for light and dark pages."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, final

from attrs import frozen

from benchmarks.processes import parameters as names
from benchmarks.report.figures import Figure
from benchmarks.systems.registry import SYSTEMS, TITLES, SystemSpec

MORE, LESS = "jobs/s, more is better", "ms, less is better"
PANELS: Mapping[str, tuple[str, str]] = {
    names.DRAIN: ("Drain by one worker process", MORE),
    names.ENQUEUE_ONE: ("Enqueue, one by one", MORE),
    names.ENQUEUE_MANY: ("Enqueue, 1000 a call", MORE),
    names.PICKUP_P50: ("Pickup by an idle worker, median", LESS),
    names.ENQUEUE_TASKS: ("Enqueue, by 100 tasks (bgjobs alone)", MORE),
    names.PICKUP_P99: ("Pickup by an idle worker, 99th percentile", LESS),
}
LEGEND = (
    "Green: bgjobs. Grey: others. Hollow: only the necessary SQL, in one process. "
    "Each panel has its own scale."
)
WIDTH, MARGIN, GAP = 980, 20, 40
PANEL = (WIDTH - 2 * MARGIN - GAP) / 2
NAMES, NUMBERS = 125, 60
"""The width of the names left of the bars, and of the figures right of them."""
BAR, STEP, HEAD, LINE = 14, 20, 34, 15
WRAP = 145
"""Characters in a line of the caption."""
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.page { fill: #ffffff }
.title { font-weight: 600; font-size: 13px }
.database { font-weight: 700; font-size: 16px }
.own { font-weight: 700 }
.caption, .unit { font-size: 11px; font-weight: 400; fill: #57606a }
.ours { fill: #1a7f5a }
.peer { fill: #9aa4ae }
.limit { fill: none; stroke: #57606a; stroke-width: 1.2; stroke-dasharray: 4 2 }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 }
text { fill: #e6edf3 } .caption, .unit { fill: #9da7b1 }
.ours { fill: #3fb98a } .peer { fill: #6e7681 } .limit { stroke: #9da7b1 }
}
"""


@final
@frozen
class Bar:
    """One system in one panel."""

    system: SystemSpec
    value: float


@final
@frozen
class Panel:
    """One metric on one database."""

    title: str
    unit: str
    bars: Sequence[Bar]

    @property
    def height(self) -> float:
        """The height in pixels."""
        return HEAD + STEP * len(self.bars)

    def draw(self, left: float, top: float) -> Iterator[str]:
        """Return the SVG elements of the title and the bars."""
        yield _text(left, top + 14, self.title, "title", unit=self.unit)
        longest = max(bar.value for bar in self.bars)
        for number, bar in enumerate(self.bars):
            y = top + HEAD - 8 + number * STEP
            width = max(1.0, (PANEL - NAMES - NUMBERS) * bar.value / longest)
            x = left + NAMES
            kind = "own" if bar.system.kind == "ours" else ""
            yield _text(x - 6, y + 11, label(bar.system), kind, anchor="end")
            yield (
                f'<rect class="{bar.system.kind}" x="{x:.1f}" y="{y:.1f}" '
                f'width="{width:.1f}" height="{BAR}" rx="2"/>'
            )
            yield _text(x + width + 5, y + 11, _number(bar.value))


def draw(found: Mapping[str, Any], figures: Sequence[Figure]) -> str:
    """Return the SVG: a panel for each metric, then what was run and on which machine."""
    parts: list[str] = []
    top: float = MARGIN
    for store, title in TITLES.items():
        panels = list(_panels(figures, store))
        if panels:
            parts.append(_text(MARGIN, top + 14, title, "database"))
            top += 28
        for row in (panels[first : first + 2] for first in range(0, len(panels), 2)):
            for column, panel in enumerate(row):
                parts += panel.draw(MARGIN + column * (PANEL + GAP), top)
            top += max(panel.height for panel in row) + 14
    for line in _caption(found):
        parts.append(_text(MARGIN, top + 12, line, "caption"))
        top += LINE
    size = (
        f'viewBox="0 0 {WIDTH} {top + MARGIN:.0f}" width="{WIDTH}" height="{top + MARGIN:.0f}"'
    )
    role = 'role="img" aria-label="bgjobs beside other job libraries"'
    page = '<rect class="page" width="100%" height="100%"/>'
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {role}>\n'
        f"<style>{STYLE}</style>\n{page}\n{body}\n</svg>\n"
    )


def _panels(figures: Sequence[Figure], store: str) -> Iterator[Panel]:
    medians = {(one.system, one.measure): one.median for one in figures}
    for measure, (title, unit) in PANELS.items():
        bars = [
            Bar(one, medians[one.name, measure])
            for one in SYSTEMS
            if one.store == store and (one.name, measure) in medians
        ]
        if bars:
            yield Panel(title, unit, bars)


def _caption(found: Mapping[str, Any]) -> Iterator[str]:
    environment = found["environment"]
    versions = {
        name.partition("-")[0]: system["version"]
        for name, system in found["systems"].items()
        if not name.startswith("limit")
    }
    rounds = f"rounds: {found['rounds']}"
    texts = [
        LEGEND,
        f"$ {environment['command']} (medians; {rounds}, scale: {found['scale']:g})",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"{environment['machine']}; {environment['Python']}, {environment['packages']}",
        *(f"{name} {environment[name]}" for name in TITLES.values() if name in environment),
        *(f"{name}: {why}" for name, why in found["missing"].items()),
    ]
    for text in texts:
        yield from _wrapped(text)


def _wrapped(text: str) -> Iterator[str]:
    line = ""
    for word in text.split():
        if len(line) + len(word) > WRAP:
            yield line
            line = ""
        line = f"{line} {word}".strip()
    if line:
        yield line


def label(system: SystemSpec) -> str:
    """Return the name of a system without its database."""
    name = system.name.replace(f"-{system.store}", "").replace("-", ", ")
    return f"{name}, bare SQL" if system.kind == "limit" else name


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _text(
    x: float, y: float, text: str, kind: str = "", anchor: str = "start", unit: str = ""
) -> str:
    extra = f' class="{kind}"' if kind else ""
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    beside = f' <tspan class="unit" dx="4">{escape(unit)}</tspan>' if unit else ""
    return f"<text{extra} {where}>{escape(text)}{beside}</text>"
