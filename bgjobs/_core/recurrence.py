"""Which occurrence comes next: pure decisions about the rows of scheduled jobs.

`now` is the store's clock wherever the store has one, so that all processes decide alike. It
may step back. After a small step no occurrence is planned that is not later than the one
before. After a large one the clock was wrong before: what was served by it no longer counts.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

from attrs import evolve

from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs._core.requests import JobOptions, JobRequest
from bgjobs._core.timestamps import LONGEST_DELAY, MICROSECOND
from bgjobs.errors import ScheduleValidationError
from bgjobs.schedules import AnyOf, Interval, NoOccurrenceError, Schedule, from_text

PARKED_UNTIL = datetime(9000, 1, 1, tzinfo=UTC)
"""When a paused occurrence is due: later than anybody waits, and no clock overflows."""
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""No clock shows a time before it."""
MOST_COUNTED = 1000
"""Missed occurrences that are counted; a second's schedule misses millions in a year."""
CLOCK_NOISE = timedelta(seconds=1)
"""By so much the store's clock may seem to step back although it does not."""
SMALLEST_STEP, LARGEST_STEP = timedelta(minutes=5), timedelta(hours=1)
"""Between these lies how far a clock may be set back before what it has shown is disregarded.

It is the distance of two occurrences: standing still for one more is better than serving one
again. For a schedule of every second that is too short, for one of every year too long.
"""
DAY = timedelta(days=1)
LONGEST_OF_OTHERS = timedelta(days=366)
"""For so long a row may wait that another process has planned by settings of its own."""
MOST_MADE_UP = 1_000_000
"""How many missed occurrences in a row a scheduled job may ask to be made up."""
LARGEST_SHIFT = timedelta(hours=3)
"""By so much a change of time zone data may move a local time, that of a date line excepted."""


def first(recurrence: Recurrence, now: datetime) -> Occurrence:
    """Plan the first occurrence: the first thing that a scheduled job does is wait."""
    return Occurrence(recurrence=recurrence, at=from_text(recurrence.schedule).next_after(now))


def following(served: Occurrence, now: datetime) -> Occurrence:
    """Plan the occurrence after one whose run has ended.

    It lies in the future: what a long run has missed coalesces into it. Only with `catch_up`
    the missed ones are made up, one by one and so many in a row.
    """
    recurrence, now = served.recurrence, max(now, served.at)
    schedule = from_text(recurrence.schedule)
    missed = next(schedule.slots(served.at, now), None)
    if missed is not None and served.made_up < recurrence.catch_up:
        return Occurrence(
            recurrence=recurrence, at=missed, previous=served.at, made_up=served.made_up + 1
        )
    return Occurrence(recurrence=recurrence, at=schedule.next_after(now), previous=served.at)


def instead_of(missed: Occurrence, now: datetime) -> Occurrence:
    """Plan the first occurrence that is not too late, in the place of one that is."""
    grace = missed.recurrence.misfire_grace or timedelta(0)
    at = from_text(missed.recurrence.schedule).next_after(max(now - grace, missed.at))
    return evolve(missed, at=at, made_up=0)


def paused(standing: Occurrence, now: datetime) -> Occurrence:  # noqa: ARG001 - as all changes
    """Let a waiting occurrence wait until it is resumed."""
    return evolve(standing, paused=True)


def resumed(standing: Occurrence, now: datetime) -> Occurrence:
    """Plan a paused occurrence for the future; what was missed meanwhile is not made up."""
    return evolve(_moved(standing, now), paused=False) if standing.paused else standing


def restarted(standing: Occurrence, now: datetime, *, recurrence: Recurrence) -> Occurrence:
    """Plan a waiting occurrence as a process that starts with `plan` wants it."""
    with suppress(NoOccurrenceError, ScheduleValidationError):  # then `plan` decides
        standing = put_right(standing, now)
    return replanned(standing, now, recurrence=recurrence)


def put_right(standing: Occurrence, now: datetime) -> Occurrence:
    """Plan a waiting occurrence anew if its own schedule would not have planned it by now.

    That is so if the clock has been set back since, or if the data of its time zone has
    changed. What is due and is one of its schedule's stays, to be run late.
    """
    if standing.paused:
        return standing
    standing = _without_the_future(standing, now)
    schedule = from_text(standing.recurrence.schedule)
    at = standing.at if _may_occur(schedule, standing.at) else _nearest(schedule, standing, now)
    if at > now:
        soonest = schedule.next_after(max(now, _served(schedule, standing, now)))
        at = soonest if at - soonest > _slack_of(schedule) else at
    return standing if at == standing.at else evolve(standing, at=at, made_up=0)


