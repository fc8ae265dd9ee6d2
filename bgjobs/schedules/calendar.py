"""`Calendar`: the seconds, minutes, hours, days and months at which a wall clock matches."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import final

from attrs import field, frozen

from bgjobs._core.timestamps import FIRST_INSTANT, as_instant
from bgjobs.errors import NoOccurrenceError
from bgjobs.schedules._masks import CYCLE, calendar_text, next_wall_time
from bgjobs.schedules._zones import (
    DAY,
    SECOND,
    WallTime,
    is_unambiguous,
    load_zone,
    remark_on,
    wall_clock,
    wall_time,
)
from bgjobs.schedules.base import Schedule
from bgjobs.schedules.description import describe_calendar

_SECOND_DAY = FIRST_INSTANT + timedelta(days=1)


@final
@frozen(str=False, kw_only=True)
class Calendar(Schedule):
    """Occurs when all units match at once; created by `schedule()` and `from_cron`.

    The rule for changes of the clocks is that of Debian's cron, see cron(8),
    https://manpages.debian.org/stable/cron/cron.8.en.html. It has no limit of three hours.
    """

    seconds: int
    """A mask, as are the next ones: bit n is number n, here 0 to 59."""
    minutes: int
    """Bits 0 to 59."""
    hours: int
    """Bits 0 to 23."""
    days: int
    """Bits 1 to 31; bit 32 is the last day of the month and bit 33 its last workday."""
    months: int
    """Bits 1 to 12."""
    weekdays: int
    """Bits 1, Monday, to 7. Bit 8n + d is the nth weekday d of the month, with n = 6 for the
    last one."""
    zone: str = "UTC"
    """An IANA name, see https://www.iana.org/time-zones."""
    fixed: bool
    """Whether it occurs exactly once at each of its local times.

    A time that clocks skip occurs at the first instant after the gap, and a time that they
    show twice occurs the first time. Otherwise it follows elapsed time: skipped times are left
    out, and repeated times occur twice.
    """
    _clock: tzinfo = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_clock", load_zone(self.zone))

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
        instant = self._start_of_search(instant)
        try:
            return self._next_after(instant)
        except OverflowError:
            if instant < _SECOND_DAY:  # local time may be before the year 1
                return self._next_after(_SECOND_DAY)
            raise NoOccurrenceError(self.text, instant) from None

    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """See `Schedule.slots`; they are all its occurrences."""
        return self._follow(as_instant("after", after), as_instant("until", until))

    def describe(self) -> str:
        """See `Schedule.describe`."""
        return describe_calendar(self, self.zone)

    def remark(self, occurrence: datetime) -> str:
        """See `Schedule.remark`."""
        occurrence = as_instant("occurrence", occurrence)
        try:
            return remark_on(self, occurrence)
        except OverflowError:  # no clock is changed at the ends of the calendar
            return ""

    def _next_after(self, instant: datetime) -> datetime:
        # Python adds and subtracts datetimes of one zone by their wall clock. The short way is
        # right unless a change is near: if `now` is in the first pass of an overlap, an elapsed
        # schedule may be due in the second pass, before `wall`. No zone sets its clocks back
        # and forward within a day.
        now = instant.astimezone(self._clock)
        wall = self._wall_time_from(now + SECOND, instant)
        if self._clock is UTC:
            return wall
        found = wall.astimezone(UTC)
        if (
            found > instant
            and found.astimezone(self._clock) == wall  # otherwise it is in a gap
            and (self.fixed or wall - now == found - instant < DAY or is_unambiguous(now))
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
            # This is the second pass of an overlap, so all of its times have occurred.
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
        """Return the first matching time that clocks are about to show again, else `time`.

        It has the offset of the second pass only.
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
    """Return the wall time at which clocks are set back."""
    return (time.change() + time.before).replace(tzinfo=None)
