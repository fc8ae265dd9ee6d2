"""Progress of jobs as text: a bar for the live view, a part for lists, and the amounts."""

from datetime import datetime

import bgjobs
from bgjobs.cli.output.formats import relative_time

_CELLS = 10
"""The width of a bar without its frame."""
WIDTH = _CELLS + len("[] 100 %")
"""The width of a bar with its part."""
_HUNDRED = 100
_LARGE = 10**12
"""Amounts from here on are written with an exponent."""


def bar(progress: bgjobs.Progress | None) -> str:
    """Return a bar with the part that is done; without a total, the amount that is done.

    All bars have the same width, so that the columns of a live view stay where they are.
    """
    if progress is None:
        return ""
    if progress.fraction is None:
        return amount(progress.done)
    full = int(progress.fraction * _CELLS)
    return f"[{'#' * full}{'.' * (_CELLS - full)}] {_percent(progress.fraction):>5}"


def part(progress: bgjobs.Progress | None) -> str:
    """Return the part that is done; without a total, the amount."""
    if progress is None:
        return ""
    return amount(progress.done) if progress.fraction is None else _percent(progress.fraction)


def amounts(progress: bgjobs.Progress, now: datetime) -> str:
    """Return how much of how much is done, and since when."""
    done, age = amount(progress.done), relative_time(progress.reported_at, now)
    if progress.total is None or progress.fraction is None:
        return f"{done} ({age})"
    percent = _percent(progress.fraction)
    return f"{done} of {amount(progress.total)}, {percent} ({age})"


def amount(number: float) -> str:
    """Return a number with at most two decimals; a very large one with an exponent."""
    if number >= _LARGE:
        return f"{number:.3e}"
    return f"{number:,.0f}" if number == int(number) else f"{number:,.2f}"


def _percent(fraction: float) -> str:
    # Rounded down: only what is done has 100 %.
    return f"{int(fraction * _HUNDRED)} %"