def is_ahead(job: Job, now: datetime) -> bool:
    """Whether a row waits longer than it should, because the clock has been set back since.

    By what the row says of the store's clock, and not by the schedule: a process with other
    time zone data would plan it differently, and two of them must not move it to and fro.
    """
    occurrence = job.occurrence
    if occurrence is None or occurrence.paused or job.reserved_by is not None:
        return False
    seen = [job.created_at, *(one.reserved_at for one in job.errors if one.reserved_at)]
    if has_begun(job):  # its next attempt is as far away as the clock was ahead
        failed = max((one.failed_at for one in job.errors), default=job.created_at)
        return min(max(*seen, failed), job.available_at) - now > _tolerated_step(occurrence)
    if max(seen) - now <= CLOCK_NOISE:
        return False
    try:
        return put_right(occurrence, now) != occurrence
    except (NoOccurrenceError, ScheduleValidationError):
        return False


def is_plausible(occurrence: Occurrence, name: str) -> bool:
    """Whether a scheduled job of this name, with any settings, could have planned it."""
    recurrence, previous = occurrence.recurrence, occurrence.previous
    grace = timedelta(0) if recurrence.misfire_grace is None else recurrence.misfire_grace
    return (
        recurrence.name == name
        and all(timedelta(0) <= one <= LONGEST_DELAY for one in (grace, recurrence.jitter))
        and min(occurrence.at, previous or occurrence.at) >= EARLIEST
        and all(0 <= one <= MOST_MADE_UP for one in (recurrence.catch_up, occurrence.made_up))
        and (previous is None or previous - occurrence.at <= DAY)
    )


def is_foreign(waiting: Job, recurrence: Recurrence, now: datetime) -> bool:
    """Whether a row that has the key of a scheduled job, and waits, was not planned by one.

    Judged by the row's own plan, which may be that of a process with other settings. What
    stands is only ever found too late, so that two processes which differ do not move it to and
    fro. A pause that is written as this library writes it holds.
    """
    occurrence = waiting.occurrence
    if occurrence is None or not is_plausible(occurrence, recurrence.name):
        return True
    if occurrence.paused:
        return waiting.available_at != PARKED_UNTIL
    wait, now = waiting.available_at - occurrence.at, now + CLOCK_NOISE
    if not waiting.reservations:  # what was never reserved is not snoozed
        if not timedelta(0) <= wait <= occurrence.recurrence.jitter:
            return True
        if waiting.available_at - now > _longest_here(occurrence, recurrence, now):
            return True
    return not has_begun(waiting) and _is_too_far(occurrence, recurrence, now)


def _longest_here(standing: Occurrence, recurrence: Recurrence, now: datetime) -> timedelta:
    """Return for how long a row may wait, whatever its own plan says.

    By the plan of this process, and not less than a year: the plan of another process may be
    newer, and stands.
    """
    longest = _longest_wait(standing, recurrence, now) or LONGEST_OF_OTHERS
    return max(longest + recurrence.jitter, LONGEST_OF_OTHERS)


def _is_too_far(standing: Occurrence, recurrence: Recurrence, now: datetime) -> bool:
    for judge in (standing.recurrence, recurrence):
        longest = _longest_wait(standing, judge, now)
        if longest is not None:
            return standing.at - now > longest
    return False


def _longest_wait(
    standing: Occurrence, recurrence: Recurrence, now: datetime
) -> timedelta | None:
    """Return how far ahead a plan has its next occurrence; None if it cannot be told."""
    try:
        schedule = from_text(recurrence.schedule)
        served = _served(schedule, _without_the_future(standing, now), now)
        latest = schedule.next_after(max(now, served))
    except (NoOccurrenceError, ScheduleValidationError):
        return None  # a newer version wrote it, or its zone is unknown here
    return latest - now + max(_slack_of(schedule), _shift_of(schedule))


def _shift_of(schedule: Schedule) -> timedelta:
    """Return by how much a process with other time zone data may have planned it later."""
    is_in_utc = all(str(one.timezone) == "UTC" for one in _members(schedule))
    return timedelta(0) if is_in_utc else LARGEST_SHIFT


def replanned(standing: Occurrence, now: datetime, *, recurrence: Recurrence) -> Occurrence:
    """Plan a waiting occurrence anew, because its scheduled job was changed.

    Its time stays if the schedule is the same, or if it is due already: it is run late.
    """
    changed = standing.recurrence.schedule != recurrence.schedule
    standing = evolve(standing, recurrence=recurrence)
    return _moved(standing, now) if changed and standing.at > now else standing


def unchanged(standing: Occurrence, now: datetime) -> Occurrence:  # noqa: ARG001 - as all changes
    """Leave it as it is."""
    return standing


