"""`reserve` and `next_due` where there are many priorities, due and delayed."""

from datetime import timedelta
from random import Random

from bgjobs._core.jobs import Job
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    DAY,
    NOW,
    OCCURRENCE,
    SECOND,
    TICK,
    ask,
    ids,
    put,
    put_one,
    requeue,
    start,
    take,
)

LAST = 32_767
"""The least urgent priority; the most urgent one has the same number below zero."""


def _order(job: Job) -> tuple[int, object, object]:
    return job.priority, job.available_at, job.id


def check_delayed_jobs_of_many_priorities_hide_no_due_one(store: Store) -> None:
    """Ten at each of 70 priorities, and one job that is due behind, between or before them."""
    put(store, *(ask(priority=n - 35, available_in=DAY) for n in range(70) for _ in range(10)))
    owner = start(store)
    assert list(take(store, owner)) == []
    for priority in (35, 0, 1, -1, -36, LAST, -LAST):
        for limit in (1, 100):
            job = put_one(store, priority=priority)
            assert ids(take(store, owner, limit=limit)) == [job.id]


def check_one_job_at_each_of_many_priorities_is_taken_one_by_one(store: Store) -> None:
    """As a queue of one slot takes them."""
    jobs = put(store, *(ask(priority=n) for n in range(31, -31, -1)))
    owner = start(store)
    taken = [one for _ in jobs for one in ids(take(store, owner, limit=1))]
    assert taken == ids(sorted(jobs, key=_order))
    assert list(take(store, owner)) == []


def check_the_first_and_the_last_priority_are_reserved(store: Store) -> None:
    """At the ends of what a priority may be, due from the start or later."""
    put(
        store,
        *(ask(priority=priority) for priority in (LAST, 0, -LAST)),
        *(ask(priority=priority, available_in=SECOND) for priority in (LAST, 0, -LAST)),
    )
    owner = start(store)
    assert [job.priority for job in take(store, owner)] == [-LAST, 0, LAST]
    assert store.next_due(["mail"], now=NOW) == SECOND
    later = NOW + SECOND
    assert [job.priority for job in take(store, owner, now=later)] == [-LAST, 0, LAST]
    assert store.next_due(["mail"], now=later) is None


def check_many_jobs_that_had_to_wait_keep_their_order(store: Store) -> None:
    """More of them than a store may be willing to sort at once."""
    put(store, *(ask(priority=n % 7 - 3, available_in=n % 50 * TICK) for n in range(700)))
    put(store, *(ask(priority=n, available_in=DAY) for n in range(-50, 50)))
    owner, later = start(store), NOW + SECOND
    for limit in (1, 10, 300, 1000):
        taken = take(store, owner, limit=limit, now=later)
        assert list(taken) == sorted(taken, key=_order)
        left = take(store, owner, limit=1, now=later)
        assert all(_order(taken[-1]) < _order(one) for one in left)
        store.write(settle=[requeue(job) for job in (*taken, *left)], now=later)


def check_priorities_and_times_of_all_kinds_keep_their_order(store: Store) -> None:
    """Those that never had to wait, those that had to, those put back, and those that wait."""
    random, names = Random(4711), ["mail", "purge", "index"]
    levels = [-LAST, -300, -2, -1, 0, 1, 2, 3, 300, LAST]
    put(
        store,
        *(
            ask(
                random.choice(names),
                priority=random.choice(levels),
                available_at=NOW + random.randint(-9, 9) * SECOND,
            )
            for _ in range(300)
        ),
    )
    owner = start(store)
    for second in range(-10, 12, 3):
        now = NOW + second * SECOND
        for chosen in (names, names[:1], names[1:]):
            everything = take(store, owner, chosen, 1000, now)
            assert list(everything) == sorted(everything, key=_order)
            store.write(settle=[requeue(job) for job in everything], now=now)
            for limit in (1, 7, 100):
                taken = take(store, owner, chosen, limit, now)
                assert ids(taken) == ids(everything)[:limit]
                store.write(settle=[requeue(job) for job in taken], now=now)
            wait = store.next_due(chosen, now=now)
            assert (wait is not None and wait <= timedelta(0)) == bool(everything)


def check_next_due_of_many_priorities_is_the_soonest(store: Store) -> None:
    """Of all of them, whatever the priority, and without occurrences when told."""
    put(store, *(ask(priority=n, available_in=DAY - n * SECOND) for n in range(-60, 60)))
    assert store.next_due(["mail"], now=NOW) == DAY - 59 * SECOND
    put_one(store, priority=-7, available_in=SECOND, occurrence=OCCURRENCE)
    assert store.next_due(["mail"], now=NOW) == SECOND
    assert store.next_due(["mail"], planned=False, now=NOW) == DAY - 59 * SECOND
    put_one(store, available_in=TICK)
    assert store.next_due(["mail"], planned=False, now=NOW) == TICK


def check_a_clock_that_was_set_back_hides_no_job(store: Store) -> None:
    """Jobs that were due when they were stored are due again when it is that time again."""
    ahead = NOW + DAY
    put(store, *(ask(priority=n) for n in range(-20, 20)), now=ahead)
    soon = put_one(store, priority=3, now=NOW + SECOND)
    due = put_one(store, priority=5, now=NOW)
    owner = start(store)
    assert ids(take(store, owner, limit=1)) == [due.id]
    assert store.next_due(["mail"], now=NOW) == SECOND
    assert ids(take(store, owner, now=NOW + SECOND)) == [soon.id]
    assert store.next_due(["mail"], now=NOW) == DAY
