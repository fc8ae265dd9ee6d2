"""The life of a job as a picture, and as a table with the same facts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import accumulate
from math import log1p
from typing import final

from attrs import frozen
from markupsafe import Markup

from bgjobs.web.present import svg
from bgjobs.web.present import text as texts
from bgjobs.web.present.errors_view import headline
from bgjobs.web.present.life import Life, Span
from bgjobs.web.present.numbers import absolute, duration, duration_text, utc_text

FIRST_ROWS, LAST_ROWS = 5, 15
"""Attempts that are drawn, if there are more than both together."""
MOST_TABLE_ROWS = 500
LONGEST_ERROR = 200
_LONGEST_LABEL = 54
_ROW, _BAR, _BASE = 30, 10, 14
"""Height of a row, height of a bar, and how far below the row's top it begins."""
_MARK = 8
_ROOM = svg.WIDTH - _MARK - 6
"""The width for the spans; the mark of an end has the rest."""
_NARROWEST = 2
"""Units of the narrowest attempt that is drawn to scale."""
_SHAPES = {
    "succeeded": svg.tick,
    "failed": svg.cross,
    "failed for good": svg.cross,
    "crashed": svg.cross,
}
_LOOKS: Mapping[str, str] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "failed for good": "failed",
    "crashed": "failed",
    "discarded": "failed",
    "cancelled": "cancelled",
    "running": "running",
}
_SECOND = timedelta(seconds=1)

_FIGURE = Markup('<figure class="life">{}{}{}</figure>')
_NOTE = Markup('<p class="note">{}</p>')
_TABLE = Markup(
    '<table class="life-table"><thead><tr><th scope="col">What</th><th scope="col">From</th>'
    '<th scope="col">Duration</th><th scope="col">Where</th><th scope="col">Details</th></tr>'
    "</thead><tbody>{}</tbody></table>{}"
)
_TABLE_ROW = Markup("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>")


def life_figure(found: Life) -> Markup:
    """Return the picture and the table of the life of a job."""
    return _FIGURE.format(life_picture(found), _notes(found), life_table(found))


def life_picture(found: Life) -> Markup:
    """Return one row for each attempt, with the time before it; the last row has the end."""
    rows, skipped = _shortened(_rows(found.spans))
    places = _places([span for row in rows for span in row])
    drawn = [part for index, row in enumerate(rows) for part in _drawn(row, places, index)]
    words = [_end_text(found)]
    if skipped:
        words.append(f"Not drawn: {texts.plural(skipped, 'attempt')} in the middle")
    top, height = _ROW * len(rows), _ROW * len(rows) + _BASE * len(words)
    drawn += [
        svg.text(0, top + _BASE * index - 3, one, _LONGEST_LABEL)
        for index, one in enumerate(words, 1)
    ]
    return svg.picture("life-picture", _title(found), height, drawn)


def life_table(found: Life) -> Markup:
    """Return all spans as a table."""
    shown = found.spans[:MOST_TABLE_ROWS]
    rows = [*map(_table_row, shown)]
    if found.end is not None:
        details = _details(found.end.error, found.end.by)
        rows.append(_TABLE_ROW.format(found.end.what, absolute(found.end.at), "", "", details))
    if found.due is not None:
        rows.append(_TABLE_ROW.format("due", absolute(found.due), "", "", ""))
    more = texts.left_out(len(found.spans) - len(shown), "row")
    return _TABLE.format(Markup("").join(rows), more)


def _rows(spans: Sequence[Span]) -> Sequence[Sequence[Span]]:
    """Return the spans in rows, each of which ends with an attempt."""
    rows: list[list[Span]] = [[]]
    for span in spans:
        rows[-1].append(span)
        if span.kind == "attempt":
            rows.append([])
    return rows if rows[-1] else rows[:-1]


def _shortened(rows: Sequence[Sequence[Span]]) -> tuple[Sequence[Sequence[Span]], int]:
    """Return the rows that are drawn, and how many in the middle are not."""
    skipped = len(rows) - FIRST_ROWS - LAST_ROWS
    if skipped <= 1:
        return rows, 0
    return [*rows[:FIRST_ROWS], *rows[-LAST_ROWS:]], skipped


