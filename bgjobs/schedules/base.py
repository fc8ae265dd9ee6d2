"""What every schedule can do, and the union of several."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import MAXYEAR, UTC, datetime, timedelta, tzinfo
from heapq import merge
from itertools import groupby, islice
from typing import final

from attrs import frozen

from bgjobs._core.timestamps import as_instant
from bgjobs.errors import NaiveDatetimeError, NoOccurrenceError
from bgjobs.schedules.preview import Preview, PreviewLine, check_count

MICROSECOND = timedelta(microseconds=1)
_FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)


class Schedule(ABC):
    """When something recurs: a frozen, hashable, picklable value.

    Made by `schedule()`, `every`, `from_cron` and ``|``; there are no other kinds.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def text(self) -> str:
        """The schedule as text that can be stored; `from_text` gives an equal schedule."""

    @property
    @abstractmethod
    def timezone(self) -> tzinfo:
        """The time zone whose wall clock it follows."""

    @abstractmethod
    def next_after(self, instant: datetime) -> datetime:
        """Give the first occurrence later than `instant`, in UTC.

        Raises:
            NaiveDatetimeError: `instant` has no time zone.
            ValueError: `instant` lies before the year 1.
            NoOccurrenceError: The calendar ends before there is one, with the year 9999.
        """

    @abstractmethod
    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Give the occurrences later than `after`, up to and with `until`, that stand fixed.

        Lazy. What is counted from the end of the last run stands nowhere before that end.
        """

    @abstractmethod
    def describe(self) -> str:
        """Say in plain English when it recurs."""

    @abstractmethod
    def remark(self, occurrence: datetime) -> str:
        """Say what a change of the clocks did to one of its occurrences; empty if nothing."""

    def occurrences(self, after: datetime, until: datetime | None = None) -> Iterator[datetime]:
        """Give the occurrences later than `after`, in order and in UTC, up to and with `until`.

        Lazy, and endless without `until`. Both instants need a time zone.
        """
        after = as_instant("after", after)
        end = None if until is None else as_instant("until", until)
        return self._follow(after, end)

    def preview(self, count: int = 5, *, after: datetime | None = None) -> Preview:
        """Give the next occurrences for people to read: print it.

        Up to `count` of them, from now on or after `after`. Each line has the local time, UTC,
        and a remark where the clocks were changed.
        """
        check_count(count)
        start = datetime.now(UTC) if after is None else as_instant("after", after)
        lines: list[PreviewLine] = []
        for occurrence in islice(self._follow(start, None), count):
            local = occurrence.astimezone(self._timezone_at(occurrence))
            lines.append(PreviewLine(local, occurrence, self.remark(occurrence)))
        return Preview(tuple(lines))

    def __or__(self, other: "Schedule") -> "Schedule":
        """Give the schedule that occurs whenever one of the two does."""
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


@final
@frozen(str=False)
class AnyOf(Schedule):
    """Occurs whenever one of its members does; made by ``|``."""

    members: tuple[Schedule, ...]
    """Two or more, none of them a union, in the order of their texts."""

    @property
    def text(self) -> str:
        """See `Schedule.text`."""
        return " | ".join(member.text for member in self.members)

    @property
    def timezone(self) -> tzinfo:
        """That of its members if they agree, else UTC."""
        zones = {member.timezone for member in self.members}
        return zones.pop() if len(zones) == 1 else UTC

    def next_after(self, instant: datetime) -> datetime:
        """See `Schedule.next_after`."""
        found = list(_next_of_each(self.members, instant))
        if not found:
            raise NoOccurrenceError(self.text, instant)
        return min(found)

    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """See `Schedule.slots`."""
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
        """Give the members whose wall clock makes this an occurrence."""
        if occurrence == _FIRST_INSTANT:  # nothing is before it, so no occurrence is later
            return []
        just_before = occurrence - MICROSECOND
        return [
            member
            for member in self.members
            if next(member.slots(just_before, occurrence), None) is not None
        ]


def any_of(schedules: Iterable[Schedule]) -> Schedule:
    """Unite schedules; equal ones count once."""
    members: set[Schedule] = set()
    for one in schedules:
        members.update(one.members if isinstance(one, AnyOf) else [one])
    if len(members) == 1:
        return members.pop()
    return AnyOf(tuple(sorted(members, key=lambda member: member.text)))


def start_of_search(text: str, instant: datetime) -> datetime:
    """Return the instant in UTC; `NoOccurrenceError` if the calendar has ended before it."""
    try:
        return as_instant("instant", instant)
    except NaiveDatetimeError:
        raise
    except ValueError:
        if instant.year == MAXYEAR:
            raise NoOccurrenceError(text, instant) from None
        raise


def _next_of_each(members: Iterable[Schedule], instant: datetime) -> Iterator[datetime]:
    for member in members:
        try:
            yield member.next_after(instant)
        except NoOccurrenceError:
            continue
