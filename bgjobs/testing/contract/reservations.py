"""`reserve` and `next_due`: which job an owner gets, and when."""

from datetime import timedelta
from random import Random

from bgjobs._core.ids import new_id, new_ids
from bgjobs._core.jobs import Job
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    DAY,
    LEASE,
    NOW,
    OCCURRENCE,
    SECOND,
    TICK,
    ask,
    enqueued,
    ids,
    listed,
    put,
    put_one,
    requeue,
    start,
    take,
)


def check_reserving_from_an_empty_table_gives_nothing(store: Store) -> None:
    """`reserve` returns an empty sequence."""
    assert list(take(store, start(store))) == []


def check_a_reserved_job_has_its_owner_and_instant(store: Store) -> None:
    """The first reservation has the number 1; other fields do not change."""
    job = put_one(store)
    owner = start(store)
    [held] = take(store, owner, now=NOW + SECOND)
    assert (held.reserved_by, held.reserved_at, held.reservations) == (owner, NOW + SECOND, 1)
    assert (held.id, held.payload, held.attempts) == (job.id, job.payload, 0)
    assert held.created_at == held.available_at == NOW
    assert store.find(job.id) == held
    assert enqueued(store) == []


def check_reserve_gives_up_to_its_limit(store: Store) -> None:
    """With a limit of 1, two jobs take two calls."""
    put(store, ask(), ask())
    owner = start(store)
    assert [len(take(store, owner, limit=1)) for _ in range(3)] == [1, 1, 0]


def check_reserve_with_limit_0_gives_nothing(store: Store) -> None:
    """Nothing is reserved."""
    put_one(store)
    assert list(take(store, start(store), limit=0)) == []
    assert listed(store, "running") == []


def check_reserve_takes_only_the_named_workers(store: Store) -> None:
    """Prefixes and other cases of a name do not match."""
    put(store, ask("mail"), ask("mailer"), ask("Mail"), ask("purge"))
    owner = start(store)
    assert list(take(store, owner, ["other", "mai"])) == []
    assert [job.name for job in take(store, owner, ["mail"])] == ["mail"]


def check_reserve_of_no_worker_gives_nothing(store: Store) -> None:
    """An empty collection of names is not a wildcard."""
    put_one(store)
    assert list(take(store, start(store), [])) == []


def check_a_name_given_twice_gives_each_job_once(store: Store) -> None:
    """Duplicate names do not duplicate jobs."""
    put(store, ask(), ask())
    assert len(take(store, start(store), ["mail", "mail"])) == 2


def check_reserve_skips_a_delayed_job(store: Store) -> None:
    """A delayed job can be reserved from exactly its due time on."""
    job = put_one(store, available_in=SECOND)
    owner = start(store)
    assert list(take(store, owner, now=NOW)) == []
    assert list(take(store, owner, now=NOW + SECOND - TICK)) == []
    assert ids(take(store, owner, now=NOW + SECOND)) == [job.id]


def check_delayed_jobs_do_not_hide_due_ones(store: Store) -> None:
    """Delayed jobs of the same worker or a higher priority are skipped."""
    put(store, *(ask(available_in=DAY, priority=-5) for _ in range(5)))
    job = put_one(store)
    put(store, *(ask(available_in=DAY) for _ in range(5)))
    assert ids(take(store, start(store), limit=3)) == [job.id]


def check_reserve_prefers_the_lower_priority(store: Store) -> None:
    """The priority counts before the age."""
    late, normal, urgent = put(store, ask(priority=9), ask(), ask(priority=-9))
    assert ids(take(store, start(store))) == [urgent.id, normal.id, late.id]


def check_reserve_prefers_the_earlier_instant(store: Store) -> None:
    """Within a priority, the earlier due time comes first."""
    last, first, middle = put(
        store,
        ask(available_at=NOW - TICK),
        ask(available_at=NOW - DAY),
        ask(available_at=NOW - 2 * TICK),
    )
    assert ids(take(store, start(store))) == [first.id, middle.id, last.id]


def check_equal_jobs_are_reserved_first_in_first_out(store: Store) -> None:
    """Jobs with equal priority and due time are ordered by id."""
    ascending = new_ids(10)
    store.write([NewJob(one, ask()) for one in ascending[::-1]], now=NOW)
    owner = start(store)
    taken = [one for _ in range(5) for one in ids(take(store, owner, limit=2))]
    assert taken == ascending


def check_the_order_goes_across_workers(store: Store) -> None:
    """The limit applies to the jobs of all names together."""
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
    """The order holds for 100 workers with five priorities each."""
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
    """Here the owners reserve one after the other; see also `concurrency`."""
    put(store, *(ask() for _ in range(4)))
    one = ids(take(store, start(store), limit=3))
    other = ids(take(store, start(store), limit=3))
    assert (len(one), len(other)) == (3, 1)
    assert not set(one) & set(other)


def check_every_reservation_raises_the_number(store: Store) -> None:
    """Each reservation adds 1, for any owner, and putting the job back keeps it."""
    put_one(store)
    numbers: list[int] = []
    for _ in range(3):
        [held] = take(store, start(store))
        store.write(settle=[requeue(held)], now=NOW)
        numbers.append(held.reservations)
    assert numbers == [1, 2, 3]


