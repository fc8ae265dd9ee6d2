"""`reserve` and `next_due`: which job an owner gets, and when."""
# ruff: noqa: D401 - the docstring of a check goes on where its name ends

from datetime import timedelta
from random import Random

from bgjobs.ids import new_id, new_ids
from bgjobs.jobs import Job
from bgjobs.stores.abc import NewJob, Store
from bgjobs.testing.contract.steps import (
    DAY,
    LEASE,
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


def check_reserving_from_an_empty_table_gives_nothing(store: Store) -> None:
    """No error."""
    assert list(take(store, start(store))) == []


def check_a_reserved_job_has_its_owner_and_instant(store: Store) -> None:
    """And its first number; the rest is as it was."""
    job = put_one(store)
    owner = start(store)
    [held] = take(store, owner, now=NOW + SECOND)
    assert (held.reserved_by, held.reserved_at, held.reservations) == (owner, NOW + SECOND, 1)
    assert (held.id, held.payload, held.attempts) == (job.id, job.payload, 0)
    assert held.created_at == held.available_at == NOW
    assert store.find(job.id) == held
    assert list(store.get_enqueued()) == []


def check_reserve_gives_up_to_its_limit(store: Store) -> None:
    """Two rows with a limit of one: 1, 1, 0."""
    put(store, ask(), ask())
    owner = start(store)
    assert [len(take(store, owner, limit=1)) for _ in range(3)] == [1, 1, 0]


def check_reserve_with_limit_0_gives_nothing(store: Store) -> None:
    """And holds nothing."""
    put_one(store)
    assert list(take(store, start(store), limit=0)) == []
    assert list(store.get_running()) == []


def check_reserve_takes_only_the_named_workers(store: Store) -> None:
    """Another name, a prefix and another case are others."""
    put(store, ask("mail"), ask("mailer"), ask("Mail"), ask("purge"))
    owner = start(store)
    assert list(take(store, owner, ["other", "mai"])) == []
    assert [job.name for job in take(store, owner, ["mail"])] == ["mail"]


def check_reserve_of_no_worker_gives_nothing(store: Store) -> None:
    """An empty collection of names is no wildcard."""
    put_one(store)
    assert list(take(store, start(store), [])) == []


def check_a_name_given_twice_gives_each_job_once(store: Store) -> None:
    """`names` is a collection."""
    put(store, ask(), ask())
    assert len(take(store, start(store), ["mail", "mail"])) == 2


def check_reserve_skips_a_delayed_job(store: Store) -> None:
    """Until its instant, and from exactly then on."""
    job = put_one(store, available_in=SECOND)
    owner = start(store)
    assert list(take(store, owner, now=NOW)) == []
    assert list(take(store, owner, now=NOW + SECOND - TICK)) == []
    assert ids(take(store, owner, now=NOW + SECOND)) == [job.id]


def check_delayed_jobs_do_not_hide_due_ones(store: Store) -> None:
    """Neither of the same worker nor of a better priority."""
    put(store, *(ask(available_in=DAY, priority=-5) for _ in range(5)))
    job = put_one(store)
    put(store, *(ask(available_in=DAY) for _ in range(5)))
    assert ids(take(store, start(store), limit=3)) == [job.id]


def check_reserve_prefers_the_lower_priority(store: Store) -> None:
    """Whatever the age."""
    late, normal, urgent = put(store, ask(priority=9), ask(), ask(priority=-9))
    assert ids(take(store, start(store))) == [urgent.id, normal.id, late.id]


def check_reserve_prefers_the_earlier_instant(store: Store) -> None:
    """Within a priority."""
    last, first, middle = put(
        store,
        ask(available_at=NOW - TICK),
        ask(available_at=NOW - DAY),
        ask(available_at=NOW - 2 * TICK),
    )
    assert ids(take(store, start(store))) == [first.id, middle.id, last.id]


def check_equal_jobs_are_reserved_first_in_first_out(store: Store) -> None:
    """By id, in whatever order they were written."""
    ascending = new_ids(10)
    store.write([NewJob(one, ask()) for one in ascending[::-1]], now=NOW)
    owner = start(store)
    taken = [one for _ in range(5) for one in ids(take(store, owner, limit=2))]
    assert taken == ascending


def check_the_order_goes_across_workers(store: Store) -> None:
    """The limit takes the best of all names together."""
    put(
        store,
        ask("a", "1", priority=1),
        ask("b", "2", available_at=NOW - SECOND),
        ask("c", "3", priority=-1),
        ask("a", "4", available_at=NOW - DAY),
        ask("b", "5", priority=1),
        ask("c", "6"),
    )
    owner = start(store)
    names = ["c", "b", "a"]
    assert [job.payload for job in take(store, owner, names, 4)] == ["3", "4", "2", "6"]
    assert [job.payload for job in take(store, owner, names, 4)] == ["1", "5"]


def check_many_names_and_priorities_keep_their_order(store: Store) -> None:
    """A hundred workers with five priorities each."""
    names = [f"worker-{number}" for number in range(100)]
    asked = [ask(name, priority=level) for level in (3, 0, -3, 7, -7) for name in names]
    put(store, *asked)
    taken = take(store, start(store), names, 300)
    assert [job.priority for job in taken] == [-7] * 100 + [-3] * 100 + [0] * 100
    assert ids(taken) == [
        job.id
        for job in sorted(taken, key=lambda one: (one.priority, one.available_at, one.id))
    ]


def check_two_owners_never_get_the_same_job(store: Store) -> None:
    """One after the other; `concurrency` has them at once."""
    put(store, *(ask() for _ in range(4)))
    one = ids(take(store, start(store), limit=3))
    other = ids(take(store, start(store), limit=3))
    assert (len(one), len(other)) == (3, 1)
    assert not set(one) & set(other)


def check_every_reservation_raises_the_number(store: Store) -> None:
    """By one, whoever holds it; giving it back does not lower it."""
    put_one(store)
    numbers: list[int] = []
    for _ in range(3):
        [held] = take(store, start(store))
        store.write(settle=[requeue(held)], now=NOW)
        numbers.append(held.reservations)
    assert numbers == [1, 2, 3]


def check_an_unknown_owner_gets_nothing(store: Store) -> None:
    """Who has no lease cannot hold a job."""
    put_one(store)
    assert list(take(store, new_id())) == []
    assert list(store.get_running()) == []


def check_an_owner_gets_jobs_until_its_lease_ends(store: Store) -> None:
    """Up to the last microsecond, and none from the end on."""
    put(store, ask(), ask())
    owner = start(store, LEASE)
    assert len(take(store, owner, limit=1, now=NOW + LEASE - TICK)) == 1
    assert list(take(store, owner, limit=1, now=NOW + LEASE)) == []


def check_a_closed_owner_gets_nothing(store: Store) -> None:
    """Its lease is gone."""
    put_one(store)
    owner = start(store)
    store.close_owners([owner], now=NOW)
    assert list(take(store, owner)) == []


def check_next_due_of_an_empty_table_is_none(store: Store) -> None:
    """There is nothing to wait for."""
    assert store.next_due(["mail"], now=NOW) is None
    assert store.next_due([], now=NOW) is None


def check_next_due_says_how_long_until_the_first_job(store: Store) -> None:
    """The soonest of all names and priorities, to the microsecond."""
    put(store, ask("a", available_in=DAY, priority=-3), ask("b", available_in=SECOND + TICK))
    put_one(store, "c", available_in=TICK)
    assert store.next_due(["a", "b"], now=NOW) == SECOND + TICK
    assert store.next_due(["a"], now=NOW) == DAY
    assert store.next_due(["a", "b", "c"], now=NOW) == TICK
    assert store.next_due(["d"], now=NOW) is None


def check_next_due_is_zero_or_less_for_a_due_job(store: Store) -> None:
    """A due job is not waited for, and neither hides nor is hidden by a delayed one."""
    put(store, ask(available_in=DAY, priority=-1), ask())
    at_once = store.next_due(["mail"], now=NOW)
    later = store.next_due(["mail"], now=NOW + SECOND)
    assert at_once is not None
    assert later is not None
    assert at_once <= timedelta(0)
    assert later <= timedelta(0)


def check_next_due_sees_scheduled_jobs_unless_told(store: Store) -> None:
    """Whatever stands before or behind them, in the same priority or another."""
    put(
        store,
        ask(available_in=TICK, occurrence=OCCURRENCE),
        ask(available_in=DAY),
        ask(available_in=2 * TICK, occurrence=OCCURRENCE, priority=-3),
        ask("purge", available_in=SECOND, occurrence=OCCURRENCE),
    )
    assert store.next_due(["mail", "purge"], now=NOW) == TICK
    assert store.next_due(["mail", "purge"], planned=False, now=NOW) == DAY
    assert store.next_due(["purge"], planned=True, now=NOW) == SECOND
    assert store.next_due(["purge"], planned=False, now=NOW) is None


def check_next_due_does_not_see_reserved_jobs(store: Store) -> None:
    """They are somebody's already."""
    put_one(store)
    take(store, start(store))
    assert store.next_due(["mail"], now=NOW) is None


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
