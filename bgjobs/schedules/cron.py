"""`from_cron`: cron text as a schedule, with cron's own rules.

Five fields, or six with the seconds first. Within a field ``,`` ``-`` ``/`` and names; ``L`` is
the last day of a month, ``LW`` its last workday, ``5L`` its last Friday, ``5#2`` its second.
If both the day of the month and the day of the week are restricted, and neither field begins
with a star, a day matches when one of the two does: such a text becomes a union.

Source: crontab(5) of Debian, https://manpages.debian.org/stable/cron/crontab.5.en.html; ``L``
and ``#`` as in Quartz,
https://www.quartz-scheduler.org/documentation/quartz-2.3.0/tutorials/crontrigger.html.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import final
from zoneinfo import ZoneInfo

from attrs import frozen

from bgjobs.errors import ScheduleProblem, ScheduleValidationError
from bgjobs.schedules._compiler import collect, days_exist, ensure_occurs
from bgjobs.schedules._masks import (
    EVERY_WEEKDAY,
    LAST,
    LAST_DAY,
    LAST_WORKDAY,
    nth_weekday,
    union,
)
from bgjobs.schedules._zones import load_zone, zone_name
from bgjobs.schedules.base import Schedule, any_of
from bgjobs.schedules.calendar import Calendar
from bgjobs.schedules.units import DAY_OF_MONTH, MONTHS

LONGEST_TEXT = 256
PRESETS = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_TERM = re.compile(
    r"(?:(?P<all>\*)|(?P<start>[A-Z]{3}|[0-9]+)(?:-(?P<end>[A-Z]{3}|[0-9]+))?)"
    r"(?:/(?P<step>[0-9]+))?"
)
_NTH = re.compile(r"(?P<day>[A-Z]{3}|[0-7])#(?P<nth>[1-5])")
_LAST_NAMED = re.compile(r"(?P<day>[0-7])L")


def from_cron(text: str, tz: str | ZoneInfo = "UTC") -> Schedule:
    """Return the schedule of a cron text.

    Differences from crontab(5), https://manpages.debian.org/stable/cron/crontab.5.en.html: an
    optional field of seconds, ``L``, ``LW`` and ``#`` as in Quartz, and no ``@reboot``.

    Args:
        text: Five fields, six with the seconds first, or a name such as ``@daily``; at most
            256 characters.
        tz: An IANA time zone, https://www.iana.org/time-zones, by name or as a `ZoneInfo`,
            whose wall clock the schedule follows.

    Raises:
        ScheduleValidationError: The text or the time zone is invalid, or the schedule would
            never occur. It lists every field that cannot be read.
    """
    fields, zone = _split(text), zone_name(tz)
    faults: list[ScheduleProblem] = []
    readers = zip(_FIELDS, fields, strict=True)
    masks = collect([partial(field.mask, part) for field, part in readers], faults)
    collect([partial(load_zone, zone)], faults)
    if faults:
        raise ScheduleValidationError(faults)
    return _united(masks, fields, zone)


def _split(text: str) -> list[str]:
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise _refused("cron", text, f"Cron text must be a str, found: {type(text).__name__}")
    if len(text) > LONGEST_TEXT:
        message = f"Cron text must be at most {LONGEST_TEXT} characters, found: {len(text)}"
        raise ScheduleValidationError([ScheduleProblem("cron", "too_long", len(text), message)])
    words = text.split()
    fields = PRESETS.get(words[0].upper(), "").split() if len(words) == 1 else words
    if len(fields) not in (5, 6):
        raise _refused(
            "cron",
            text,
            "Cron text must have 5 fields, 6 with the seconds first, or be a name such as "
            f"@daily, found: {text!r}",
        )
    return fields if len(fields) == 6 else ["0", *fields]  # noqa: PLR2004 - see the message


def _united(masks: list[int], fields: list[str], zone: str) -> Schedule:
    seconds, minutes, hours, days, months, weekdays = masks
    fixed = not fields[1].startswith("*") and not fields[2].startswith("*")
    make: Callable[..., Calendar] = partial(
        Calendar,
        seconds=seconds,
        minutes=minutes,
        hours=hours,
        months=months,
        zone=zone,
        fixed=fixed,
    )
    if fields[3].startswith("*") or fields[5].startswith("*"):
        return ensure_occurs(make(days=days, weekdays=weekdays))
    by_weekday = ensure_occurs(make(days=DAY_OF_MONTH.every, weekdays=weekdays))
    if not days_exist(days, EVERY_WEEKDAY, months):
        return by_weekday
    return any_of([ensure_occurs(make(days=days, weekdays=EVERY_WEEKDAY)), by_weekday])


@final
@frozen
class _Field:
    """One field of a cron text."""

    unit: str
    least: int
    most: int
    names: tuple[str, ...] = ()

    def mask(self, text: str) -> int:
        """Return the bits of a field; raise `ScheduleValidationError` if it cannot be read."""
        return union(self._term(term) for term in text.split(","))

    def _term(self, written: str) -> int:
        text = written.upper()
        special = self._special(text, written)
        if special is not None:
            return special
        term = _TERM.fullmatch(text)
        if term is None:
            raise self._unreadable(written)
        step = int(term["step"] or 1)
        start, end = self._ends(term, written)
        if step < 1:
            raise self._unreadable(written)
        if start > end:
            raise self._reversed(term, written, start, end)
        return union(1 << self._bit(n) for n in range(start, end + 1, step))

    def _ends(self, term: re.Match[str], written: str) -> tuple[int, int]:
        if term["all"]:
            return self.least, self.most
        start = self._number(term["start"], written)
        if term["end"]:
            return start, self._number(term["end"], written)
        return start, self.most if term["step"] else start

    def _number(self, text: str, written: str) -> int:
        if text in self.names:
            return self.least + self.names.index(text)
        if not text.isdigit():
            raise self._unreadable(written)
        number = int(text)
        if not self.least <= number <= self.most:
            bounds = (self.least, self.most)
            message = (
                f"Cron {self.label} must be between {self.least} and {self.most}, "
                f"found: {written!r}"
            )
            fault = ScheduleProblem(self.unit, "out_of_bounds", written, message, bounds)
            raise ScheduleValidationError([fault])
        return number

    def _special(self, text: str, written: str) -> int | None:
        if self.unit == "day_of_month":
            return {"L": LAST_DAY, "LW": LAST_WORKDAY}.get(text)
        if self.unit != "day_of_week":
            return None
        if found := _LAST_NAMED.fullmatch(text):
            return nth_weekday(LAST, self._bit(int(found["day"])))
        if found := _NTH.fullmatch(text):
            day = self._number(found["day"], written)
            return nth_weekday(int(found["nth"]), self._bit(day))
        return None

    def _bit(self, number: int) -> int:
        """Return the bit of a number; cron's Sunday is both 0 and 7."""
        return 7 if self.unit == "day_of_week" and number == 0 else number

    @property
    def label(self) -> str:
        """Its name in error messages."""
        return self.unit.replace("_", " ")

    def _reversed(
        self, term: re.Match[str], written: str, start: int, end: int
    ) -> ScheduleValidationError:
        """Return the error of a range such as 22-2, with the way to write it."""
        most = self.most - 1 if self.unit == "day_of_week" else self.most  # Sunday is 0, too
        step = int(term["step"] or 1)
        named = self._shown if term["start"] in self.names else str
        parts = [] if start > most else [_range_text(start, most, step, named)]
        begin = start + (most - start) // step * step + step - (most + 1 - self.least)
        begin = self.least if start > most else begin
        if begin <= end:
            parts.append(_range_text(begin, end, step, named))
        message = (
            f"Cron {self.label} must not be a reversed range, found: {written!r}, "
            f"write {','.join(parts)!r}"
        )
        fault = ScheduleProblem(self.unit, "reversed_range", written, message)
        return ScheduleValidationError([fault])

    def _shown(self, number: int) -> str:
        return self.names[number - self.least]

    def _unreadable(self, text: str) -> ScheduleValidationError:
        return _refused(self.unit, text, f"Cron {self.label} cannot be read, found: {text!r}")


def _range_text(start: int, end: int, step: int, named: Callable[[int], str]) -> str:
    if start == end:
        return named(start)
    return f"{named(start)}-{named(end)}" + (f"/{step}" if step > 1 else "")


def _refused(unit: str, value: object, message: str) -> ScheduleValidationError:
    return ScheduleValidationError([ScheduleProblem(unit, "syntax", value, message)])


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day_of_month", 1, 31),
    _Field("month", 1, 12, tuple(month[:3].upper() for month in MONTHS)),
    _Field("day_of_week", 0, 7, _DAYS),
)
