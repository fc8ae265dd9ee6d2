"""Figures as a table, and as JSON for machines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, final

from attrs import asdict, field, frozen

PRECISE = 20.0
"""Below this, figures are given with decimals."""


@final
@frozen(kw_only=True)
class Figure:
    """One measure, once for each round."""

    system: str
    """Store and event loop."""
    measure: str
    unit: str
    values: list[float] = field(factory=list)

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def text(self) -> str:
        """The median, and between which bounds the rounds lay."""
        numbers = (self.median, min(self.values), max(self.values))
        digits = 0 if self.median >= PRECISE else 2
        middle, low, high = (f"{number:,.{digits}f}" for number in numbers)
        return f"{middle} ({low}-{high})"


def quantile(values: Iterable[float], part: float) -> float:
    """Give the value below which so much of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a Markdown table; the first column to the left, the others to the right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        "| " + " | ".join(_padded(line, widths)) + " |" for line in [lines[0], rule, *lines[1:]]
    )


def _padded(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]


def as_rows(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    """Give figures as JSON objects."""
    return [
        {
            **asdict(figure),
            "median": figure.median,
            "min": min(figure.values),
            "max": max(figure.values),
        }
        for figure in figures
    ]


def write_json(
    file: Path | None,
    facts: Mapping[str, str],
    rows: list[dict[str, Any]],
    **more: Any,
) -> None:
    """Write what was measured, if that is wanted."""
    if file is not None:
        found = {"facts": facts, **more, "rows": rows}
        file.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def read_json(file: Path) -> tuple[dict[str, Any], list[Figure]]:
    """Read what `write_json` wrote: everything, and the figures."""
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    names = ("system", "measure", "unit", "values")
    return found, [Figure(**{name: row[name] for name in names}) for row in found["rows"]]
