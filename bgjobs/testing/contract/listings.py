"""The listings, their pages, and `count`."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from attrs import astuple

from bgjobs._core.ids import new_id, new_ids
from bgjobs._core.settlements import Settlement
from bgjobs.stores.pages import Page
from bgjobs.stores.port import Store
from bgjobs.stores.types import Counts, NewJob
from bgjobs.testing.contract.steps import (
    DAY,
    NOW,
    SECOND,
    TICK,
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


def check_get_enqueued_gives_waiting_and_delayed_jobs(store: Store) -> None:
    """Reserved and ended jobs are not listed."""
    store.write(settle=[succeed(hold(store)), fail(hold(store))], now=NOW)
    hold(store)
    jobs = put(store, ask(), ask("purge", available_in=DAY))
    assert list(store.get_enqueued()) == list(jobs)


def check_get_enqueued_of_one_worker(store: Store) -> None:
    """The name must match exactly."""
    put(store, ask("mail"), ask("purge"), ask("Mail"), ask("mail"))
    assert [job.name for job in store.get_enqueued("mail")] == ["mail", "mail"]
    assert list(store.get_enqueued("other")) == []


def check_get_enqueued_goes_by_id(store: Store) -> None:
    """The oldest job comes first, whatever its priority and due time."""
    ascending = new_ids(10)
    new = [
        NewJob(one, ask(priority=place % 3, available_in=place * DAY))
        for place, one in enumerate(ascending[::-1])
    ]
    store.write(new, now=NOW)
    assert ids(store.get_enqueued()) == ascending


def check_get_running_gives_reserved_jobs(store: Store) -> None:
    """The jobs are those of one owner or of all, the oldest first."""
    put(store, *(ask(priority=-place) for place in range(4)))
    one, other = start(store), start(store)
    mine, theirs = take(store, one, limit=2), take(store, other, limit=1)
    assert ids(store.get_running()) == sorted(ids([*mine, *theirs]))
    assert ids(store.get_running(one)) == sorted(ids(mine))
    assert list(store.get_running(other)) == list(theirs)
    assert list(store.get_running(new_id())) == []


def check_a_released_job_is_enqueued_and_not_running(store: Store) -> None:
    """A job is in one listing at a time."""
    held = hold(store)
    assert (ids(store.get_enqueued()), ids(store.get_running())) == ([], [held.id])
    store.write(settle=[requeue(held)], now=NOW)
    assert (ids(store.get_enqueued()), ids(store.get_running())) == ([held.id], [])


def check_ended_jobs_are_listed_the_newest_first(store: Store) -> None:
    """The order is that of ids, not that of the ends."""
    for settle, listing in ((succeed, store.get_succeeded), (fail, store.get_failed)):
        jobs = put(store, ask("mail"), ask("purge"), ask("mail"))
        held = {job.id: job for job in take(store, start(store), ["mail", "purge"])}
        for place in (1, 2, 0):
            store.write(settle=[settle(held[jobs[place].id])], now=NOW)
        assert ids(listing()) == ids(jobs)[::-1]
        assert ids(listing("mail")) == [jobs[2].id, jobs[0].id]
        assert ids(listing("purge")) == [jobs[1].id]
        assert list(listing("other")) == []


def check_succeeded_and_failed_jobs_are_kept_apart(store: Store) -> None:
    """Each has its own listing."""
    good, bad = hold(store), hold(store)
    store.write(settle=[succeed(good), fail(bad)], now=NOW)
    assert ids(store.get_succeeded()) == [good.id]
    assert ids(store.get_failed()) == [bad.id]


def check_listings_come_in_pages(store: Store) -> None:
    """Each page begins after the last row of the page before."""
    jobs = put(store, *(ask() for _ in range(7)))
    _assert_pages(lambda page: store.get_enqueued(None, page), ids(jobs))
    _assert_pages(lambda page: store.get_enqueued("mail", page), ids(jobs))
    owner = start(store)
    held = take(store, owner)
    _assert_pages(lambda page: store.get_running(None, page), ids(jobs))
    _assert_pages(lambda page: store.get_running(owner, page), ids(jobs))
    store.write(settle=[succeed(job) for job in held], now=NOW)
    _assert_pages(lambda page: store.get_succeeded(None, page), ids(jobs)[::-1])
    _assert_pages(lambda page: store.get_succeeded("mail", page), ids(jobs)[::-1])


def check_failed_jobs_come_in_pages(store: Store) -> None:
    """The newest job comes first."""
    jobs = put(store, *(ask() for _ in range(7)))
    held = take(store, start(store))
    store.write(settle=[fail(job) for job in held], now=NOW)
    _assert_pages(lambda page: store.get_failed(None, page), ids(jobs)[::-1])
    _assert_pages(lambda page: store.get_failed("mail", page), ids(jobs)[::-1])


def _assert_pages(listing: Callable[[Page], Sequence[Any]], expected: list[UUID]) -> None:
    found: list[UUID] = []
    sizes: list[int] = []
    while part := ids(listing(Page(3, found[-1] if found else None))):
        found += part
        sizes.append(len(part))
    assert found == expected
    assert sizes == [3, 3, 1]
    assert list(listing(Page(0))) == []


def check_a_page_has_a_hundred_rows_unless_said(store: Store) -> None:
    """The default page limits a listing."""
    put(store, *(ask() for _ in range(101)))
    assert len(store.get_enqueued()) == 100


def check_an_empty_store_counts_zero(store: Store) -> None:
    """All counts are 0."""
    assert store.count(now=NOW) == Counts(0, 0, 0, 0, 0)


def _fill(store: Store) -> None:
    put(store, *(ask() for _ in range(9)), ask("purge"))
    held = take(store, start(store), limit=6)
    settlements: list[Settlement] = [succeed(held[0]), fail(held[1]), fail(held[2])]
    store.write(settle=settlements, now=NOW)
    put(store, ask(available_in=DAY), ask("purge", available_in=DAY))
    put_one(store, priority=-1)
    [urgent] = take(store, start(store), limit=1)
    store.write(settle=[succeed(urgent)], now=NOW)


def check_every_job_is_counted_once(store: Store) -> None:
    """Each job counts in its current state."""
    _fill(store)
    assert store.count(now=NOW) == Counts(4, 2, 3, 2, 2)


def check_count_of_some_workers(store: Store) -> None:
    """Other workers are left out; no names count nothing."""
    _fill(store)
    assert store.count(["mail"], now=NOW) == Counts(3, 1, 3, 2, 2)
    assert store.count(["purge", "other"], now=NOW) == Counts(1, 1, 0, 0, 0)
    assert store.count(["mail", "purge", "mail"], now=NOW) == Counts(4, 2, 3, 2, 2)
    assert store.count([], now=NOW) == Counts(0, 0, 0, 0, 0)


def check_a_delayed_job_becomes_due_at_its_instant(store: Store) -> None:
    """`count` and `reserve` agree on the due time."""
    put_one(store, available_in=SECOND)
    assert store.count(now=NOW + SECOND - TICK) == Counts(0, 1, 0, 0, 0)
    assert store.count(now=NOW + SECOND) == Counts(1, 0, 0, 0, 0)


def check_count_up_to_a_limit(store: Store) -> None:
    """The limit applies to each state; a count that equals it means that many or more."""
    _fill(store)
    everything = store.count(now=NOW)
    for limit in (0, 1, 2, 3, 100):
        expected = Counts(*(min(limit, one) for one in astuple(everything)))
        assert store.count(at_most=limit, now=NOW) == expected
    some = store.count(["mail", "purge"], at_most=2, now=NOW)
    assert some == Counts(2, 2, 2, 2, 2)
    assert store.count(["purge"], at_most=2, now=NOW) == Counts(1, 1, 0, 0, 0)


def check_count_over_many_workers_and_priorities(store: Store) -> None:
    """All workers and priorities are found, and reserved jobs count as reserved."""
    put(store, *(ask(f"w{place % 5}", priority=place % 4) for place in range(40)))
    take(store, start(store), ["w0"], limit=3)
    assert store.count(now=NOW) == Counts(37, 0, 3, 0, 0)
    assert store.count(["w0", "w4", "none"], now=NOW) == Counts(13, 0, 3, 0, 0)
    assert store.count(at_most=30, now=NOW) == Counts(30, 0, 3, 0, 0)
