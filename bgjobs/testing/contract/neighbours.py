"""Verbs leave alone what stands beside the rows that they are about."""

from typing import Any

from attrs import evolve

from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    LEASE,
    NOW,
    SECOND,
    TICK,
    ask,
    hold,
    ids,
    listed,
    put,
    put_one,
    requeue,
    start,
    take,
)


def check_reserved_jobs_hide_none_at_the_next_priority(store: Store) -> None:
    """Whether the jobs were due from the beginning or had to wait, few of them or many."""
    for name, delay, others in (
        ("prompt", None, None),
        ("delayed", SECOND, None),
        ("later-than-many", SECOND, TICK),
        ("earlier-than-many", TICK, SECOND),
    ):
        owner, later = start(store), NOW + SECOND
        for priority in (1, 3):
            put(store, ask(name, priority=priority, available_in=delay))
            assert len(take(store, owner, [name], now=later)) == 1
        wanted = ids(put(store, *(ask(name, priority=n, available_in=delay) for n in (2, 4))))
        if others is not None:
            put(store, *[ask(name, priority=9, available_in=others)] * 250)
        for limit in (1, 2):
            found = take(store, owner, [name], limit, now=later)
            assert ids(found) == wanted[:limit]
            store.write(settle=[requeue(job) for job in found], now=later)


def check_a_reserved_job_hides_none_that_is_due_later(store: Store) -> None:
    """Of the same priority."""
    put_one(store, available_at=NOW - 2 * SECOND)
    owner = start(store)
    [held] = take(store, owner)
    early, late = (put_one(store, available_at=NOW - n * SECOND) for n in (3, 1))
    assert ids(take(store, owner)) == [early.id, late.id]
    assert next(iter(listed(store, "running", owner=owner))) == held


def check_few_of_several_workers_have_all_jobs(store: Store) -> None:
    """More than their shares of the limit; these come in their order, each once."""
    wanted = enumerate(["mail"] * 3 + ["purge"] * 9)
    jobs = put(store, *(ask(name, available_at=NOW + n * TICK) for n, name in wanted))
    names = ["mail", "purge", *(f"idle-{number}" for number in range(6))]
    found = take(store, start(store), names, limit=10, now=NOW + SECOND)
    assert ids(found) == ids(jobs)[:10]


def check_an_owner_that_has_ended_gets_nothing_beside_a_live_one(store: Store) -> None:
    """The lease of another is none of its own."""
    put_one(store)
    ended = start(store)
    later = NOW + LEASE
    alive = start(store, now=later)
    assert list(take(store, ended, now=later)) == []
    assert len(take(store, alive, now=later)) == 1


def check_a_live_owner_does_not_keep_the_jobs_of_others(store: Store) -> None:
    """Those of an owner whose lease has ended are abandoned all the same."""
    held = hold(store)
    later = NOW + LEASE
    start(store, now=later)
    assert list(store.abandoned(now=later)) == [held]


def check_a_job_is_not_replaced_under_a_number_to_come(store: Store) -> None:
    """Nor deleted: only one that was read as it is."""
    waiting = put_one(store)
    assert store.replace(evolve(waiting, reservations=1), None, now=NOW) is False
    assert store.find(waiting.id) == waiting


def check_complete_leaves_other_jobs_of_the_owner(store: Store) -> None:
    """They stay reserved, and keep their unique keys."""
    put(store, ask(unique_key="first"), ask(unique_key="second"))
    owner = start(store)
    first, second = take(store, owner)

    def work(_: Any) -> None: ...

    assert store.complete(first.reservation, work, now=NOW) is True
    assert store.find(second.id) == second
    assert put_one(store, unique_key="second").id == second.id
