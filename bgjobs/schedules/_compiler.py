"""From a builder's words to a schedule, or to everything that is wrong with them."""

from collections.abc import Sequence
from functools import partial

from bgjobs.errors import ScheduleFault, ScheduleValidationError
from bgjobs.schedules._zones import zone_of
from bgjobs.schedules.base import Schedule, any_of
from bgjobs.schedules.calendar import Calendar
from bgjobs.schedules.checking import checked
from bgjobs.schedules.entries import At, Entry, Every, Steps, UnitEntry
from bgjobs.schedules.faults import gathered
from bgjobs.schedules.units import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    UNITS,
    Unit,
    UnitName,
    union,
)

_FIELDS: dict[UnitName, str] = {
    "second": "seconds",
    "minute": "minutes",
    "hour": "hours",
    "day_of_month": "days",
    "month": "months",
    "day_of_week": "weekdays",
}
_OF_DAYS = (DAY_OF_MONTH, MONTH, DAY_OF_WEEK)


def compiled(entries: Sequence[Entry], zone: str) -> Schedule:
    """Make the schedule; `ScheduleValidationError` lists every fault of every word."""
    words = [one for one in entries if not isinstance(one, At)]
    times = [one for one in entries if isinstance(one, At)]
    checks = [
        *(partial(_checked_word, word) for word in words),
        *(partial(_checked_time, time) for time in times),
        partial(_checked_zone, zone),
        *(partial(_checked_mixture, unit, words, times) for unit in (HOUR, MINUTE)),
    ]
    gathered(checks)
    masks = {_FIELDS[unit.name]: _mask(unit, words) for unit in UNITS}
    if not times:
        calendar = checked(Calendar(**masks, zone=zone, fixed=_is_fixed(words)))
        _check_time_of_day(words)
        return calendar
    return any_of(
        checked(
            Calendar(**{**masks, "hours": hours, "minutes": minutes}, zone=zone, fixed=True)
        )
        for hours, minutes in _grouped(times)
    )


def _checked_word(word: UnitEntry) -> None:
    word.mask()


def _checked_time(time: At) -> None:
    time.masks()


def _checked_zone(zone: str) -> None:
    zone_of(zone)


def _checked_mixture(unit: Unit, words: Sequence[UnitEntry], times: Sequence[At]) -> None:
    if times and any(word.unit is unit for word in words):
        message = (
            f"{unit.label} cannot be said beside at(): "
            "say every time with at(), or unite two schedules with |"
        )
        fault = ScheduleFault(unit.name, "conflict", unit.name, message)
        raise ScheduleValidationError([fault])


def _check_time_of_day(words: Sequence[UnitEntry]) -> None:
    """Refuse days without a time: every minute of them is hardly what was meant."""
    if words and all(word.unit in _OF_DAYS for word in words):
        message = (
            "No time of day is said, so it would occur every minute of these days: "
            "say a time, such as at(9), or every_minute()"
        )
        fault = ScheduleFault("hour", "no_time", None, message)
        raise ScheduleValidationError([fault])


def _mask(unit: Unit, words: Sequence[UnitEntry]) -> int:
    about = _about(unit, words)
    if not about and unit is SECOND:
        return 1
    return union(word.mask() for word in about) or unit.every


def _about(unit: Unit, words: Sequence[UnitEntry]) -> list[UnitEntry]:
    """Give the words about one unit; any other word replaces "every"."""
    about = [word for word in words if word.unit is unit]
    return [word for word in about if not isinstance(word, Every)] or about


def _is_fixed(words: Sequence[UnitEntry]) -> bool:
    """Say whether both hour and minute are given as numbers, neither as a wildcard or step."""
    return all(
        about and not any(isinstance(word, Every | Steps) for word in about)
        for about in (_about(HOUR, words), _about(MINUTE, words))
    )


def _grouped(times: Sequence[At]) -> list[tuple[int, int]]:
    """Give as few pairs of hours and minutes as say exactly these times."""
    hours_of: dict[int, int] = {}
    for hour, minute in (time.masks() for time in times):
        hours_of[minute] = hours_of.get(minute, 0) | hour
    minutes_of: dict[int, int] = {}
    for minute, hours in hours_of.items():
        minutes_of[hours] = minutes_of.get(hours, 0) | minute
    return list(minutes_of.items())