def has_begun(job: Job) -> bool:
    """Return whether a waiting occurrence was run before: it waits for its next attempt."""
    if job.attempts or job.crashes or job.interruptions:
        return True
    occurrence = job.occurrence
    if occurrence is None or occurrence.paused:
        return False
    return job.available_at - occurrence.at > occurrence.recurrence.jitter  # snoozed


def is_too_late(job: Job) -> bool:
    """Say whether a reserved occurrence was missed: too late for its grace, and never begun.

    By the store's clock alone, which has set both instants.
    """
    if job.occurrence is None or job.reserved_at is None or has_begun(job):
        return False
    grace = job.occurrence.recurrence.misfire_grace
    return grace is not None and job.reserved_at - job.available_at > grace


def _moved(standing: Occurrence, now: datetime) -> Occurrence:
    standing = _without_the_future(standing, now)
    at = from_text(standing.recurrence.schedule).next_after(max(now, standing.previous or now))
    return evolve(standing, at=at, made_up=0)


def _without_the_future(standing: Occurrence, now: datetime) -> Occurrence:
    """Forget what was served before if it lies so far ahead that the clock was wrong."""
    previous = standing.previous
    if previous is None or previous - now <= _tolerated_step(standing):
        return standing
    return evolve(standing, previous=None)


def _tolerated_step(standing: Occurrence) -> timedelta:
    return _tolerated(standing.at - (standing.previous or standing.at))


def _tolerated(distance: timedelta) -> timedelta:
    return min(max(distance, SMALLEST_STEP), LARGEST_STEP)


def _may_occur(schedule: Schedule, at: datetime) -> bool:
    """Whether an instant is one of a schedule's; that of an interval may be any."""
    slot = next(schedule.slots(at - MICROSECOND, at), None)
    return slot is not None or _interval_of(schedule) is not None


def _slack_of(schedule: Schedule) -> timedelta:
    """Return how late an interval may be by a small step of the clock."""
    length = _interval_of(schedule)
    return timedelta(0) if length is None else _tolerated(length)


def _interval_of(schedule: Schedule) -> timedelta | None:
    """Return the length of the shortest interval in a schedule; None if there is none."""
    lengths = (one.length for one in _members(schedule) if isinstance(one, Interval))
    return min(lengths, default=None)


def _members(schedule: Schedule) -> Sequence[Schedule]:
    return schedule.members if isinstance(schedule, AnyOf) else (schedule,)


def _nearest(schedule: Schedule, standing: Occurrence, now: datetime) -> datetime:
    """Return the occurrence whose place was taken by one that the schedule does not have.

    If that one is due and none is near, it is run late rather than moved: another process may
    have given it this schedule a moment ago, and what is due then is run first.
    """
    at, previous = standing.at, standing.previous
    nearest = schedule.next_after(max(at, previous or at))
    earlier = _last_between(schedule, at - min(nearest - at, DAY), at)
    if earlier is not None and (previous is None or earlier > previous):
        nearest = earlier
    return at if at <= now and abs(nearest - at) > LARGEST_SHIFT else nearest


def _served(schedule: Schedule, standing: Occurrence, now: datetime) -> datetime:
    """Return what was served before, by the data that its time zone has now."""
    previous = standing.previous
    if previous is None or _may_occur(schedule, previous):
        return previous or now
    return _nearest(schedule, evolve(standing, at=previous, previous=None), now)


def _last_between(schedule: Schedule, after: datetime, before: datetime) -> datetime | None:
    """Return the last occurrence that is later than `after` and earlier than `before`."""
    found = schedule.next_after(after)
    if found >= before:
        return None
    low, high = after, before
    while high - low > MICROSECOND:
        middle = low + (high - low) / 2
        at = schedule.next_after(middle)
        if at < before:
            low, found = middle, at
        else:
            high = middle
    return found


def missed_between(recurrence: Recurrence, after: datetime, before: datetime) -> list[datetime]:
    """Give the occurrences later than `after` and earlier than `before`, up to a thousand."""
    schedule: Schedule = from_text(recurrence.schedule)
    slots = schedule.slots(after, before - MICROSECOND)
    return list(islice(slots, MOST_COUNTED))


def request_of(asked: JobRequest, occurrence: Occurrence, random: Random) -> JobRequest:
    """Ask for the job that serves an occurrence, called as `asked` says."""
    recurrence = occurrence.recurrence
    due = (
        PARKED_UNTIL
        if occurrence.paused
        else occurrence.at + random.random() * recurrence.jitter
    )
    options = JobOptions(
        available_at=due,
        priority=asked.options.priority,
        unique_key=recurrence.unique_key,
        occurrence=occurrence,
    )
    return JobRequest(asked.name, asked.payload, options)
