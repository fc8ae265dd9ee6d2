"""Calls from several threads at once."""

from collections.abc import Sequence
from uuid import UUID

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    LEASE,
    NOW,
    THREADS,
    ask,
    at_once,
    enqueued,
    follow,
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


def check_threads_reserve_each_job_once(store: Store) -> None:
    """Each job goes to one owner, and all are reserved."""
    jobs = put(store, *(ask(priority=place % 3) for place in range(400)))

    def reserve_all(_: int) -> list[UUID]:
        owner = start(store)
        mine: list[UUID] = []
        # `reserve` may skip rows that another thread has locked, so an empty result is no end.
        while (got := take(store, owner, limit=7)) or enqueued(store):
            mine += ids(got)
        return mine

    taken = [one for mine in at_once(reserve_all) for one in mine]
    assert sorted(taken) == sorted(ids(jobs))


def check_threads_enqueue_and_settle_without_loss(store: Store) -> None:
    """Each thread enqueues, reserves and settles jobs of its own worker."""

    def run_ten(number: int) -> list[UUID]:
        name = f"worker-{number}"
        owner = start(store)
        for _ in range(10):
            put(store, ask(name))
            held = take(store, owner, [name])
            assert not store.write(settle=[succeed(job) for job in held], now=NOW).lost
        store.heartbeat([owner], LEASE, now=NOW)
        return ids(listed(store, "succeeded", name=name))

    assert [len(done) for done in at_once(run_ten)] == [10] * THREADS
    assert store.count(now=NOW).succeeded == 10 * THREADS


def check_threads_agree_on_the_holder_of_a_unique_key(store: Store) -> None:
    """One thread stores the job; all get the same job."""

    def enqueue(_: int) -> UUID:
        return put_one(store, unique_key="k").id

    assert len(set(at_once(enqueue))) == 1
    assert len(enqueued(store)) == 1


def check_only_one_of_several_threads_settles(store: Store) -> None:
    """For the others the reservation is lost."""
    held = hold(store)

    def settle(_: int) -> Sequence[object]:
        return list(store.write(settle=[succeed(held)], now=NOW).lost)

    assert sorted(map(len, at_once(settle))) == [0] + [1] * (THREADS - 1)


def check_threads_keep_one_job_of_a_key(store: Store) -> None:
    """All threads enqueue, run with a follower and replace jobs of the same keys."""
    keys = ["a", "b", "c"]
    put(store, *(ask(unique_key=key) for key in keys))

    def run(_: int) -> int:
        owner = start(store)
        done = 0
        for _ in range(10):
            held = take(store, owner, limit=2)
            following = [follow(job, unique_key=job.unique_key) for job in held]
            assert not store.write(following, [succeed(job) for job in held], now=NOW).lost
            done += len(held)
            put(store, *(ask(unique_key=key) for key in keys))
            for job in enqueued(store):
                new = NewJob(new_id(), ask(unique_key=job.unique_key))
                store.replace(job, new, now=NOW)
        return done

    done = sum(at_once(run))
    assert sorted(job.unique_key or "" for job in enqueued(store)) == keys
    assert store.count(now=NOW).succeeded == done


def check_only_one_of_several_threads_replaces(store: Store) -> None:
    """For the others the job no longer waits; one new job is stored."""
    waiting = put_one(store, unique_key="k")

    def replace(_: int) -> bool:
        return store.replace(waiting, NewJob(new_id(), ask(unique_key="k")), now=NOW)

    assert sorted(at_once(replace)) == [False] * (THREADS - 1) + [True]
    [left] = enqueued(store)
    assert left.id != waiting.id


def check_a_job_is_reserved_or_replaced(store: Store) -> None:
    """Each job is either reserved or deleted, never both."""
    jobs = put(store, *(ask(unique_key=str(place)) for place in range(THREADS)))

    def work(number: int) -> int:
        if number % 2:
            return len(take(store, start(store)))
        return sum(store.replace(job, None, now=NOW) for job in jobs)

    assert sum(at_once(work)) == len(jobs)
    assert enqueued(store) == []


def check_a_job_that_changes_hands_is_counted_once(store: Store) -> None:
    """It counts as due or as reserved, whenever the count is taken."""
    put_one(store)

    def work(number: int) -> list[tuple[int, int]]:
        if number % 2:
            counts = [store.count(["mail"], at_most=1, now=NOW) for _ in range(25)]
            return [(one.waiting + one.running, one.delayed) for one in counts]
        owner = start(store)
        for _ in range(25):
            back = [requeue(job) for job in take(store, owner)]
            store.write(settle=back, now=NOW)
        return []

    assert {one for seen in at_once(work) for one in seen} == {(1, 0)}


def check_threads_migrate_at_once(store: Store) -> None:
    """No thread applies a migration, and none fails."""
    assert at_once(lambda _: list(store.migrate())) == [[]] * THREADS


def check_readers_see_each_job_in_one_place(store: Store) -> None:
    """A job that ends during `find` is found, live or ended."""
    jobs: Sequence[Job] = put(store, *(ask() for _ in range(50)))
    held = take(store, start(store))

    def look(number: int) -> list[object]:
        if number:
            return [store.find(job.id) for _ in range(3) for job in jobs]
        for job in held:
            store.write(settle=[succeed(job)], now=NOW)
        return []

    assert all(found is not None for seen in at_once(look) for found in seen)
