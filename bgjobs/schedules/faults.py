"""Gathering faults, so that one error tells them all, and showing what was found."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from bgjobs.errors import ScheduleFault, ScheduleValidationError

T = TypeVar("T")

LONGEST_SHOWN = 100


def gathered(checks: Iterable[Callable[[], T]]) -> list[T]:
    """Give what all these checks give; `ScheduleValidationError` with the faults of all."""
    passed: list[T] = []
    faults: list[ScheduleFault] = []
    for check in checks:
        try:
            passed.append(check())
        except ScheduleValidationError as error:
            faults += error.faults
    if faults:
        raise ScheduleValidationError(faults)
    return passed


def shown(value: object) -> str:
    """Give what was found as text for people, cut to a line."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of several thousand digits
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
