"""The next occurrences of a schedule, for people to read."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import final

from attrs import frozen

from bgjobs._core.text import value_text
from bgjobs.schedules.units import WEEKDAYS

MOST_LINES = 10_000
"""More than anybody reads; a schedule of seconds has no end within a lifetime."""


def check_count(count: object) -> None:
    """Expect a number of lines."""
    if type(count) is not int:
        raise TypeError(f"count: expected a whole number, found {type(count).__name__}")
    if not 0 <= count <= MOST_LINES:
        found = value_text(count)
        raise ValueError(
            f"count: expected a whole number from 0 to {MOST_LINES:,}, found {found}"
        )


@final
@frozen
class PreviewLine:
    """One occurrence: what the wall clock shows, the instant, and a remark."""

    local: datetime
    utc: datetime
    remark: str
    """Empty unless a change of the clocks moved or doubled it."""

    def __str__(self) -> str:
        return str(Preview((self,)))


@final
@frozen
class Preview:
    """What `Schedule.preview` gives; `str` makes a table of it."""

    lines: tuple[PreviewLine, ...]

    def __iter__(self) -> Iterator[PreviewLine]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __str__(self) -> str:
        precision = _precision([line.utc for line in self.lines])
        columns = [
            [_local(line.local, precision) for line in self.lines],
            [_shown(line.utc, precision) for line in self.lines],
            [line.remark for line in self.lines],
        ]
        if all(line.local.tzinfo is UTC for line in self.lines):
            del columns[1]
        rows = zip(*map(_aligned, columns), strict=True)
        return "\n".join("   ".join(row).rstrip() for row in rows)


def _precision(instants: list[datetime]) -> str:
    """Say what has to be shown for the lines to differ."""
    if any(instant.microsecond for instant in instants):
        return "milliseconds"
    return "seconds" if any(instant.second for instant in instants) else "minutes"


def _local(local: datetime, precision: str) -> str:
    # In English whatever the locale, as the remarks are.
    return f"{WEEKDAYS[local.weekday()][:3].title()} {_shown(local, precision)}"


def _shown(moment: datetime, precision: str) -> str:
    return f"{moment.replace(tzinfo=None).isoformat(' ', precision)} {moment.tzname()}"


def _aligned(column: list[str]) -> list[str]:
    width = max(map(len, column), default=0)
    return [cell.ljust(width) for cell in column]
