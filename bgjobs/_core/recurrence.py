"""Pure decisions about the rows of scheduled jobs: which occurrence comes next.

`now` is the time of the store's clock if the store has one, so that all processes decide alike.
It may step back. After a small step, every planned occurrence is still later than the one
before. After a large step the clock was wrong before it, and occurrences served at those times
no longer count.
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
from bgjobs._core.timestamps import LAST_INSTANT, LONGEST_DELAY, MICROSECOND
from bgjobs.errors import ScheduleValidationError
from bgjobs.schedules import AnyOf, Interval, NoOccurrenceError, Schedule, from_text

PARKED_UNTIL = datetime(9000, 1, 1, tzinfo=UTC)
"""When a paused occurrence is due: practically never, and early enough for all calendars."""
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""The earliest plausible time of an occurrence."""
MOST_COUNTED = 1000
"""How many missed occurrences are counted; one per second would be millions in a year."""
CLOCK_NOISE = timedelta(seconds=1)
"""How far the store's clock may appear to step back although it does not."""
SMALLEST_STEP, LARGEST_STEP = timedelta(minutes=5), timedelta(hours=1)
"""The bounds of the step of a clock after which its earlier times are disregarded.

Between them it is the distance of two occurrences, because it is better to pause for one
occurrence than to serve one again. Of a schedule of every second that would be too short, and
of one of every year too long.
"""
DAY = timedelta(days=1)
LONGEST_OF_OTHERS = timedelta(days=366)
"""How long a row may wait that a process with other settings planned."""
MOST_MADE_UP = 1_000_000
"""The largest `catch_up` of a scheduled job."""
LARGEST_SHIFT = timedelta(hours=3)
"""How far a change of time zone data may move a local time, except at the date line."""


def first(recurrence: Recurrence, now: datetime) -> Occurrence:
    """Return the first occurrence of a new scheduled job, which is later than `now`."""
    return Occurrence(recurrence=recurrence, at=from_text(recurrence.schedule).next_after(now))


