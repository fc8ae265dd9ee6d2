"""A schedule on a wall clock: which seconds, minutes, hours, days and months match."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import final

from attrs import field, frozen

from bgjobs.errors import NoOccurrenceError
from bgjobs.instants import as_instant
from bgjobs.schedules._masks import CYCLE, next_wall_time
from bgjobs.schedules._zones import (
    DAY,
    SECOND,
    WallTime,
    comes_once,
    wall_clock,
    wall_time,
    zone_of,
)
from bgjobs.schedules.base import Schedule, start_of_search
from bgjobs.schedules.description import describe_calendar
from bgjobs.schedules.remarks import remark_on
from bgjobs.schedules.texts import calendar_text

_SECOND_DAY = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)


@final
@frozen(str=False, kw_only=True)
class Calendar(Schedule):
    """Occurs when all units match at once; made by `schedule()` and `from_cron`.

    Units are masks in which bit n stands for number n; see `bgjobs.schedules.calendar_days`
    for the special days. A `fixed` calendar occurs once at each of its local times, whatever
    the clocks do: a time that is missing at the first instant after the gap, a repeated one
    the first time. Any other follows elapsed time: what is missing is left out and what is
    repeated occurs twice. The rule is that of Debian's cron.
    """

    seconds: int
    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    zone: str = "UTC"
    fixed: bool
    _clock: tzinfo = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_clock", zone_of(self.zone))

    @property
    def text(self) -> str:
        """See `Schedule.text`."""
        return calendar_text(self, self.zone, fixed=self.fixed)

    @property
    def timezone(self) -> tzinfo:
        """See `Schedule.timezone`."""
        return self._clock

    def next_after(self, instant: datetime) -> datetime:
        """See `Schedule.next_after`."""
        instant = start_of_search(self.text, instant)
        try:
            return self._next_after(instant)
        except OverflowError:
            if instant < _SECOND_DAY:  # the zone's clock shows no date yet
                return self._next_after(_SECOND_DAY)
            raise NoOccurrenceError(self.text, instant) from None

    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """See `Schedule.slots`; all occurrences stand fixed."""
        return self._follow(as_instant("after", after), as_instant("until", until))

    def describe(self) -> str:
        """See `Schedule.describe`."""
        return describe_calendar(self, self.zone)

    def remark(self, occurrence: datetime) -> str:
        """See `Schedule.remark`."""
        occurrence = as_instant("occurrence", occurrence)
        try:
            return remark_on(self, occurrence)
        except OverflowError:  # at the end of the calendar no clock is changed
            return ""

    def _next_after(self, instant: datetime) -> datetime:
        # Sums and differences of datetimes in a zone are those of what its clock shows. What
        # follows is quick, and right unless a change is near: an elapsed schedule may be due
        # in a second pass before `wall`, if `now` is in the first one. No clock is set back
        # and forward again within a day.
        now = instant.astimezone(self._clock)
        wall = self._wall_time_from(now + SECOND, instant)
        if self._clock is UTC:
            return wall
        found = wall.astimezone(UTC)
        if (
            found > instant
            and found.astimezone(self._clock) == wall  # or else it is missing
            and (self.fixed or wall - now == found - instant < DAY or comes_once(now))
        ):
            return found
        return self._next_fixed(instant) if self.fixed else self._next_elapsed(instant)

    def _wall_time_from(self, start: datetime, instant: datetime) -> datetime:
        wall = next_wall_time(self, start)
        if wall is None or wall.year > instant.year + CYCLE:
            raise NoOccurrenceError(self.text, instant)
        return wall

    def _next_fixed(self, instant: datetime) -> datetime:
        start = wall_clock(instant, self._clock) + SECOND
        while True:
            time = wall_time(self._wall_time_from(start, instant), self._clock)
            if time.missing:
                return time.change()
            if time.first > instant:
                return time.first
            # The clock shows these times for the second time, so all of them are over.
            start = _end_of_first_pass(time)

    def _next_elapsed(self, instant: datetime) -> datetime:
        now = wall_time(wall_clock(instant, self._clock), self._clock)
        time = wall_time(self._wall_time_from(now.wall + SECOND, instant), self._clock)
        if now.repeated and instant < now.change():
            time = self._in_second_pass(now, time)
        while time.missing:
            end_of_gap = time.change() + time.after
            wall = self._wall_time_from(end_of_gap.replace(tzinfo=None), instant)
            time = wall_time(wall, self._clock)
        return time.first if time.first > instant else time.second

    def _in_second_pass(self, now: WallTime, time: WallTime) -> WallTime:
        """Look among the times that the clock is about to show again.

        If one of them comes before `time`, it is given without its first occurrence.
        """
        end = _end_of_first_pass(now)
        if time.wall < end:
            return time
        begin = end - (now.before - now.after)
        again = next_wall_time(self, begin)
        if again is None or again >= end:
            return time
        return WallTime(again, now.after, now.after, self._clock)


def _end_of_first_pass(time: WallTime) -> datetime:
    """Give the wall time at which the clock is set back."""
    return (time.change() + time.before).replace(tzinfo=None)
