"""Gathering faults, so that one error tells them all."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from bgjobs.errors import ScheduleFault, ScheduleValidationError

T = TypeVar("T")


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
