"""Schedules of many forms, and an oracle that finds their occurrences without the library.

A form states the meaning of a schedule as a list of times of the day. The oracle goes through
all of them, day by day, and asks the zone about each.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from heapq import merge
from itertools import groupby
from typing import Protocol, final

from attrs import frozen

from bgjobs import Schedule

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
LONGEST_SEARCH = 800
"""Days without an occurrence after which the oracle gives up."""


class Form(Protocol):
    """One schedule, for the library and for the oracle."""

    @property
    def zone(self) -> str:
        """The name of the zone whose wall clock it follows."""
        ...

    @property
    def length(self) -> timedelta | None:
        """How long after the end of a run it occurs again; None for a calendar."""
        ...

    def build(self) -> Schedule:
        """Return it as a schedule of the library."""
        ...

    def slots(self, after: datetime, zone: tzinfo) -> Iterator[datetime]:
        """Yield the occurrences later than `after`, in ascending order; none of intervals."""
        ...


@final
@frozen
class Pause:
    """An interval."""

    build: Callable[[], Schedule]
    length: timedelta
    zone: str = "UTC"

    def slots(self, after: datetime, zone: tzinfo) -> Iterator[datetime]:
        """See `Form.slots`."""
        return iter(())


@final
@frozen
class Beat:
    """Whenever the seconds since midnight in UTC are a multiple of a number."""

    build: Callable[[], Schedule]
    seconds: int
    zone: str = "UTC"
    length: timedelta | None = None

    def slots(self, after: datetime, zone: tzinfo) -> Iterator[datetime]:
        """See `Form.slots`."""
        step = self.seconds * SECOND
        midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
        at = midnight + ((after - midnight) // step) * step
        while True:
            at += step
            yield at


@final
@frozen
class Wall:
    """Times of the day on a wall clock, on some days."""

    build: Callable[[], Schedule]
    times: tuple[time, ...]
    fixed: bool
    """Whether it occurs once at each local time, also when clocks are changed."""
    zone: str = "UTC"
    weekdays: frozenset[int] = frozenset(range(1, 8))
    days: frozenset[int] = frozenset(range(1, 32))
    length: timedelta | None = None

    def slots(self, after: datetime, zone: tzinfo) -> Iterator[datetime]:
        """See `Form.slots`."""
        day = after.astimezone(zone).date() - DAY
        for _ in range(LONGEST_SEARCH):
            if day.isoweekday() in self.weekdays and day.day in self.days:
                yield from (at for at in _on(day, self.times, self.fixed, zone) if at > after)
            day += DAY
        raise AssertionError(f"no occurrence within {LONGEST_SEARCH} days after {after}")


@final
@frozen
class Either:
    """A union of members that share a zone."""

    members: tuple[Form, ...]

    @property
    def zone(self) -> str:
        """See `Form.zone`."""
        return self.members[0].zone

    @property
    def length(self) -> timedelta | None:
        """The length of the shortest interval among them."""
        return min((one.length for one in self.members if one.length), default=None)

    def build(self) -> Schedule:
        """See `Form.build`."""
        first, *others = (one.build() for one in self.members)
        for other in others:
            first |= other
        return first

    def slots(self, after: datetime, zone: tzinfo) -> Iterator[datetime]:
        """See `Form.slots`."""
        merged = merge(*(one.slots(after, zone) for one in self.members))
        return (at for at, _ in groupby(merged))


def next_of(form: Form, after: datetime, zone: tzinfo) -> datetime:
    """Return the first occurrence later than `after`, the end of a run."""
    fixed = next(form.slots(after, zone), None)
    found = [at for at in (fixed, form.length and after + form.length) if at]
    return min(found)


def between(form: Form, after: datetime, before: datetime, zone: tzinfo) -> Iterator[datetime]:
    """Yield the occurrences later than `after` and earlier than `before`."""
    for at in form.slots(after, zone):
        if at >= before:
            return
        yield at


@lru_cache(maxsize=4000)
def _on(day: date, times: tuple[time, ...], fixed: bool, zone: tzinfo) -> tuple[datetime, ...]:
    """Return the instants of a local day in ascending order."""
    walls = (datetime.combine(day, one) for one in times)
    found = (at for wall in walls for at in _instants(wall, fixed, zone))
    return tuple(sorted(set(found)))


def _instants(wall: datetime, fixed: bool, zone: tzinfo) -> Iterator[datetime]:
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first > second:  # it lies in a gap
        if fixed:
            yield _end_of_gap(second, first, zone)
        return
    yield first
    if not fixed and second > first:
        yield second


def _end_of_gap(start: datetime, end: datetime, zone: tzinfo) -> datetime:
    """Return the instant between the two at which clocks are set forward."""
    at = start.replace(second=0)
    while at.astimezone(zone).utcoffset() != end.astimezone(zone).utcoffset():
        at += MINUTE
    return at
