"""Which occurrence comes next: pure decisions about the rows of scheduled jobs.

`now` is the store's clock wherever the store has one, so that all processes decide alike. It
may step back: no occurrence is planned that is not later than the one before.
"""

from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

from attrs import evolve

from bgjobs.jobs import Job, JobOptions, JobRequest
from bgjobs.occurrences import Occurrence, Plan
from bgjobs.schedules import Schedule, from_text

PARKED_UNTIL = datetime(9000, 1, 1, tzinfo=UTC)
"""When a paused occurrence is due: later than anybody waits, and no clock overflows."""
MOST_COUNTED = 1000
"""Missed occurrences that are counted; a second's schedule misses millions in a year."""


def first(plan: Plan, now: datetime) -> Occurrence:
    """Plan the first occurrence: the first thing that a scheduled job does is wait."""
    return Occurrence(plan=plan, at=from_text(plan.schedule).next_after(now))


def following(served: Occurrence, now: datetime) -> Occurrence:
    """Plan the occurrence after one whose run has ended.

    It lies in the future: what a long run has missed coalesces into it. Only with `catch_up`
    the missed ones are made up, one by one and so many in a row.
    """
    plan, now = served.plan, max(now, served.at)
    schedule = from_text(plan.schedule)
    missed = next(schedule.slots(served.at, now), None)
    if missed is not None and served.made_up < plan.catch_up:
        return Occurrence(plan=plan, at=missed, previous=served.at, made_up=served.made_up + 1)
    return Occurrence(plan=plan, at=schedule.next_after(now), previous=served.at)


def instead_of(missed: Occurrence, now: datetime) -> Occurrence:
    """Plan the first occurrence that is not too late, in the place of one that is."""
    grace = missed.plan.misfire_grace or timedelta(0)
    at = from_text(missed.plan.schedule).next_after(max(now - grace, missed.at))
    return evolve(missed, at=at, made_up=0)


def paused(standing: Occurrence, now: datetime) -> Occurrence:  # noqa: ARG001 - as all changes
    """Let a waiting occurrence wait until it is resumed."""
    return evolve(standing, paused=True)


def resumed(standing: Occurrence, now: datetime) -> Occurrence:
    """Plan a paused occurrence for the future; what was missed meanwhile is not made up."""
    return evolve(_moved(standing, now), paused=False) if standing.paused else standing


def replanned(standing: Occurrence, now: datetime, *, plan: Plan) -> Occurrence:
    """Plan a waiting occurrence anew, because its scheduled job was changed.

    Its time stays if the schedule is the same, or if it is due already: it is run late.
    """
    changed = standing.plan.schedule != plan.schedule
    standing = evolve(standing, plan=plan)
    return _moved(standing, now) if changed and standing.at > now else standing


def unchanged(standing: Occurrence, now: datetime) -> Occurrence:  # noqa: ARG001 - as all changes
    """Leave it as it is."""
    return standing


def has_begun(job: Job) -> bool:
    """Say whether a waiting occurrence was run before: it waits for its next attempt."""
    if job.attempts or job.crashes or job.interruptions:
        return True
    occurrence = job.occurrence
    if occurrence is None or occurrence.paused:
        return False
    return job.available_at > occurrence.at + occurrence.plan.jitter  # snoozed


def is_too_late(job: Job) -> bool:
    """Say whether a reserved occurrence was missed: too late for its grace, and never begun.

    By the store's clock alone, which has set both instants.
    """
    if job.occurrence is None or job.reserved_at is None or has_begun(job):
        return False
    grace = job.occurrence.plan.misfire_grace
    return grace is not None and job.reserved_at - job.available_at > grace


def _moved(standing: Occurrence, now: datetime) -> Occurrence:
    at = from_text(standing.plan.schedule).next_after(max(now, standing.previous or now))
    return evolve(standing, at=at, made_up=0)


def missed_between(plan: Plan, after: datetime, before: datetime) -> list[datetime]:
    """Give the occurrences later than `after` and earlier than `before`, up to a thousand."""
    schedule: Schedule = from_text(plan.schedule)
    slots = schedule.slots(after, before - timedelta(microseconds=1))
    return list(islice(slots, MOST_COUNTED))


def request_of(asked: JobRequest, occurrence: Occurrence, random: Random) -> JobRequest:
    """Ask for the job that serves an occurrence, called as `asked` says."""
    plan = occurrence.plan
    due = PARKED_UNTIL if occurrence.paused else occurrence.at + random.random() * plan.jitter
    options = JobOptions(
        available_at=due,
        priority=asked.options.priority,
        unique_key=plan.unique_key,
        occurrence=occurrence,
    )
    return JobRequest(asked.name, asked.payload, options)