def check_an_unknown_owner_gets_nothing(store: Store) -> None:
    """An owner without a lease cannot reserve."""
    put_one(store)
    assert list(take(store, new_id())) == []
    assert listed(store, "running") == []


def check_an_owner_gets_jobs_until_its_lease_ends(store: Store) -> None:
    """The last microsecond belongs to the lease; its end does not."""
    put(store, ask(), ask())
    owner = start(store, LEASE)
    assert len(take(store, owner, limit=1, now=NOW + LEASE - TICK)) == 1
    assert list(take(store, owner, limit=1, now=NOW + LEASE)) == []


def check_a_closed_owner_gets_nothing(store: Store) -> None:
    """A closed owner has no lease."""
    put_one(store)
    owner = start(store)
    store.close_owners([owner], now=NOW)
    assert list(take(store, owner)) == []


def check_next_due_of_an_empty_table_is_none(store: Store) -> None:
    """`next_due` returns None if no job waits."""
    assert store.next_due(["mail"], now=NOW) is None
    assert store.next_due([], now=NOW) is None


def check_next_due_says_how_long_until_the_first_job(store: Store) -> None:
    """The soonest job of all names and priorities counts, to the microsecond."""
    put(store, ask("a", available_in=DAY, priority=-3), ask("b", available_in=SECOND + TICK))
    put_one(store, "c", available_in=TICK)
    assert store.next_due(["a", "b"], now=NOW) == SECOND + TICK
    assert store.next_due(["a"], now=NOW) == DAY
    assert store.next_due(["a", "b", "c"], now=NOW) == TICK
    assert store.next_due(["d"], now=NOW) is None


def check_next_due_is_zero_or_less_for_a_due_job(store: Store) -> None:
    """A due job is found beside delayed ones, and counts before them."""
    put(store, ask(available_in=DAY, priority=-1), ask())
    at_once = store.next_due(["mail"], now=NOW)
    later = store.next_due(["mail"], now=NOW + SECOND)
    assert at_once is not None
    assert later is not None
    assert at_once <= timedelta(0)
    assert later <= timedelta(0)


def check_next_due_sees_scheduled_jobs_unless_told(store: Store) -> None:
    """`planned=False` ignores occurrences, whatever their priority and due time."""
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
    """A reserved job is not waiting."""
    put_one(store)
    take(store, start(store))
    assert store.next_due(["mail"], now=NOW) is None


LAST = 32_767
"""The lowest priority; the highest one is its negative."""


def _order(job: Job) -> tuple[int, object, object]:
    return job.priority, job.available_at, job.id


def check_delayed_jobs_of_many_priorities_hide_no_due_one(store: Store) -> None:
    """A due job of any priority is found beside 700 delayed jobs of 70 priorities."""
    put(store, *(ask(priority=n - 35, available_in=DAY) for n in range(70) for _ in range(10)))
    owner = start(store)
    assert list(take(store, owner)) == []
    for priority in (35, 0, 1, -1, -36, LAST, -LAST):
        for limit in (1, 100):
            job = put_one(store, priority=priority)
            assert ids(take(store, owner, limit=limit)) == [job.id]


def check_one_job_at_each_of_many_priorities_is_taken_one_by_one(store: Store) -> None:
    """A queue with one slot gets the jobs in the order of their priorities."""
    jobs = put(store, *(ask(priority=n) for n in range(31, -31, -1)))
    owner = start(store)
    taken = [one for _ in jobs for one in ids(take(store, owner, limit=1))]
    assert taken == ids(sorted(jobs, key=_order))
    assert list(take(store, owner)) == []


def check_the_first_and_the_last_priority_are_reserved(store: Store) -> None:
    """The extreme priorities are reserved, whether due at once or later."""
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
    """There are more jobs than a store may sort at once."""
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
    """New, delayed, overdue and returned jobs of three workers are ordered together."""
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
    """The priority does not count, and `planned=False` ignores occurrences."""
    put(store, *(ask(priority=n, available_in=DAY - n * SECOND) for n in range(-60, 60)))
    assert store.next_due(["mail"], now=NOW) == DAY - 59 * SECOND
    put_one(store, priority=-7, available_in=SECOND, occurrence=OCCURRENCE)
    assert store.next_due(["mail"], now=NOW) == SECOND
    assert store.next_due(["mail"], planned=False, now=NOW) == DAY - 59 * SECOND
    put_one(store, available_in=TICK)
    assert store.next_due(["mail"], planned=False, now=NOW) == TICK


def check_a_clock_that_was_set_back_hides_no_job(store: Store) -> None:
    """After a clock was set back, jobs are due again at the stored time."""
    ahead = NOW + DAY
    put(store, *(ask(priority=n) for n in range(-20, 20)), now=ahead)
    soon = put_one(store, priority=3, now=NOW + SECOND)
    due = put_one(store, priority=5, now=NOW)
    owner = start(store)
    assert ids(take(store, owner, limit=1)) == [due.id]
    assert store.next_due(["mail"], now=NOW) == SECOND
    assert ids(take(store, owner, now=NOW + SECOND)) == [soon.id]
    assert store.next_due(["mail"], now=NOW) == DAY
