"""`caps` of `reserve` and `next_due`: limits on a worker over all nodes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from attrs import evolve

from bgjobs._core.jobs import Job
from bgjobs._core.limits import Cap, RateLimit
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    DAY,
    NOW,
    SECOND,
    TICK,
    ask,
    at_once,
    enqueued,
    ids,
    put,
    put_one,
    start,
    succeed,
    take,
)

TWO = Cap("mail", running=2)
FAST = Cap("mail", rate=RateLimit(3, 10))
"""Three starts in ten seconds."""
PERIOD = timedelta(seconds=10)


def _take(
    store: Store, owner: UUID, *caps: Cap, limit: int = 100, now: datetime = NOW
) -> Sequence[Job]:
    return store.reserve(owner, ["mail", "purge"], limit, caps=caps, now=now)


def check_no_more_are_reserved_than_the_cap_says(store: Store) -> None:
    """The cap counts the running jobs of all owners; a job that ends frees a place."""
    jobs = put(store, *(ask() for _ in range(5)))
    one, other = start(store), start(store)
    held = _take(store, one, TWO)
    assert ids(held) == ids(jobs[:2])
    assert list(_take(store, other, TWO)) == []
    store.write(settle=[succeed(held[0])], now=NOW)
    assert ids(_take(store, other, TWO)) == [jobs[2].id]
    assert list(_take(store, one, TWO)) == []


def check_a_cap_is_of_its_worker_alone(store: Store) -> None:
    """Jobs of other workers are reserved, at the latest by the next call."""
    put(store, *(ask() for _ in range(8)))
    others = put(store, *(ask("purge", priority=1) for _ in range(3)))
    owner = start(store)
    caps = (TWO, Cap("idle", running=1))
    held = [*_take(store, owner, *caps, limit=6), *_take(store, owner, *caps, limit=6)]
    assert [job.name for job in held].count("mail") == 2
    assert [job.id for job in held if job.name == "purge"] == ids(others)


def check_what_is_beyond_a_cap_is_put_back_as_it_was(store: Store) -> None:
    """Only the reservation number of such a job may change."""
    jobs = put(store, *(ask(unique_key=str(place)) for place in range(5)))
    held = _take(store, start(store), TWO)
    assert ids(held) == ids(jobs[:2])
    left = enqueued(store)
    assert [evolve(job, reservations=0) for job in left] == list(jobs[2:])
    assert all(store.find_unique("mail", str(place)) for place in range(5))
    assert ids(take(store, start(store))) == ids(left)


def check_a_rate_holds_in_any_period(store: Store) -> None:
    """The rate limits every period, wherever it begins; ended jobs count."""
    put(store, *(ask() for _ in range(40)))
    owner, begun = start(store, lease=DAY), list[datetime]()
    for step in range(100):
        now = NOW + step * timedelta(seconds=0.7)
        held = _take(store, owner, FAST, limit=1 + step % 3, now=now)
        store.write(settle=[succeed(job) for job in held], now=now)
        begun += [now for _ in held]
    for at in begun:
        assert sum(at <= other < at + PERIOD for other in begun) <= 3
    assert len(begun) >= 3 * 6


def check_a_rate_allows_another_start_at_the_end_of_its_period(store: Store) -> None:
    """A microsecond earlier it does not."""
    put(store, *(ask() for _ in range(9)))
    owner = start(store, lease=DAY)
    assert len(_take(store, owner, FAST)) == 3
    assert list(_take(store, owner, FAST, now=NOW + PERIOD - TICK)) == []
    assert len(_take(store, owner, FAST, now=NOW + PERIOD)) == 3


def check_what_is_put_back_has_not_started(store: Store) -> None:
    """A job beyond the cap does not count in the rate."""
    put(store, *(ask() for _ in range(9)))
    owner = start(store)
    both = Cap("mail", running=1, rate=RateLimit(3, 10))
    for _ in range(3):
        [held] = _take(store, owner, both)
        store.write(settle=[succeed(held)], now=NOW)
    assert list(_take(store, owner, both)) == []
    assert len(_take(store, owner, both, now=NOW + PERIOD)) == 1


def check_a_rate_outlives_a_clock_that_is_put_back(store: Store) -> None:
    """Starts at a later time than now count."""
    put(store, *(ask() for _ in range(9)))
    owner = start(store, lease=DAY)
    assert len(_take(store, owner, FAST)) == 3
    assert list(_take(store, owner, FAST, now=NOW - SECOND)) == []


def check_an_owner_without_a_lease_gets_nothing_within_a_cap(store: Store) -> None:
    """The rejected reservation does not count in the rate."""
    put_one(store)
    owner = start(store, lease=SECOND)
    once = Cap("mail", rate=RateLimit(1, 10))
    assert list(_take(store, owner, once, now=NOW + SECOND)) == []
    assert len(_take(store, start(store), once, now=NOW)) == 1


def check_the_next_due_job_is_one_that_may_begin(store: Store) -> None:
    """A worker at its running limit is ignored; one at its rate is due when the rate allows."""
    put(store, *(ask() for _ in range(5)))
    owner = start(store, lease=DAY)

    def due(cap: Cap, now: datetime = NOW) -> timedelta | None:
        return store.next_due(["mail", "purge"], caps=[cap], now=now)

    assert due(TWO) == due(FAST) == timedelta(0)
    assert len(_take(store, owner, FAST, now=NOW + SECOND)) == 3
    assert due(TWO, NOW + SECOND) is None
    assert due(FAST, NOW + SECOND) == PERIOD
    assert due(FAST, NOW + PERIOD) == SECOND
    put_one(store, name="purge", available_in=2 * SECOND)
    assert due(TWO) == 2 * SECOND
    assert due(FAST, NOW + SECOND) == SECOND


def check_threads_keep_to_a_cap(store: Store) -> None:
    """Eight threads reserve at once; the rows never show more jobs than the cap."""
    put(store, *(ask(priority=place % 2) for place in range(60)))
    cap = Cap("mail", running=3)

    def work(_: int) -> tuple[int, int]:
        owner, most, done = start(store), 0, 0
        for _ in range(10):
            held = _take(store, owner, cap, limit=5)
            most = max(most, store.count(["mail"], now=NOW).running)
            store.write(settle=[succeed(job) for job in held], now=NOW)
            done += len(held)
        return most, done

    seen = at_once(work)
    assert max(most for most, _ in seen) <= 3
    assert 0 < sum(done for _, done in seen) == store.count(now=NOW).succeeded


def check_threads_keep_to_a_rate(store: Store) -> None:
    """The jobs that eight threads reserve at one instant stay within the rate."""
    put(store, *(ask() for _ in range(30)))

    def work(_: int) -> int:
        return sum(len(_take(store, start(store), FAST, limit=2)) for _ in range(3))

    assert sum(at_once(work)) == 3