def _is_to_scale(spans: Sequence[Span]) -> bool:
    """Whether each attempt can be seen if the widths follow the durations."""
    total = sum((span.length for span in spans), timedelta())
    least = total * (_NARROWEST / _ROOM)
    return all(span.length >= least for span in spans if span.kind == "attempt")


@final
@frozen
class _Places:
    """Where the spans begin and end, by their identity."""

    edges: Mapping[int, tuple[float, float]]

    def of(self, span: Span) -> tuple[float, float]:
        return self.edges[id(span)]


def _places(spans: Sequence[Span]) -> _Places:
    """Return the places of spans that follow each other from left to right.

    Beside a pause of days no attempt of a second could be seen, so widths then follow the
    logarithm of the durations.
    """
    weights = [span.length / _SECOND for span in spans]
    if not _is_to_scale(spans):
        weights = [log1p(1_000 * weight) for weight in weights]
    total = sum(weights) or 1.0
    ends = [_ROOM * end / total for end in accumulate(weights)]
    pairs = zip(spans, [0.0, *ends], ends, strict=False)
    return _Places({id(span): (start, end) for span, start, end in pairs})


def _drawn(row: Sequence[Span], places: _Places, index: int) -> Iterator[Markup]:
    top = index * _ROW
    yield svg.text(0, top + 10, _row_text(row), _LONGEST_LABEL)
    for span in row:
        start, end = places.of(span)
        if span.kind != "attempt":
            line = svg.box(start, top + _BASE + _BAR / 2 - 1, end - start, 2)
            yield svg.path(f"life-{span.kind}", line)
            continue
        look = _LOOKS.get(span.outcome, "other")
        width = max(end - start, _NARROWEST)
        yield svg.path(f"bar bar-{look}", svg.box(start, top + _BASE, width, _BAR))
        if shape := _SHAPES.get(span.outcome):
            steps = shape(start + width + 2, top + _BASE + 1, _MARK)
            yield svg.path("mark", steps)


def _row_text(row: Sequence[Span]) -> str:
    words = " · ".join(map(_span_text, row))
    last = row[-1]
    where = " · ".join(filter(None, (last.queue, last.node)))
    return f"{words} · {where}" if where else words


def _span_text(span: Span) -> str:
    return f"{span.label} {span.outcome} {duration_text(span.length)}".replace("  ", " ")


def _end_text(found: Life) -> str:
    if found.end is not None:
        return f"{found.end.what} {utc_text(found.end.at)}"
    if found.due is not None:
        return f"due {utc_text(found.due)}"
    return "now"


def _title(found: Life) -> str:
    attempts = texts.plural(len(found.attempts), "attempt")
    spans = found.spans
    total = spans[-1].end - spans[0].start if spans else timedelta()
    return f"Life of the job: {attempts} in {duration_text(total)}, then {_end_text(found)}"


def _notes(found: Life) -> Markup:
    rows, _ = _shortened(_rows(found.spans))
    notes: list[str] = []
    if not _is_to_scale([span for row in rows for span in row]):
        notes.append("Widths are not to scale: they follow the logarithm of the durations.")
    if found.runs_backwards:
        notes.append(
            "The clocks of several machines differ: a time before that of an earlier event "
            "is shown as the latter."
        )
    return Markup("").join(map(_NOTE.format, notes))


def _table_row(span: Span) -> Markup:
    what = f"{span.label} {span.outcome}".rstrip()
    length = duration(span.length) + (" so far" if span.is_open else "")
    where = Markup(" ").join(texts.name(one) for one in (span.queue, span.node) if one)
    details = _details(span.error, span.by)
    return _TABLE_ROW.format(what, absolute(span.start), length, where, details)


def _details(error: str | None, by: str | None) -> Markup:
    parts = [texts.name(headline(error), LONGEST_ERROR)] if error else []
    if by is not None:
        parts.append(Markup("by {}").format(texts.name(by)))
    return Markup(" ").join(parts)
