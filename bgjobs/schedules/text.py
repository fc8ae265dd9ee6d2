"""`from_text`: schedules from the text in which they are stored.

    every 90000ms
    fixed minute=30 hour=2 second=0 zone=Europe/Paris
    elapsed second=0 minute=0,15,30,45 month=6-8 weekday=1-5,5#L | every 1000ms

This is not cron text: all units have to match, weekdays are numbered from Monday, 1, to
Sunday, 7, and the first word says which rule the times follow when clocks are changed.
"""

import re

from bgjobs._core.text import value_text
from bgjobs.errors import ScheduleProblem, ScheduleValidationError
from bgjobs.schedules._compiler import ensure_occurs
from bgjobs.schedules._masks import (
    EVERY_WEEKDAY,
    LAST,
    LAST_DAY,
    LAST_WORKDAY,
    nth_weekday,
    union,
)
from bgjobs.schedules.base import Schedule, any_of
from bgjobs.schedules.calendar import Calendar
from bgjobs.schedules.interval import every
from bgjobs.schedules.units import DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, MONTH, SECOND

LONGEST_TEXT = 100_000
_UNITS = {
    "second": SECOND,
    "minute": MINUTE,
    "hour": HOUR,
    "day": DAY_OF_MONTH,
    "month": MONTH,
    "weekday": DAY_OF_WEEK,
}
_SPECIAL = {
    ("day", "L"): LAST_DAY,
    ("day", "LW"): LAST_WORKDAY,
    **{
        ("weekday", f"{day}#{'L' if nth == LAST else nth}"): nth_weekday(nth, day)
        for day in range(1, 8)
        for nth in range(1, LAST + 1)
    },
}
_EVERY = re.compile(r"every ([0-9]{1,16})ms")
_RANGE = re.compile(r"([0-9]{1,2})(?:-([0-9]{1,2}))?")


def from_text(text: str) -> Schedule:
    """Return the schedule that `Schedule.text` has written.

    Raises:
        ScheduleValidationError: The text, of at most 100,000 characters, cannot be read. Only
            its first problem is listed.
    """
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise _unreadable(text)
    # Stored texts were valid when they were written, so a list of all problems has no reader.
    return any_of(map(_member, text.split(" | ")))


def _member(text: str) -> Schedule:
    interval = _EVERY.fullmatch(text)
    if interval is not None:
        return every(milliseconds=int(interval[1]))
    kind, *words = text.split(" ")
    pairs = [word.partition("=") for word in words]
    given = {name: terms for name, _, terms in pairs}
    zone = given.pop("zone", "UTC")
    if kind not in ("fixed", "elapsed") or not set(given) <= set(_UNITS):
        raise _unreadable(text)
    masks = {name: unit.every for name, unit in _UNITS.items()}
    masks["weekday"] = EVERY_WEEKDAY
    masks.update({name: _mask(name, terms) for name, terms in given.items()})
    return ensure_occurs(
        Calendar(
            seconds=masks["second"],
            minutes=masks["minute"],
            hours=masks["hour"],
            days=masks["day"],
            months=masks["month"],
            weekdays=masks["weekday"],
            zone=zone,
            fixed=kind == "fixed",
        )
    )


def _mask(name: str, terms: str) -> int:
    return union(_term(name, term) for term in terms.split(","))


def _term(name: str, text: str) -> int:
    if (name, text) in _SPECIAL:
        return _SPECIAL[name, text]
    term = _RANGE.fullmatch(text)
    if term is None:
        raise _unreadable(f"{name}={text}")
    unit = _UNITS[name]
    start, end = unit.number(int(term[1])), unit.number(int(term[2] or term[1]))
    if start > end:
        raise _unreadable(f"{name}={text}")
    return (2 << end) - (1 << start)


def _unreadable(text: object) -> ScheduleValidationError:
    message = f"Schedule text cannot be read, found: {value_text(text)}"
    return ScheduleValidationError([ScheduleProblem("text", "syntax", text, message)])
