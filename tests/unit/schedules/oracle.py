"""The meaning of a schedule, found by walking through real time: slowly, and without masks.

The walker advances instant by instant in UTC and reads what wall clocks show. An elapsed
schedule occurs whenever clocks show a matching time. A fixed one occurs whenever clocks reach
or pass a matching time for the first time, so a time in a gap is due when the gap ends, and a
time that an overlap repeats is not due again.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import final

from attrs import field, frozen

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@final
@frozen
class Meaning:
    """One calendar, unit by unit."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    day: Callable[[date], bool] = field(eq=False)
    fixed: bool
    zone: tzinfo

    def matches(self, wall: datetime) -> bool:
        """Whether all units match what clocks show."""
        return (
            wall.second in self.seconds
            and wall.minute in self.minutes
            and wall.hour in self.hours
            and self.day(wall.date())
        )


def shown(instant: datetime, zone: tzinfo) -> datetime:
    """Return what clocks show, naive."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def walk(meaning: Meaning, after: datetime, until: datetime) -> datetime | None:
    """Return the first occurrence later than `after`; None if there is none up to `until`."""
    step = MINUTE if meaning.seconds == {0} else SECOND
    now = after.replace(microsecond=0)
    if step is MINUTE:  # exact, as all clocks since 2000 differ by whole minutes
        now = now.replace(second=0)
    reached = _reached(now, meaning.zone, step)
    while now < until:
        now = _quiet(meaning, now, step)
        reached = max(reached, shown(now, meaning.zone))
        now += step
        wall = shown(now, meaning.zone)
        due = _passed(reached, wall, step) if meaning.fixed else [wall]
        if any(map(meaning.matches, due)):
            return now if now <= until else None
        reached = max(reached, wall)
    return None


def walk_any(meanings: Sequence[Meaning], after: datetime, until: datetime) -> datetime | None:
    """Return the first occurrence of any of these."""
    found = [walk(meaning, after, until) for meaning in meanings]
    return min((one for one in found if one is not None), default=None)


def _passed(reached: datetime, wall: datetime, step: timedelta) -> Iterator[datetime]:
    """Yield the times that clocks reach or skip when they begin to show `wall`."""
    while reached < wall:
        reached += step
        yield reached


def _reached(instant: datetime, zone: tzinfo, step: timedelta) -> datetime:
    """Return the latest time that clocks have shown up to an instant.

    The end of each minute is enough, because clocks are changed between minutes.
    """
    ends = instant.replace(second=0) - (SECOND if step is SECOND else MINUTE)
    before = (ends - minutes * MINUTE for minutes in range(5 * 60))
    return max(shown(instant, zone), *(shown(one, zone) for one in before))


def _quiet(meaning: Meaning, now: datetime, step: timedelta) -> datetime:
    """Return the end of this day, hour or minute if it has no match and no change.

    This only saves time. No zone changes its clocks twice a day.
    """
    wall = shown(now, meaning.zone)
    hour, minute = timedelta(minutes=wall.minute), timedelta(seconds=wall.second)
    for matches, length, over in (
        (meaning.day(wall.date()), DAY, timedelta(hours=wall.hour) + hour + minute),
        (wall.hour in meaning.hours, HOUR, hour + minute),
        (wall.minute in meaning.minutes, MINUTE, minute),
    ):
        end = now + length - over - step
        if not matches and end > now and shown(end, meaning.zone) - wall == end - now:
            return end
    return now
