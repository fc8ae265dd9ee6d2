"""`count`: how many jobs there are."""
# ruff: noqa: D401 - the docstring of a check goes on where its name ends

from attrs import astuple

from bgjobs._core.settlements import Settlement
from bgjobs.stores.port import Store
from bgjobs.stores.types import Counts
from bgjobs.testing.contract.steps import (
    DAY,
    NOW,
    SECOND,
    TICK,
    ask,
    fail,
    put,
    put_one,
    start,
    succeed,
    take,
)


def check_an_empty_store_counts_zero(store: Store) -> None:
    """Of each kind."""
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
    """Under what it is just now."""
    _fill(store)
    assert store.count(now=NOW) == Counts(4, 2, 3, 2, 2)


def check_count_of_some_workers(store: Store) -> None:
    """The others are left out; no name at all counts nothing."""
    _fill(store)
    assert store.count(["mail"], now=NOW) == Counts(3, 1, 3, 2, 2)
    assert store.count(["purge", "other"], now=NOW) == Counts(1, 1, 0, 0, 0)
    assert store.count(["mail", "purge", "mail"], now=NOW) == Counts(4, 2, 3, 2, 2)
    assert store.count([], now=NOW) == Counts(0, 0, 0, 0, 0)


def check_a_delayed_job_becomes_due_at_its_instant(store: Store) -> None:
    """From exactly then on, as `reserve` has it."""
    put_one(store, available_in=SECOND)
    assert store.count(now=NOW + SECOND - TICK) == Counts(0, 1, 0, 0, 0)
    assert store.count(now=NOW + SECOND) == Counts(1, 0, 0, 0, 0)


def check_count_up_to_a_limit(store: Store) -> None:
    """Of each kind by itself; the limit itself means that there may be more."""
    _fill(store)
    everything = store.count(now=NOW)
    for limit in (0, 1, 2, 3, 100):
        expected = Counts(*(min(limit, one) for one in astuple(everything)))
        assert store.count(at_most=limit, now=NOW) == expected
    some = store.count(["mail", "purge"], at_most=2, now=NOW)
    assert some == Counts(2, 2, 2, 2, 2)
    assert store.count(["purge"], at_most=2, now=NOW) == Counts(1, 1, 0, 0, 0)


def check_count_over_many_workers_and_priorities(store: Store) -> None:
    """Each is found, the first and the last, and what is reserved is counted elsewhere."""
    put(store, *(ask(f"w{place % 5}", priority=place % 4) for place in range(40)))
    take(store, start(store), ["w0"], limit=3)
    assert store.count(now=NOW) == Counts(37, 0, 3, 0, 0)
    assert store.count(["w0", "w4", "none"], now=NOW) == Counts(13, 0, 3, 0, 0)
    assert store.count(at_most=30, now=NOW) == Counts(30, 0, 3, 0, 0)
