"""The state of each job that a method returns."""

from datetime import UTC, datetime

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job, LiveState
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    LEASE,
    NOW,
    SECOND,
    TICK,
    ask,
    end,
    hold,
    listed,
    put,
    requeue,
    start,
    take,
)

_PAST = datetime(1999, 1, 1, tzinfo=UTC)
_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)


def check_a_new_job_is_waiting_or_delayed(store: Store) -> None:
    """`write` returns the state at the time of the write."""
    requests = ask(), ask(available_in=TICK), ask(available_at=NOW), ask(available_at=NOW + DAY)
    states = [job.state for job in put(store, *requests)]
    assert states == ["waiting", "delayed", "waiting", "delayed"]


def check_a_job_is_delayed_until_it_is_due(store: Store) -> None:
    """Each method returns the state at the time of its call; at the due time the job waits."""
    new = NewJob(new_id(), ask(available_in=SECOND, unique_key="k"), repeated=True)
    store.write([new], now=NOW)
    times: dict[LiveState, datetime] = {"delayed": NOW + SECOND - TICK, "waiting": NOW + SECOND}
    for state, now in times.items():
        written = store.write([new, NewJob(new_id(), new.request)], now=now).jobs
        found = store.find(new.id, now=now), store.find_unique("mail", "k", now=now)
        for job in (*written, *found, *listed(store, state, now=now)):
            assert job is not None
            assert (job.id, job.state) == (new.id, state)


def check_a_reserved_job_is_running(store: Store) -> None:
    """Also at a time before it was due, and after the lease of its owner has ended."""
    new = NewJob(new_id(), ask(available_in=SECOND, unique_key="k"), repeated=True)
    store.write([new], now=NOW)
    [held] = take(store, start(store), now=NOW + SECOND)
    for now in (NOW, NOW + SECOND, NOW + DAY):
        written = store.write([new, NewJob(new_id(), new.request)], now=now).jobs
        found = store.find(new.id, now=now), store.find_unique("mail", "k", now=now)
        for job in (held, *written, *found, *listed(store, "running", now=now)):
            assert job is not None
            assert (job.id, job.state) == (new.id, "running")
    assert [job.state for job in store.abandoned(now=NOW + LEASE)] == ["running"]


def check_a_job_that_was_put_back_waits_or_is_delayed(store: Store) -> None:
    """Its state follows from its new due time."""
    for delay, state in ((None, "waiting"), (SECOND, "delayed")):
        held = hold(store)
        store.write(settle=[requeue(held, delay=delay)], now=NOW)
        found = store.find(held.id, now=NOW)
        assert isinstance(found, Job)
        assert found.state == state
        assert store.replace(found, None, now=NOW)


def check_an_ended_job_has_the_state_of_its_end(store: Store) -> None:
    """`find` and `list` return it."""
    for state, settle in ENDS.items():
        job = end(store, settle)
        found = store.find(job.id)
        assert found is not None
        assert found.state == state
        assert [one.state for one in listed(store, state)] == [state]


def check_states_are_those_at_the_clock_of_the_store(store: Store) -> None:
    """Without `now`, a job is due by the clock of the store."""
    for at, state in ((_PAST, "waiting"), (_FUTURE, "delayed")):
        request = ask(available_at=at, unique_key=state)
        [job] = store.write([NewJob(new_id(), request)]).jobs
        [same] = store.write([NewJob(new_id(), request)]).jobs
        for found in (job, same, store.find(job.id), store.find_unique("mail", state)):
            assert found is not None
            assert (found.id, found.state) == (job.id, state)
    assert [job.unique_key for job in store.list(JobFilter("waiting"))] == ["waiting"]
    assert [job.unique_key for job in store.list(JobFilter("delayed"))] == ["delayed"]
