"""Values that a store keeps exactly: text, timestamps, metadata and occurrences."""

import json
from datetime import UTC, datetime, timedelta, timezone

from bgjobs._core.jobs import AttemptError, FailedJob, Job, SucceededJob
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs.errors import NaiveDatetimeError
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    ERROR,
    LEASE,
    NOW,
    OCCURRENCE,
    TICK,
    ask,
    cancel,
    enqueued,
    fail,
    hold,
    listed,
    put,
    put_one,
    requeue,
    start,
    succeed,
    take,
)

_AWKWARD = "ünïcödé \U0001f989 ' \" \\ \n\t %s {x} $1 :name ; -- 'x'"
_LARGE = 1 << 20  # 1 MiB


def check_awkward_text_is_kept(store: Store) -> None:
    """Names, payloads and unique keys may contain quotes, SQL syntax and any script."""
    payload = json.dumps([_AWKWARD], ensure_ascii=False)
    job = put(store, ask(_AWKWARD, payload, unique_key=_AWKWARD))[0]
    assert store.find(job.id) == job
    [held] = take(store, start(store), [_AWKWARD])
    assert (held.name, held.payload, held.unique_key) == (_AWKWARD, payload, _AWKWARD)
    assert not store.write(settle=[succeed(held)], now=NOW).lost
    assert [one.payload for one in listed(store, "succeeded", name=_AWKWARD)] == [payload]


def check_a_payload_is_kept_letter_for_letter(store: Store) -> None:
    """Spaces, the order of keys and the spelling of numbers do not change."""
    payload = '{ "b":1.0,  "a":[1e3,"\\u00e4",12345678901234567890] }'
    put(store, ask(payload=payload))
    assert take(store, start(store))[0].payload == payload


