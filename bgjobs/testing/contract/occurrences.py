"""Jobs of a schedule: which occurrence they serve goes along with them, exactly."""

from datetime import UTC, datetime, timedelta, timezone

from bgjobs._core.jobs import FailedJob, Job, SucceededJob
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs.errors import NaiveDatetimeError
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    DAY,
    LEASE,
    NOW,
    OCCURRENCE,
    TICK,
    ask,
    fail,
    hold,
    put,
    put_one,
    requeue,
    start,
    succeed,
    take,
)

_FULL = Occurrence(
    recurrence=Recurrence(
        name='ünïcödé 🦉 "quoted" \\ \' {}',
        schedule="cron */5 * * * 1-5 in Europe/Berlin\n%s $1 :name",
        catch_up=2**31,
        misfire_grace=timedelta(days=36_500, microseconds=1),
        jitter=timedelta(hours=1, microseconds=999_999),
    ),
    at=datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    previous=datetime(1901, 2, 3, 4, 5, 6, 7, tzinfo=UTC),
    made_up=7,
    paused=True,
)
"""Every field said, each with a value that rounding or quoting would spoil."""
_ZERO = Occurrence(
    recurrence=Recurrence(name="x", schedule="", misfire_grace=timedelta(0)),
    at=NOW,
    previous=NOW - TICK,
)
"""No grace at all is not the same as any grace."""


def check_an_occurrence_is_stored_exactly(store: Store) -> None:
    """With every field, with none that may be left out, and beside jobs that have none."""
    for occurrence in (_FULL, _ZERO, OCCURRENCE, None):
        job = put_one(store, occurrence=occurrence)
        assert job.occurrence == occurrence
        assert store.find(job.id) == job
    listed = store.get_enqueued()
    assert [job.occurrence for job in listed] == [_FULL, _ZERO, OCCURRENCE, None]


def check_an_occurrence_comes_out_in_utc(store: Store) -> None:
    """Whatever time zone its schedule thinks in."""
    there = timezone(timedelta(hours=5, minutes=30))
    at, previous = NOW.astimezone(there), (NOW - DAY).astimezone(there)
    job = put_one(
        store, occurrence=Occurrence(recurrence=_ZERO.recurrence, at=at, previous=previous)
    )
    for found in (job, store.find(job.id)):
        assert found is not None
        assert found.occurrence is not None
        assert found.occurrence.previous is not None
        assert (found.occurrence.at, found.occurrence.previous) == (NOW, NOW - DAY)
        assert found.occurrence.at.utcoffset() == timedelta(0)
        assert found.occurrence.previous.utcoffset() == timedelta(0)


def check_a_naive_occurrence_is_refused(store: Store) -> None:
    """And nothing is stored."""
    try:
        put_one(
            store,
            occurrence=Occurrence(recurrence=_ZERO.recurrence, at=NOW.replace(tzinfo=None)),
        )
    except NaiveDatetimeError:
        assert list(store.get_enqueued()) == []
    else:
        raise AssertionError("a naive occurrence was taken")


def check_a_reserved_job_has_its_occurrence(store: Store) -> None:
    """As it is reserved, listed, and found with a holder that died."""
    held = hold(store, occurrence=_FULL)
    assert held.occurrence == _FULL
    assert store.find(held.id) == held
    assert list(store.get_running()) == [held]
    assert list(store.abandoned(now=NOW + LEASE)) == [held]


def check_requeueing_keeps_the_occurrence(store: Store) -> None:
    """However often."""
    held = hold(store, occurrence=_FULL, unique_key="k")
    for delay in (None, timedelta(0)):
        store.write(settle=[requeue(held, attempts=1, delay=delay)], now=NOW)
        [waiting] = store.get_enqueued()
        assert waiting.occurrence == _FULL
        [held] = take(store, start(store))
    assert held.occurrence == _FULL


def check_a_succeeded_job_keeps_its_occurrence(store: Store) -> None:
    """One that was enqueued by hand has none."""
    first, second = hold(store, occurrence=_FULL), hold(store)
    store.write(settle=[succeed(first), succeed(second)], now=NOW)
    ended = store.find(first.id)
    assert isinstance(ended, SucceededJob)
    assert ended.occurrence == _FULL
    assert [job.occurrence for job in store.get_succeeded()] == [None, _FULL]


def check_a_completed_job_keeps_its_occurrence(store: Store) -> None:
    """As one that succeeded by a settlement."""
    held = hold(store, occurrence=_FULL)
    assert store.complete(held.reservation, lambda _: None, now=NOW)
    assert [job.occurrence for job in store.get_succeeded()] == [_FULL]


def check_a_failed_job_keeps_its_occurrence(store: Store) -> None:
    """One that was enqueued by hand has none."""
    first, second = hold(store, occurrence=_FULL), hold(store)
    store.write(settle=[fail(first), fail(second)], now=NOW)
    ended = store.find(first.id)
    assert isinstance(ended, FailedJob)
    assert ended.occurrence == _FULL
    assert [job.occurrence for job in store.get_failed()] == [None, _FULL]


def check_the_holder_of_a_unique_key_has_its_occurrence(store: Store) -> None:
    """Not that of the job that was asked for."""
    holder = put_one(store, unique_key="k", occurrence=_FULL)
    assert put(store, ask(unique_key="k", occurrence=_ZERO)) == [holder]
    assert put(store, ask(unique_key="k")) == [holder]
    found = store.find_unique("mail", "k")
    assert isinstance(found, Job)
    assert found.occurrence == _FULL