def following(served: Occurrence, now: datetime) -> Occurrence:
    """Return the occurrence after one whose run has ended.

    It is in the future: occurrences that passed during a long run are coalesced into it. With
    `catch_up` it is the first missed one instead, until so many in a row have been run.
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
    """Return the first occurrence that is not too late, to replace one that is."""
    grace = missed.recurrence.misfire_grace or timedelta(0)
    at = from_text(missed.recurrence.schedule).next_after(max(now - grace, missed.at))
    return evolve(missed, at=at, made_up=0)


def paused(standing: Occurrence, now: datetime) -> Occurrence:  # noqa: ARG001 - as all changes
    """Return a waiting occurrence as paused."""
    return evolve(standing, paused=True)


def resumed(standing: Occurrence, now: datetime) -> Occurrence:
    """Return a paused occurrence planned for the future; missed ones are not run."""
    return evolve(_moved(standing, now), paused=False) if standing.paused else standing


def restarted(standing: Occurrence, now: datetime, *, recurrence: Recurrence) -> Occurrence:
    """Return a waiting occurrence as planned by a process that starts with `recurrence`."""
    with suppress(NoOccurrenceError, ScheduleValidationError):  # then `recurrence` decides
        standing = put_right(standing, now)
    return replanned(standing, now, recurrence=recurrence)


def put_right(standing: Occurrence, now: datetime) -> Occurrence:
    """Return a waiting occurrence, planned anew if its own schedule would not plan it now.

    That is the case if the clock has been set back since, or if the data of its time zone has
    changed. An occurrence of the schedule that is due stays, and is run late.
    """
    if standing.paused:
        return standing
    standing = _without_future_previous(standing, now)
    schedule = from_text(standing.recurrence.schedule)
    at = standing.at if _may_occur(schedule, standing.at) else _nearest(schedule, standing, now)
    if at > now:
        soonest = schedule.next_after(max(now, _served(schedule, standing, now)))
        at = soonest if at - soonest > _slack_of(schedule) else at
    return standing if at == standing.at else evolve(standing, at=at, made_up=0)


def is_ahead(job: Job, now: datetime) -> bool:
    """Whether a row waits too long, because the clock has been set back since it was planned.

    This is derived from times of the store's clock in the row, not from the schedule: processes
    with different time zone data would plan it differently, and must not move it to and fro.
    """
    occurrence = job.occurrence
    if occurrence is None or occurrence.paused or job.reserved_by is not None:
        return False
    seen = [job.created_at, *(one.reserved_at for one in job.errors if one.reserved_at)]
    if has_begun(job):  # its next attempt is too far away by as much as the clock was ahead
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
    """Whether a waiting row with the key of a scheduled job was not planned by a scheduled job.

    The recurrence in the row is used, which may be that of a process with other settings. A row
    is only ever judged to be too late, never too early, so that two processes with different
    settings do not move it to and fro. A pause in the form that this library writes is
    accepted.
    """
    occurrence = waiting.occurrence
    if occurrence is None or not is_plausible(occurrence, recurrence.name):
        return True
    if occurrence.paused:
        return waiting.available_at != PARKED_UNTIL
    wait, now = waiting.available_at - occurrence.at, now + CLOCK_NOISE
    if not waiting.reservations:  # a job that was never reserved was not snoozed
        if not timedelta(0) <= wait <= occurrence.recurrence.jitter:
            return True
        if waiting.available_at - now > _longest_allowed(occurrence, recurrence, now):
            return True
    return not has_begun(waiting) and _is_too_far(occurrence, recurrence, now)


def _longest_allowed(standing: Occurrence, recurrence: Recurrence, now: datetime) -> timedelta:
    """Return how long a row may wait, regardless of its own recurrence.

    This follows the recurrence of this process, but is at least a year, because the recurrence
    of another process may be newer and is kept.
    """
    longest = _longest_wait(standing, recurrence, now) or LONGEST_OF_OTHERS
    return max(longest + recurrence.jitter, LONGEST_OF_OTHERS)


def _is_too_far(standing: Occurrence, recurrence: Recurrence, now: datetime) -> bool:
    for one in (standing.recurrence, recurrence):
        longest = _longest_wait(standing, one, now)
        if longest is not None:
            return standing.at - now > longest
    return False


def _longest_wait(
    standing: Occurrence, recurrence: Recurrence, now: datetime
) -> timedelta | None:
    """Return how far ahead the next occurrence may be; None if the schedule cannot be read."""
    try:
        schedule = from_text(recurrence.schedule)
        served = _served(schedule, _without_future_previous(standing, now), now)
        latest = schedule.next_after(max(now, served))
    except (NoOccurrenceError, ScheduleValidationError):
        return None  # a newer version wrote it, or this machine lacks its zone
    return latest - now + max(_slack_of(schedule), _shift_of(schedule))


def _shift_of(schedule: Schedule) -> timedelta:
    """Return how much later a process with other time zone data may have planned it."""
    is_in_utc = all(str(one.timezone) == "UTC" for one in _members(schedule))
    return timedelta(0) if is_in_utc else LARGEST_SHIFT


def replanned(standing: Occurrence, now: datetime, *, recurrence: Recurrence) -> Occurrence:
    """Return a waiting occurrence, planned anew because its scheduled job was changed.

    Its time stays if the schedule is the same, or if it is due already and is run late.
    """
    changed = standing.recurrence.schedule != recurrence.schedule
    standing = evolve(standing, recurrence=recurrence)
    return _moved(standing, now) if changed and standing.at > now else standing


def unchanged(standing: Occurrence, now: datetime) -> Occurrence:  # noqa: ARG001 - as all changes
    """Return the occurrence as it is."""
    return standing


def has_begun(job: Job) -> bool:
    """Whether a waiting occurrence was run before, so that it waits for its next attempt."""
    if job.attempts or job.crashes or job.interruptions:
        return True
    occurrence = job.occurrence
    if occurrence is None or occurrence.paused:
        return False
    return job.available_at - occurrence.at > occurrence.recurrence.jitter  # snoozed


def is_too_late(job: Job) -> bool:
    """Whether a reserved occurrence is later than its grace allows and was not run before.

    Both times are those of the store's clock.
    """
    if job.occurrence is None or job.reserved_at is None or has_begun(job):
        return False
    grace = job.occurrence.recurrence.misfire_grace
    return grace is not None and job.reserved_at - job.available_at > grace


def _moved(standing: Occurrence, now: datetime) -> Occurrence:
    standing = _without_future_previous(standing, now)
    at = from_text(standing.recurrence.schedule).next_after(max(now, standing.previous or now))
    return evolve(standing, at=at, made_up=0)


def _without_future_previous(standing: Occurrence, now: datetime) -> Occurrence:
    """Remove the previous occurrence if it is so far ahead that the clock was wrong."""
    previous = standing.previous
    if previous is None or previous - now <= _tolerated_step(standing):
        return standing
    return evolve(standing, previous=None)


def _tolerated_step(standing: Occurrence) -> timedelta:
    return _tolerated(standing.at - (standing.previous or standing.at))


def _tolerated(distance: timedelta) -> timedelta:
    return min(max(distance, SMALLEST_STEP), LARGEST_STEP)


def _may_occur(schedule: Schedule, at: datetime) -> bool:
    """Whether an instant can be an occurrence; an interval accepts every instant."""
    slot = next(schedule.slots(at - MICROSECOND, at), None)
    return slot is not None or _interval_of(schedule) is not None


def _slack_of(schedule: Schedule) -> timedelta:
    """Return how late an interval may be after a small step of the clock."""
    length = _interval_of(schedule)
    return timedelta(0) if length is None else _tolerated(length)


def _interval_of(schedule: Schedule) -> timedelta | None:
    """Return the length of the shortest interval in a schedule; None if there is none."""
    lengths = (one.length for one in _members(schedule) if isinstance(one, Interval))
    return min(lengths, default=None)


def _members(schedule: Schedule) -> Sequence[Schedule]:
    return schedule.members if isinstance(schedule, AnyOf) else (schedule,)


def _nearest(schedule: Schedule, standing: Occurrence, now: datetime) -> datetime:
    """Return the occurrence of the schedule nearest to one that the schedule does not have.

    If that one is due and none is near, it stays and is run late: another process may have
    changed the schedule a moment ago, and an occurrence that is due at that time is run first.
    """
    at, previous = standing.at, standing.previous
    nearest = schedule.next_after(max(at, previous or at))
    earlier = _last_between(schedule, at - min(nearest - at, DAY), at)
    if earlier is not None and (previous is None or earlier > previous):
        nearest = earlier
    return at if at <= now and abs(nearest - at) > LARGEST_SHIFT else nearest


def _served(schedule: Schedule, standing: Occurrence, now: datetime) -> datetime:
    """Return the time of the previous occurrence by the present data of its time zone."""
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
    """Return the occurrences later than `after` and earlier than `before`, up to a thousand."""
    schedule: Schedule = from_text(recurrence.schedule)
    slots = schedule.slots(after, before - MICROSECOND)
    return list(islice(slots, MOST_COUNTED))


def request_of(template: JobRequest, occurrence: Occurrence, random: Random) -> JobRequest:
    """Return the request for the job of an occurrence, with the arguments of `template`."""
    recurrence = occurrence.recurrence
    jitter = min(recurrence.jitter, LAST_INSTANT - occurrence.at)
    due = PARKED_UNTIL if occurrence.paused else occurrence.at + random.random() * jitter
    options = JobOptions(
        available_at=due,
        priority=template.options.priority,
        unique_key=recurrence.unique_key,
        occurrence=occurrence,
    )
    return JobRequest(template.name, template.payload, options)