def check_a_mebibyte_of_payload_is_kept(store: Store) -> None:
    """A large payload is kept in every table."""
    payload = json.dumps("ä" * (_LARGE // 2 - 1), ensure_ascii=False)
    put(store, ask(payload=payload))
    [held] = take(store, start(store))
    assert held.payload == payload
    store.write(settle=[succeed(held)], now=NOW)
    ended = store.find(held.id)
    assert isinstance(ended, SucceededJob)
    assert ended.payload == payload


def check_error_texts_are_kept(store: Store) -> None:
    """The error of a failed job and the errors of its attempts are kept."""
    errors = (ERROR, AttemptError(1, NOW, _AWKWARD), AttemptError(2, NOW, "x" * 8192))
    held = hold(store)
    store.write(settle=[fail(held, _AWKWARD, attempts=3, errors=errors)], now=NOW)
    ended = store.find(held.id)
    assert isinstance(ended, FailedJob)
    assert ended.error == _AWKWARD
    assert ended.errors == errors


def check_errors_survive_being_put_back(store: Store) -> None:
    """A job that is put back keeps the errors of its attempts."""
    held = hold(store)
    store.write(settle=[requeue(held, attempts=1, errors=(ERROR,))], now=NOW)
    [again] = take(store, start(store))
    assert again.errors == (ERROR,)


def check_the_widest_priorities_are_kept(store: Store) -> None:
    """The lowest and the highest priority are kept and ordered."""
    low, high = put(store, ask(priority=32_767), ask(priority=-32_767))
    assert (low.priority, high.priority) == (32_767, -32_767)
    assert [job.id for job in take(store, start(store))] == [high.id, low.id]


def check_the_longest_unique_key_is_kept(store: Store) -> None:
    """A unique key may have 200 characters of four bytes each."""
    key = "\U0001f989" * 200
    assert put_one(store, unique_key=key).unique_key == key


def check_far_instants_are_kept(store: Store) -> None:
    """Timestamps before 1970 and in the year 9999 are exact to the microsecond."""
    old = datetime(1901, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
    far = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    jobs = put(store, ask(available_at=old), ask(available_at=far))
    assert [job.available_at for job in jobs] == [old, far]
    assert enqueued(store) == list(jobs)


def check_metadata_is_kept_to_the_end(store: Store) -> None:
    """Metadata is kept in every table; no metadata is an empty mapping."""
    metadata = (("color", _AWKWARD), ("traceparent", "00-1-2-01"))
    for settle in ENDS.values():
        job, plain = put(store, ask(metadata=metadata), ask("plain"))
        assert (job.metadata, plain.metadata) == (dict(metadata), {})
        [held] = take(store, start(store))
        assert held.metadata == dict(metadata)
        store.write(settle=[requeue(held)], now=NOW)
        [held] = take(store, start(store))
        store.write(settle=[settle(held)], now=NOW)
        ended = store.find(job.id)
        assert ended is not None
        assert ended.metadata == dict(metadata)


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
"""Every field is set, to a value that rounding or quoting would change."""
_ZERO = Occurrence(
    recurrence=Recurrence(name="x", schedule="", misfire_grace=timedelta(0)),
    at=NOW,
    previous=NOW - TICK,
)
"""A grace of zero differs from None, which is no limit."""


def check_an_occurrence_is_stored_exactly(store: Store) -> None:
    """Every field is kept, optional fields may be missing, and other jobs have None."""
    for occurrence in (_FULL, _ZERO, OCCURRENCE, None):
        job = put_one(store, occurrence=occurrence)
        assert job.occurrence == occurrence
        assert store.find(job.id) == job
    listed = enqueued(store)
    assert [job.occurrence for job in listed] == [_FULL, _ZERO, OCCURRENCE, None]


def check_an_occurrence_comes_out_in_utc(store: Store) -> None:
    """Timestamps of other time zones are read back in UTC."""
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
    """An occurrence without a time zone raises, and nothing is stored."""
    try:
        put_one(
            store,
            occurrence=Occurrence(recurrence=_ZERO.recurrence, at=NOW.replace(tzinfo=None)),
        )
    except NaiveDatetimeError:
        assert enqueued(store) == []
    else:
        raise AssertionError("write accepted a naive occurrence")


def check_a_reserved_job_has_its_occurrence(store: Store) -> None:
    """`reserve`, `find`, `list` and `abandoned` return the occurrence."""
    held = hold(store, occurrence=_FULL)
    assert held.occurrence == _FULL
    assert store.find(held.id) == held
    assert listed(store, "running") == [held]
    assert list(store.abandoned(now=NOW + LEASE)) == [held]


def check_requeueing_keeps_the_occurrence(store: Store) -> None:
    """A job may be put back any number of times."""
    held = hold(store, occurrence=_FULL, unique_key="k")
    for delay in (None, timedelta(0)):
        store.write(settle=[requeue(held, attempts=1, delay=delay)], now=NOW)
        [waiting] = enqueued(store)
        assert waiting.occurrence == _FULL
        [held] = take(store, start(store))
    assert held.occurrence == _FULL


def check_a_succeeded_job_keeps_its_occurrence(store: Store) -> None:
    """A job that was enqueued without an occurrence has none."""
    first, second = hold(store, occurrence=_FULL), hold(store)
    store.write(settle=[succeed(first), succeed(second)], now=NOW)
    ended = store.find(first.id)
    assert isinstance(ended, SucceededJob)
    assert ended.occurrence == _FULL
    assert [job.occurrence for job in listed(store, "succeeded")] == [None, _FULL]


def check_a_completed_job_keeps_its_occurrence(store: Store) -> None:
    """`complete` keeps the occurrence as a settlement does."""
    held = hold(store, occurrence=_FULL)
    assert store.complete(held.reservation, lambda _: None, now=NOW)
    assert [job.occurrence for job in listed(store, "succeeded")] == [_FULL]


def check_jobs_that_did_not_succeed_keep_their_occurrence(store: Store) -> None:
    """A job that was enqueued without an occurrence has none."""
    for state, settle in (("failed", fail), ("cancelled", cancel)):
        first, second = hold(store, occurrence=_FULL), hold(store)
        store.write(settle=[settle(first), settle(second)], now=NOW)
        ended = store.find(first.id)
        assert ended is not None
        assert (ended.state, ended.occurrence) == (state, _FULL)
        assert [job.occurrence for job in listed(store, ended.state)] == [None, _FULL]


def check_the_holder_of_a_unique_key_has_its_occurrence(store: Store) -> None:
    """The returned job has its own occurrence, not that of the request."""
    holder = put_one(store, unique_key="k", occurrence=_FULL)
    assert put(store, ask(unique_key="k", occurrence=_ZERO)) == [holder]
    assert put(store, ask(unique_key="k")) == [holder]
    found = store.find_unique("mail", "k")
    assert isinstance(found, Job)
    assert found.occurrence == _FULL
