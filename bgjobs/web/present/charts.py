"""Charts of counts over time, of durations and of last runs.

Each has the same facts in words: in its title, and where it has more than a few values, in a
table. Kinds of values differ by their shape: plain, striped, with a line, or hollow.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, TypeAlias, final

from attrs import frozen
from markupsafe import Markup

from bgjobs.web.present import svg
from bgjobs.web.present import text as texts
from bgjobs.web.present.numbers import absolute, number, short_text, utc_text

MOST_COLUMNS = 100
"""Columns of a chart; more times are added up in pairs, or in larger groups."""
MOST_POINTS = 100
MOST_RUNS = 40

_LEFT, _TOP, _PLOT, _BOTTOM = 44, 12, 110, 18
"""Units left of the plot, above it, of its height, and below it."""
_WIDE = svg.WIDTH - _LEFT
_LONGEST_AXIS_TEXT = 26
_SPARK_WIDTH, _SPARK_HEIGHT = 100, 24
_CELL, _GAP = 12, 2

Outcome: TypeAlias = Literal["succeeded", "failed", "cancelled", "missed"]
OUTCOMES: Final[Sequence[Outcome]] = ("succeeded", "failed", "cancelled", "missed")
KINDS: Final = ("succeeded", "failed", "retried", "cancelled")

_FIGURE = Markup(
    '<figure class="chart"><figcaption>{}</figcaption>{}{}<details class="chart-data">'
    "<summary>As a table</summary>{}</details></figure>"
)
_TABLE = Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>")
_HEAD = Markup('<th scope="col">{}</th>')
_TR = Markup("<tr>{}</tr>")
_TD = Markup("<td>{}</td>")


@final
@frozen
class Bucket:
    """How many jobs ended or were retried in a stretch of time."""

    at: datetime
    """The beginning of the time."""
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    cancelled: int = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """The numbers by their kind; a negative one counts as 0."""
        return {kind: max(0, getattr(self, kind)) for kind in KINDS}

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self.counts.values())


@final
@frozen
class RunMark:
    """One of the last runs of a scheduled job."""

    at: datetime
    outcome: Outcome


def stacked_bars(title: str, buckets: Sequence[Bucket]) -> Markup:
    """Return stacked bars over time, the oldest on the left, with a legend and a table."""
    columns = _combined(buckets)
    top = max((column.total for column in columns), default=0)
    drawn = svg.picture(
        "chart-picture",
        _bars_title(title, columns),
        _TOP + _PLOT + _BOTTOM,
        [*_axes(columns, top), *_bars(columns, top)],
    )
    keys = [(_shape(kind, 1, 1, 10, 10), kind) for kind in KINDS]
    return figure(title, drawn, _bars_table(columns), svg.legend(keys))


def sparkline(title: str, values: Sequence[int]) -> Markup:
    """Return the course of a number as a small line without axes."""
    shown = [max(0, value) for value in values[-MOST_POINTS:]]
    if not shown:
        return svg.picture(
            "sparkline", f"{title}: no values", _SPARK_HEIGHT, (), width=_SPARK_WIDTH
        )
    highest = max(shown)
    words = f"{title}: last {short_text(shown[-1])}, highest {short_text(highest)}"
    points = [*_points(shown, highest)]
    steps = "M" + "L".join(f"{svg.units(x)} {svg.units(y)}" for x, y in points)
    parts = [
        svg.path("spark-line", steps if len(points) > 1 else ""),
        svg.path("spark-dot", svg.dot(*points[-1], 2)),
    ]
    return svg.picture("sparkline", words, _SPARK_HEIGHT, parts, width=_SPARK_WIDTH)


def strip(title: str, runs: Sequence[RunMark]) -> Markup:
    """Return the last runs as a row of marks, the latest on the right."""
    shown = runs[-MOST_RUNS:]
    parts = [_run_shape(run.outcome, index * (_CELL + _GAP)) for index, run in enumerate(shown)]
    width = max(1, len(shown)) * (_CELL + _GAP)
    return svg.picture("strip", _strip_title(title, shown), _CELL, parts, width=width)


def _combined(buckets: Sequence[Bucket]) -> Sequence[Bucket]:
    """Return at most `MOST_COLUMNS` buckets, each of which may be the sum of several."""
    size = -(-len(buckets) // MOST_COLUMNS) or 1
    groups = [buckets[start : start + size] for start in range(0, len(buckets), size)]
    return [
        Bucket(group[0].at, *(sum(one.counts[kind] for one in group) for kind in KINDS))
        for group in groups
    ]


def _bars(columns: Sequence[Bucket], top: int) -> Iterator[Markup]:
    step = _WIDE / max(1, len(columns))
    width = min(24.0, step * 0.8)
    for index, column in enumerate(columns):
        x, base = _LEFT + step * index + (step - width) / 2, float(_TOP + _PLOT)
        for kind, count in column.counts.items():
            if count:
                height = max(0.5, _PLOT * (count / top))
                base -= height
                yield _shape(kind, x, base, width, height)


def _shape(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    """Return a rectangle that can be told apart without its colour."""
    drawn = svg.path(f"bar bar-{kind}", svg.box(x, y, width, height))
    if kind == "failed":
        return drawn + svg.path("bar-pattern", svg.stripes(x, y, width, height))
    if kind == "retried":
        return drawn + svg.path("bar-pattern", svg.middle(x, y, width, height))
    return drawn


def _axes(columns: Sequence[Bucket], top: int) -> Iterator[Markup]:
    bottom = _TOP + _PLOT
    yield svg.path("axis", f"M{_LEFT} {_TOP}v{_PLOT}h{_WIDE}")
    yield svg.text(_LEFT - 4, bottom, "0", _LONGEST_AXIS_TEXT, "end")
    if top:
        yield svg.text(_LEFT - 4, _TOP + 4, short_text(top), _LONGEST_AXIS_TEXT, "end")
    else:
        yield svg.text(_LEFT + _WIDE / 2, _TOP + _PLOT / 2, "none", 10, "middle")
    if columns:
        yield svg.text(_LEFT, bottom + 13, _axis_time(columns[0].at), _LONGEST_AXIS_TEXT)
    if len(columns) > 1:
        last = _axis_time(columns[-1].at)
        yield svg.text(svg.WIDTH, bottom + 13, last, _LONGEST_AXIS_TEXT, "end")


def _axis_time(at: datetime) -> str:
    return utc_text(at, "minutes")


def _bars_title(title: str, columns: Sequence[Bucket]) -> str:
    sums = {kind: sum(one.counts[kind] for one in columns) for kind in KINDS}
    words = ", ".join(f"{short_text(count)} {kind}" for kind, count in sums.items())
    return f"{texts.label(title, 100)}: {words}"


def _bars_table(columns: Sequence[Bucket]) -> Markup:
    rows = [[absolute(column.at), *map(number, column.counts.values())] for column in columns]
    return table(["From", *KINDS], rows)


def figure(title: str, drawn: Markup, facts: Markup, legend: Markup | str = "") -> Markup:
    """Return a picture below its title, with a table of its facts that can be opened."""
    return _FIGURE.format(texts.label(title, svg.LONGEST_TITLE), drawn, legend, facts)


def table(names: Sequence[str], rows: Sequence[Sequence[Markup | str]]) -> Markup:
    """Return a table with the facts of a picture."""
    head = Markup("").join(map(_HEAD.format, names))
    body = (_TR.format(Markup("").join(map(_TD.format, row))) for row in rows)
    return _TABLE.format(head, Markup("").join(body))


def _points(values: Sequence[int], highest: int) -> Iterator[tuple[float, float]]:
    edge = 3
    wide, high = _SPARK_WIDTH - 2 * edge, _SPARK_HEIGHT - 2 * edge
    for index, value in enumerate(values):
        share = index / (len(values) - 1) if len(values) > 1 else 0.5
        yield edge + wide * share, edge + high * (1 - value / (highest or 1))


def _run_shape(outcome: Outcome, x: float) -> Markup:
    square = svg.path(f"run run-{outcome}", svg.box(x, 0, _CELL, _CELL))
    if outcome == "succeeded":
        return square + svg.path("mark", svg.tick(x + 2, 2, _CELL - 4))
    if outcome == "failed":
        return square + svg.path("mark", svg.cross(x + 3, 3, _CELL - 6))
    if outcome == "cancelled":
        return square + svg.path("mark", svg.middle(x, 3, _CELL, _CELL - 6))
    return square


def _strip_title(title: str, runs: Sequence[RunMark]) -> str:
    name = texts.label(title, 100)
    if not runs:
        return f"{name}: no runs"
    outcomes = [run.outcome for run in runs]
    counts = ", ".join(f"{outcomes.count(one)} {one}" for one in OUTCOMES)
    last = runs[-1]
    return f"{name}: {counts}; the last one {last.outcome}, {utc_text(last.at)}"
