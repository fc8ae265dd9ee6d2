"""`write` with new jobs, `find` and `replace`."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import product

from attrs import evolve

from bgjobs._core.ids import new_id, new_ids
from bgjobs._core.jobs import Job
from bgjobs.errors import DuplicateJobError, NaiveDatetimeError
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    ERROR,
    NOW,
    OCCURRENCE,
    SECOND,
    ask,
    end,
    enqueued,
    fail,
    hold,
    ids,
    listed,
    put,
    put_one,
    requeue,
    start,
    succeed,
    take,
)


def check_an_enqueued_job_is_stored_as_it_was_given_back(store: Store) -> None:
    """The row equals the returned job: due now, without an owner, and all counters 0."""
    [job] = put(store, ask("mail", '{"to":"a"}'))
    assert enqueued(store) == [job]
    assert store.find(job.id) == job
    assert (job.name, job.payload) == ("mail", '{"to":"a"}')
    assert job.created_at == job.available_at == NOW
    assert (job.reserved_at, job.reserved_by, job.reservations) == (None, None, 0)
    assert (job.attempts, job.crashes, job.interruptions) == (0, 0, 0)
    assert (job.priority, job.unique_key, job.errors) == (0, None, ())


def check_a_job_is_stored_under_the_id_it_was_given(store: Store) -> None:
    """The caller chooses the id."""
    job_id = new_id()
    assert ids(store.write([NewJob(job_id, ask())], now=NOW).jobs) == [job_id]


def check_jobs_come_back_in_the_order_asked(store: Store) -> None:
    """The order of the requests counts, not ids or priorities."""
    backwards = new_ids(20)[::-1]
    new = [NewJob(one, ask(priority=place % 3)) for place, one in enumerate(backwards)]
    assert ids(store.write(new, now=NOW).jobs) == backwards


def check_writing_nothing_changes_nothing(store: Store) -> None:
    """A write without jobs and settlements is allowed."""
    written = store.write(now=NOW)
    assert list(written.jobs) == []
    assert list(written.lost) == []


def check_options_are_stored(store: Store) -> None:
    """Each option is read back with an equal value."""
    moment = NOW + 3 * DAY
    job = put_one(store, available_at=moment, priority=-7, unique_key="k")
    assert (job.available_at, job.priority, job.unique_key) == (moment, -7, "k")
    assert store.find(job.id) == job


def check_a_delay_is_counted_from_now(store: Store) -> None:
    """A delay is exact to the microsecond."""
    delay = timedelta(hours=1, microseconds=7)
    assert put_one(store, available_in=delay).available_at == NOW + delay


def check_instants_of_other_zones_come_out_in_utc(store: Store) -> None:
    """A timestamp of another time zone is read back as the same instant in UTC."""
    there = timezone(timedelta(hours=5, minutes=30))
    job = put_one(store, available_at=NOW.astimezone(there))
    found = store.find(job.id)
    assert found is not None
    assert found.available_at == job.available_at == NOW
    assert found.available_at.utcoffset() == job.available_at.utcoffset() == timedelta(0)


def check_now_of_another_zone_is_the_same_instant(store: Store) -> None:
    """`now` is converted to UTC."""
    there = timezone(timedelta(hours=-8))
    assert put_one(store, now=NOW.astimezone(there)).created_at == NOW


def check_a_naive_now_is_refused(store: Store) -> None:
    """A `now` without a time zone raises, and nothing is stored."""
    naive = NOW.replace(tzinfo=None)
    try:
        put_one(store, now=naive)
    except NaiveDatetimeError:
        assert enqueued(store) == []
    else:
        raise AssertionError("write accepted a naive now")


def check_a_naive_available_at_is_refused(store: Store) -> None:
    """The other jobs of the same write are not stored either."""
    try:
        put(store, ask(), ask(available_at=NOW.replace(tzinfo=None)))
    except NaiveDatetimeError:
        assert enqueued(store) == []
    else:
        raise AssertionError("write accepted a naive available_at")


def check_without_now_the_store_has_its_own_clock(store: Store) -> None:
    """A job written without `now` is due now, and its timestamp is in UTC."""
    [job] = store.write([NewJob(new_id(), ask())]).jobs
    assert job.created_at.utcoffset() == timedelta(0)
    assert job.created_at > datetime(2020, 1, 1, tzinfo=UTC)
    due = store.next_due(["mail"])
    assert due is not None
    assert due <= timedelta(0)


def check_a_repeated_write_stores_nothing_twice(store: Store) -> None:
    """A write may be repeated after its answer was lost."""
    new = [NewJob(one, ask()) for one in new_ids(3)]
    first = store.write(new, now=NOW)
    again = store.write(new, now=NOW + SECOND)
    assert list(again.jobs) == list(first.jobs)
    assert len(enqueued(store)) == 3


def check_an_id_twice_in_one_write_is_stored_once(store: Store) -> None:
    """The answer contains the job at both places."""
    new = NewJob(new_id(), ask())
    one, other = store.write([new, new], now=NOW).jobs
    assert one == other
    assert len(enqueued(store)) == 1


def check_a_repeated_write_leaves_a_reserved_job_as_it_is(store: Store) -> None:
    """The repeated write returns the job with its owner."""
    new = NewJob(new_id(), ask())
    store.write([new], now=NOW)
    [held] = take(store, start(store))
    assert list(store.write([new], now=NOW).jobs) == [held]
    assert store.find(new.id) == held


def check_a_repeated_write_does_not_revive_an_ended_job(store: Store) -> None:
    """A job that ended before the write was repeated must not run again."""
    for settle, request in product(ENDS.values(), (ask(), ask(unique_key="k"))):
        new = NewJob(new_id(), request)
        store.write([new], now=NOW)
        [held] = take(store, start(store))
        store.write(settle=[settle(held)], now=NOW)
        ended = store.find(new.id)
        again = evolve(new, repeated=True)
        assert ids(store.write([again], now=NOW + SECOND).jobs) == [new.id]
        assert store.find(new.id) == ended
    assert enqueued(store) == []


def check_a_repeated_write_gives_an_ended_job_as_it_was_asked(store: Store) -> None:
    """The returned job has no owner."""
    done, broken = (NewJob(one, ask(unique_key=str(one))) for one in new_ids(2))
    asked = store.write([done, broken], now=NOW).jobs
    held = {job.id: job for job in take(store, start(store))}
    failed = fail(held[broken.id], attempts=3, errors=(ERROR,))
    store.write(settle=[succeed(held[done.id]), failed], now=NOW)
    assert list(store.write([done, broken], now=NOW).jobs) == list(asked)


def check_one_write_enqueues_and_settles(store: Store) -> None:
    """A write may contain new jobs and settlements."""
    held = hold(store)
    written = store.write([NewJob(new_id(), ask("next"))], [succeed(held)], now=NOW)
    assert list(written.lost) == []
    assert ids(enqueued(store)) == ids(written.jobs)
    assert ids(listed(store, "succeeded")) == [held.id]


def check_a_thousand_jobs_go_into_one_write(store: Store) -> None:
    """A group commit may be large."""
    jobs = put(store, *(ask(payload=str(number)) for number in range(1000)))
    assert [job.payload for job in jobs] == [str(number) for number in range(1000)]
    assert store.count(now=NOW).waiting == 1000


def check_an_unknown_id_is_not_found(store: Store) -> None:
    """`find` returns None."""
    put_one(store)
    assert store.find(new_id()) is None


def _assert_refused(store: Store, waiting: Job) -> None:
    """Assert that `replace` with a new job and without one changes nothing."""
    before = store.find(waiting.id)
    new = NewJob(new_id(), ask("other"))
    assert store.replace(waiting, new, now=NOW) is False
    assert store.replace(waiting, None, now=NOW) is False
    assert store.find(waiting.id) == before
    assert store.find(new.id) is None


def check_a_waiting_job_is_replaced(store: Store) -> None:
    """The new job takes over the unique key, and the old job is deleted."""
    waiting = put_one(store, unique_key="k", occurrence=OCCURRENCE)
    later = evolve(OCCURRENCE, at=NOW + DAY, paused=True)
    new = NewJob(new_id(), ask(unique_key="k", available_in=DAY, occurrence=later))
    assert store.replace(waiting, new, now=NOW + SECOND) is True
    assert store.find(waiting.id) is None
    [job] = enqueued(store)
    assert (job.id, job.occurrence) == (new.id, later)
    assert (job.created_at, job.available_at) == (NOW + SECOND, NOW + SECOND + DAY)
    assert store.find_unique("mail", "k") == job
    assert store.count(now=NOW).succeeded == store.count(now=NOW).failed == 0


def check_a_delayed_job_is_replaced(store: Store) -> None:
    """A delayed job counts as waiting."""
    waiting = put_one(store, unique_key="k", available_in=DAY)
    new = NewJob(new_id(), ask(unique_key="k"))
    assert store.replace(waiting, new, now=NOW) is True
    assert ids(take(store, start(store))) == [new.id]


def check_what_replaces_a_job_is_planned_by_the_time_of_the_change(store: Store) -> None:
    """`plan` gets the time of the write, and is not called if nothing is replaced."""
    waiting = put_one(store, unique_key="k")
    asked = ask(unique_key="k")
    new = NewJob(new_id(), asked, plan=lambda now: asked.available_at(now + DAY))
    assert store.replace(waiting, new, now=NOW + SECOND) is True
    [job] = enqueued(store)
    assert (job.id, job.available_at) == (new.id, NOW + SECOND + DAY)
    unwanted = NewJob(new_id(), ask(), plan=lambda now: ask(f"{1 / 0} {now}"))
    assert store.replace(waiting, unwanted, now=NOW) is False


def check_replacing_by_nothing_deletes(store: Store) -> None:
    """Only the given job is deleted."""
    waiting, other = put(store, ask(unique_key="k"), ask())
    assert store.replace(waiting, None, now=NOW) is True
    assert store.find(waiting.id) is None
    assert store.find_unique("mail", "k") is None
    assert enqueued(store) == [other]


def check_a_reserved_job_is_not_replaced(store: Store) -> None:
    """Neither the job as it waited nor the job as it is reserved can be replaced."""
    waiting = put_one(store, unique_key="k")
    [held] = take(store, start(store))
    for job in (waiting, held):
        _assert_refused(store, job)
    assert not store.write(settle=[succeed(held)], now=NOW).lost


def check_a_job_reserved_meanwhile_is_not_replaced(store: Store) -> None:
    """A job that was reserved and put back has changed; read again, it can be replaced."""
    waiting = put_one(store)
    [held] = take(store, start(store))
    store.write(settle=[requeue(held, delay=timedelta(0))], now=NOW)
    _assert_refused(store, waiting)
    [again] = enqueued(store)
    assert store.replace(again, None, now=NOW) is True


def check_an_ended_job_is_not_replaced(store: Store) -> None:
    """An unknown job is not replaced either."""
    for settle in ENDS.values():
        held = end(store, settle)
        _assert_refused(store, evolve(held, reserved_at=None, reserved_by=None))
    _assert_refused(store, evolve(hold(store), id=new_id()))


def check_replacing_twice_is_refused_the_second_time(store: Store) -> None:
    """The new job of the first call stays."""
    waiting = put_one(store, unique_key="k")
    new = NewJob(new_id(), ask(unique_key="k"))
    assert store.replace(waiting, new, now=NOW) is True
    assert store.replace(waiting, NewJob(new_id(), ask(unique_key="k")), now=NOW) is False
    assert ids(enqueued(store)) == [new.id]


def check_a_new_job_that_is_refused_leaves_the_old_one(store: Store) -> None:
    """The deletion and the insertion are one transaction."""
    holder, waiting = put(store, ask(unique_key="k"), ask())
    new = NewJob(new_id(), ask(unique_key="k", refuses_duplicates=True))
    try:
        store.replace(waiting, new, now=NOW)
    except DuplicateJobError:
        assert enqueued(store) == [holder, waiting]
    else:
        raise AssertionError("replace accepted a duplicate that the request refuses")
