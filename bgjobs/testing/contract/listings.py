"""`list`: the jobs of each state, their order and their pages."""

from typing import get_args
from uuid import UUID

from bgjobs._core.ids import new_id, new_ids
from bgjobs._core.jobs import State
from bgjobs.stores.pages import Page
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    NOW,
    SECOND,
    TICK,
    ask,
    end,
    enqueued,
    hold,
    ids,
    listed,
    put,
    requeue,
    start,
    take,
    walk,
)


def check_each_job_is_listed_in_its_state_alone(store: Store) -> None:
    """Each state has a listing of its own; a store that writes valid rows sets none apart."""
    jobs: dict[State, UUID] = {state: end(store, settle).id for state, settle in ENDS.items()}
    jobs["running"] = hold(store).id
    jobs["waiting"], jobs["delayed"] = ids(put(store, ask(), ask("purge", available_in=DAY)))
    for state in get_args(State):
        assert ids(listed(store, state)) == [one for one in [jobs.get(state)] if one]


def check_a_delayed_job_is_listed_as_waiting_when_it_is_due(store: Store) -> None:
    """At the instant itself it waits."""
    due, later = ids(put(store, ask(), ask(available_in=SECOND)))
    soon = NOW + SECOND - TICK
    assert ids(listed(store, "waiting", now=soon)) == [due]
    assert ids(listed(store, "delayed", now=soon)) == [later]
    assert ids(listed(store, "waiting", now=NOW + SECOND)) == [due, later]
    assert ids(listed(store, "delayed", now=NOW + SECOND)) == []


def check_live_jobs_are_listed_the_oldest_first(store: Store) -> None:
    """The order is that of ids, whatever the priority and the due time."""
    ascending = new_ids(9)
    new = [
        NewJob(one, ask(priority=place % 3, available_at=NOW + (place % 4 - 2) * DAY))
        for place, one in enumerate(ascending[::-1])
    ]
    store.write(new, now=NOW)
    delayed = sorted(one.id for place, one in enumerate(new) if place % 4 == 3)
    waiting = sorted({*ascending}.difference(delayed))
    assert ids(listed(store, "delayed")) == delayed
    assert ids(listed(store, "waiting")) == waiting
    for limit in (2, 1, 4):
        take(store, start(store), limit=limit)
    assert ids(listed(store, "running")) == waiting


def check_ended_jobs_are_listed_the_newest_first(store: Store) -> None:
    """The order is that of ids, not that of the ends."""
    for state, settle in ENDS.items():
        jobs = put(store, ask("mail"), ask("purge"), ask("mail"))
        held = {job.id: job for job in take(store, start(store), ["mail", "purge"])}
        for place in (1, 2, 0):
            store.write(settle=[settle(held[jobs[place].id])], now=NOW)
        assert ids(listed(store, state)) == ids(jobs)[::-1]
        assert ids(listed(store, state, name="mail")) == [jobs[2].id, jobs[0].id]


def check_a_released_job_is_enqueued_and_not_running(store: Store) -> None:
    """A job is in one listing at a time."""
    held = hold(store)
    assert (ids(enqueued(store)), ids(listed(store, "running"))) == ([], [held.id])
    store.write(settle=[requeue(held)], now=NOW)
    assert (ids(enqueued(store)), ids(listed(store, "running"))) == ([held.id], [])


def check_listings_come_in_pages(store: Store) -> None:
    """Each page begins after the last row of the page before, and the last one has no end."""
    later = ids(put(store, *(ask(available_in=DAY) for _ in range(7))))
    jobs = ids(put(store, *(ask() for _ in range(7))))
    for name in (None, "mail"):
        assert ids(walk(store, "waiting", 3, name=name)) == jobs
        assert ids(walk(store, "delayed", 3, name=name)) == later
    for state, settle in ENDS.items():
        owner = start(store)
        held = take(store, owner)
        for properties in ({}, {"name": "mail"}, {"owner": owner}):
            assert ids(walk(store, "running", 3, **properties)) == jobs
        store.write(settle=[settle(job) for job in held], now=NOW)
        for name in (None, "mail"):
            assert ids(walk(store, state, 3, name=name)) == jobs[::-1]
        jobs = ids(put(store, *(ask() for _ in range(7))))


def check_a_page_of_nothing_is_empty(store: Store) -> None:
    """A limit of zero lists no job of any state."""
    for settle in ENDS.values():
        end(store, settle)
    hold(store)
    put(store, ask(), ask(available_in=DAY))
    for state in get_args(State):
        assert listed(store, state, Page(0)) == []


def check_a_page_begins_after_an_id_that_has_no_job(store: Store) -> None:
    """An id is a position, whether its job still exists or not."""
    first, second, third = put(store, ask(), ask(), ask())
    assert store.replace(second, None, now=NOW)
    assert ids(listed(store, "waiting", Page(9, after=second.id))) == [third.id]
    assert listed(store, "waiting", Page(9, after=new_id())) == []
    take(store, start(store))
    assert ids(listed(store, "running", Page(9, after=second.id))) == [third.id]
    assert ids(listed(store, "running", Page(1, after=first.id))) == [third.id]


def check_a_page_has_a_hundred_rows_unless_said(store: Store) -> None:
    """The default page limits a listing."""
    put(store, *(ask() for _ in range(101)))
    found = listed(store, "waiting")
    assert len(found) == 100
    assert found.after is not None
