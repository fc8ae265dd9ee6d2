"""`Schedule`, the operations of every schedule, and `AnyOf`, the union of several."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import MAXYEAR, UTC, datetime, tzinfo
from heapq import merge
from itertools import groupby, islice
from typing import final

from attrs import frozen

from bgjobs._core.timestamps import FIRST_INSTANT, MICROSECOND, as_instant
from bgjobs.errors import NaiveDatetimeError, NoOccurrenceError
from bgjobs.schedules.description import Preview, PreviewLine, check_count


class Schedule(ABC):
    """When something recurs: a frozen, hashable, picklable value.

    Create one with `schedule()`, `every`, `from_cron` or ``|``; subclasses of your own are not
    supported. All instants that are passed in need a time zone, and all that are returned are
    in UTC.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def text(self) -> str:
        """The form in which the schedule is stored; `from_text` returns an equal schedule."""

    @property
    @abstractmethod
    def timezone(self) -> tzinfo:
        """The time zone whose wall clock it follows."""

    @abstractmethod
    def next_after(self, instant: datetime) -> datetime:
        """Return the first occurrence later than `instant`, in UTC.

        Raises:
            NaiveDatetimeError: `instant` has no time zone.
            ValueError: `instant` lies before the year 1 in UTC.
            NoOccurrenceError: There is none up to the year 9999, where the calendar ends.
        """

    @abstractmethod
    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Return the occurrences later than `after`, up to and including `until`, lazily.

        Intervals are left out: they count from the end of the last run, so their occurrences
        are not known before that end.

        Raises:
            NaiveDatetimeError: `after` or `until` has no time zone.
            ValueError: `after` or `until` lies outside the years 1 to 9999 in UTC.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return a sentence in English that says when it recurs: ``at 02:30 every day``."""

    @abstractmethod
    def remark(self, occurrence: datetime) -> str:
        """Return what a change of the clocks did to an occurrence; empty if nothing.

        Raises:
            NaiveDatetimeError: `occurrence` has no time zone.
            ValueError: `occurrence` lies outside the years 1 to 9999 in UTC.
        """

    def occurrences(self, after: datetime, until: datetime | None = None) -> Iterator[datetime]:
        """Return the occurrences later than `after`, in ascending order and in UTC, lazily.

        Args:
            after: The instant after which they begin.
            until: The last instant that is included; None for no end but the year 9999.

        Raises:
            NaiveDatetimeError: `after` or `until` has no time zone.
            ValueError: `after` or `until` lies outside the years 1 to 9999 in UTC.
        """
        after = as_instant("after", after)
        end = None if until is None else as_instant("until", until)
        return self._follow(after, end)

    def preview(self, count: int = 5, *, after: datetime | None = None) -> Preview:
        """Return the next occurrences for people to read: print it.

        Args:
            count: How many at most, from 0 to 10,000.
            after: The instant after which they begin; None for now.

        Returns:
            A table; each line has the local time, UTC, and a remark where clocks are changed.

        Raises:
            NaiveDatetimeError: `after` has no time zone.
            TypeError: `count` is not an int.
            ValueError: `count` is out of range, or `after` lies outside the years 1 to 9999.
        """
        check_count(count)
        start = datetime.now(UTC) if after is None else as_instant("after", after)
        lines: list[PreviewLine] = []
        for occurrence in islice(self._follow(start, None), count):
            local = occurrence.astimezone(self._timezone_at(occurrence))
            lines.append(PreviewLine(local, occurrence, self.remark(occurrence)))
        return Preview(tuple(lines))

    def __or__(self, other: "Schedule") -> "Schedule":
        """Return the schedule that occurs whenever at least one of the two does."""
        if not isinstance(other, Schedule):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
            return NotImplemented
        return any_of([self, other])

    def __str__(self) -> str:
        return self.text

    def _follow(self, after: datetime, end: datetime | None) -> Iterator[datetime]:
        while True:
            try:
                after = self.next_after(after)
            except NoOccurrenceError:
                return
            if end is not None and after > end:
                return
            yield after

    def _timezone_at(self, occurrence: datetime) -> tzinfo:  # noqa: ARG002 - a union needs it
        return self.timezone

    def _start_of_search(self, instant: datetime) -> datetime:
        """Return the instant in UTC; raise `NoOccurrenceError` if it is after the year 9999."""
        try:
            return as_instant("instant", instant)
        except NaiveDatetimeError:
            raise
        except ValueError:
            if instant.year == MAXYEAR:
                raise NoOccurrenceError(self.text, instant) from None
            raise


@final
@frozen(str=False)
class AnyOf(Schedule):
    """Occurs whenever at least one of its members does; created by ``|``."""

    members: tuple[Schedule, ...]
    """Two or more, none of them a union, in the order of their texts."""

    @property
    def text(self) -> str:
        """See `Schedule.text`."""
        return " | ".join(member.text for member in self.members)

    @property
    def timezone(self) -> tzinfo:
        """The time zone of its members if they agree, else UTC."""
        zones = {member.timezone for member in self.members}
        return zones.pop() if len(zones) == 1 else UTC

    def next_after(self, instant: datetime) -> datetime:
        """See `Schedule.next_after`."""
        found = list(_next_of_each(self.members, instant))
        if not found:
            raise NoOccurrenceError(self.text, instant)
        return min(found)

    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """See `Schedule.slots`; an instant that several members share is returned once."""
        merged = merge(*(member.slots(after, until) for member in self.members))
        return (occurrence for occurrence, _ in groupby(merged))

    def describe(self) -> str:
        """See `Schedule.describe`."""
        return "; or ".join(member.describe() for member in self.members)

    def remark(self, occurrence: datetime) -> str:
        """See `Schedule.remark`."""
        occurrence = as_instant("occurrence", occurrence)
        remarks = [member.remark(occurrence) for member in self._members_at(occurrence)]
        return "; ".join(dict.fromkeys(filter(None, remarks)))

    def _timezone_at(self, occurrence: datetime) -> tzinfo:
        members = self._members_at(occurrence)
        return members[0].timezone if members else self.timezone

    def _members_at(self, occurrence: datetime) -> list[Schedule]:
        """Return the members of which this is an occurrence, intervals excepted."""
        if occurrence == FIRST_INSTANT:  # no instant is before it, so it cannot be found
            return []
        just_before = occurrence - MICROSECOND
        return [
            member
            for member in self.members
            if next(member.slots(just_before, occurrence), None) is not None
        ]


def any_of(schedules: Iterable[Schedule]) -> Schedule:
    """Return the union of schedules; equal ones count once."""
    members: set[Schedule] = set()
    for one in schedules:
        members.update(one.members if isinstance(one, AnyOf) else [one])
    if len(members) == 1:
        return members.pop()
    return AnyOf(tuple(sorted(members, key=lambda member: member.text)))


def _next_of_each(members: Iterable[Schedule], instant: datetime) -> Iterator[datetime]:
    for member in members:
        try:
            yield member.next_after(instant)
        except NoOccurrenceError:
            continue
