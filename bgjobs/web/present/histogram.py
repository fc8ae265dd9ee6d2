"""How durations are distributed, and which half, 95 % and 99 % of them do not pass."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

from markupsafe import Markup

from bgjobs import Activity
from bgjobs._core.activity import DURATION_BOUNDS
from bgjobs.web.present import svg
from bgjobs.web.present import text as texts
from bgjobs.web.present.charts import figure, table
from bgjobs.web.present.numbers import duration_text, number, short_text

PERCENTILES = (50, 95, 99)
_EDGES = (0.0, *DURATION_BOUNDS)
_LABELLED = (1, 5, 8, 11, 13, 16)
"""The edges of classes that are named below the axis; more names would overlap."""
_LEFT, _TOP, _PLOT, _BOTTOM = 44, 30, 100, 18
_STEP = (svg.WIDTH - _LEFT - 6) / len(_EDGES)
"""The width of a class; all have the same, though they span different times."""


def histogram(title: str, activity: Activity) -> Markup:
    """Return how many runs took how long, in the classes of `Activity.durations`."""
    counts = [max(0, one) for one in activity.durations]
    marks = [*_percentiles(activity)]
    words = ", ".join(f"p{share} {_words(at)}" for share, at in marks) or "no runs"
    name = texts.label(title, 100)
    parts = [*_bars(counts), *_axes(counts), *_marks(marks)]
    drawn = svg.picture("chart-picture", f"{name}: {words}", _TOP + _PLOT + _BOTTOM, parts)
    return figure(title, drawn, _table(counts, marks))


def _percentiles(activity: Activity) -> Iterator[tuple[int, float]]:
    for share in PERCENTILES:
        seconds = activity.quantile(share / 100)
        if seconds is not None:
            yield share, seconds


def _place(seconds: float) -> float:
    """Return the place of a duration on the axis; above all bounds it is the last one."""
    index = max(1, bisect_left(_EDGES, seconds))
    low, high = _EDGES[index - 1], _EDGES[index]
    return _LEFT + _STEP * (index - 1 + (seconds - low) / (high - low))


def _bars(counts: Sequence[int]) -> Iterator[Markup]:
    top = max(counts)
    for index, count in enumerate(counts):
        if count:
            height = max(1.0, _PLOT * count / top)
            left, base = _LEFT + index * _STEP, _TOP + _PLOT
            yield svg.path("bar bar-count", svg.box(left, base - height, _STEP - 1, height))


def _axes(counts: Sequence[int]) -> Iterator[Markup]:
    bottom, wide = _TOP + _PLOT, _STEP * len(_EDGES)
    yield svg.path("axis", f"M{_LEFT} {_TOP}v{_PLOT}h{svg.units(wide)}")
    yield svg.text(_LEFT - 4, bottom, "0", 20, "end")
    if not any(counts):
        yield svg.text(_LEFT + wide / 2, _TOP + _PLOT / 2, "none", 10, "middle")
        return
    yield svg.text(_LEFT - 4, _TOP + 4, short_text(max(counts)), 20, "end")
    for edge in _LABELLED:
        at = _LEFT + _STEP * edge
        yield svg.text(at, bottom + 13, _words(_EDGES[edge]), 20, "middle")


def _marks(marks: Sequence[tuple[int, float]]) -> Iterator[Markup]:
    """Yield a line for each mark; its words are at another height than those of the next."""
    for index, (share, at) in enumerate(marks):
        x, top = _place(at), 8 + 10 * index
        yield svg.path(
            f"percentile percentile-{share}", f"M{svg.units(x)} {top}V{_TOP + _PLOT}"
        )
        is_right = x > svg.WIDTH / 2
        words = f"p{share} {_words(at)}"
        yield svg.text(
            x - 3 if is_right else x + 3, top, words, 20, "end" if is_right else "start"
        )


def _table(counts: Sequence[int], marks: Sequence[tuple[int, float]]) -> Markup:
    rows: list[tuple[str, Markup | str]] = [(f"p{share}", _words(at)) for share, at in marks]
    classes = [f"{_words(low)} to {_words(high)}" for low, high in pairwise(_EDGES)]
    classes.append(f"more than {_words(_EDGES[-1])}")
    rows += [
        (words, number(count)) for words, count in zip(classes, counts, strict=True) if count
    ]
    return table(["Duration", "Runs"], rows)


def _words(seconds: float) -> str:
    return duration_text(timedelta(seconds=seconds))
