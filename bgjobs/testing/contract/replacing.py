"""`replace`: a waiting job gives its place to another one, or to none."""
# ruff: noqa: D401 - the docstring of a check goes on where its name ends

from datetime import timedelta

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs.errors import DuplicateJobError
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    DAY,
    NOW,
    OCCURRENCE,
    SECOND,
    ask,
    fail,
    hold,
    ids,
    put,
    put_one,
    requeue,
    start,
    succeed,
    take,
)


def _assert_refused(store: Store, waiting: Job) -> None:
    """Neither replacing nor deleting it does anything."""
    before = store.find(waiting.id)
    new = NewJob(new_id(), ask("other"))
    assert store.replace(waiting, new, now=NOW) is False
    assert store.replace(waiting, None, now=NOW) is False
    assert store.find(waiting.id) == before
    assert store.find(new.id) is None


def check_a_waiting_job_is_replaced(store: Store) -> None:
    """The new one takes its unique key; the old one is gone for good."""
    waiting = put_one(store, unique_key="k", occurrence=OCCURRENCE)
    later = evolve(OCCURRENCE, at=NOW + DAY, paused=True)
    new = NewJob(new_id(), ask(unique_key="k", available_in=DAY, occurrence=later))
    assert store.replace(waiting, new, now=NOW + SECOND) is True
    assert store.find(waiting.id) is None
    [job] = store.get_enqueued()
    assert (job.id, job.occurrence) == (new.id, later)
    assert (job.created_at, job.available_at) == (NOW + SECOND, NOW + SECOND + DAY)
    assert store.find_unique("mail", "k") == job
    assert store.count(now=NOW).succeeded == store.count(now=NOW).failed == 0


def check_a_delayed_job_is_replaced(store: Store) -> None:
    """It waits, too."""
    waiting = put_one(store, unique_key="k", available_in=DAY)
    new = NewJob(new_id(), ask(unique_key="k"))
    assert store.replace(waiting, new, now=NOW) is True
    assert ids(take(store, start(store))) == [new.id]


def check_what_replaces_a_job_is_planned_by_the_time_of_the_change(store: Store) -> None:
    """And not at all if nothing is changed."""
    waiting = put_one(store, unique_key="k")
    asked = ask(unique_key="k")
    new = NewJob(new_id(), asked, plan=lambda now: asked.available_at(now + DAY))
    assert store.replace(waiting, new, now=NOW + SECOND) is True
    [job] = store.get_enqueued()
    assert (job.id, job.available_at) == (new.id, NOW + SECOND + DAY)
    unwanted = NewJob(new_id(), ask(), plan=lambda now: ask(f"{1 / 0} {now}"))
    assert store.replace(waiting, unwanted, now=NOW) is False


def check_replacing_by_nothing_deletes(store: Store) -> None:
    """Only this job."""
    waiting, other = put(store, ask(unique_key="k"), ask())
    assert store.replace(waiting, None, now=NOW) is True
    assert store.find(waiting.id) is None
    assert store.find_unique("mail", "k") is None
    assert list(store.get_enqueued()) == [other]


def check_a_reserved_job_is_not_replaced(store: Store) -> None:
    """Neither as it was read while it waited nor as its holder has it."""
    waiting = put_one(store, unique_key="k")
    [held] = take(store, start(store))
    for job in (waiting, held):
        _assert_refused(store, job)
    assert not store.write(settle=[succeed(held)], now=NOW).lost


def check_a_job_reserved_meanwhile_is_not_replaced(store: Store) -> None:
    """It waits again, but it is not what was read; as read anew it is replaced."""
    waiting = put_one(store)
    [held] = take(store, start(store))
    store.write(settle=[requeue(held, delay=timedelta(0))], now=NOW)
    _assert_refused(store, waiting)
    [again] = store.get_enqueued()
    assert store.replace(again, None, now=NOW) is True


def check_an_ended_job_is_not_replaced(store: Store) -> None:
    """Nor one that never was."""
    for settle in (succeed, fail):
        held = hold(store)
        store.write(settle=[settle(held)], now=NOW)
        _assert_refused(store, evolve(held, reserved_at=None, reserved_by=None))
    _assert_refused(store, evolve(hold(store), id=new_id()))


def check_replacing_twice_is_refused_the_second_time(store: Store) -> None:
    """The new job stays."""
    waiting = put_one(store, unique_key="k")
    new = NewJob(new_id(), ask(unique_key="k"))
    assert store.replace(waiting, new, now=NOW) is True
    assert store.replace(waiting, NewJob(new_id(), ask(unique_key="k")), now=NOW) is False
    assert ids(store.get_enqueued()) == [new.id]


def check_a_new_job_that_is_refused_leaves_the_old_one(store: Store) -> None:
    """Both or neither."""
    holder, waiting = put(store, ask(unique_key="k"), ask())
    new = NewJob(new_id(), ask(unique_key="k", refuses_duplicates=True))
    try:
        store.replace(waiting, new, now=NOW)
    except DuplicateJobError:
        assert list(store.get_enqueued()) == [holder, waiting]
    else:
        raise AssertionError("a duplicate was taken that refuses to be one")
