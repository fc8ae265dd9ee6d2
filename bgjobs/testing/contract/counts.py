"""`count`: how many jobs there are in each state."""

from attrs import astuple

from bgjobs.stores.port import Store
from bgjobs.stores.types import Counts
from bgjobs.testing.contract.steps import (
    DAY,
    NOW,
    SECOND,
    TICK,
    ask,
    cancel,
    fail,
    put,
    put_one,
    start,
    succeed,
    take,
)


def check_an_empty_store_counts_zero(store: Store) -> None:
    """All counts are 0."""
    assert store.count(now=NOW) == Counts(0, 0, 0, 0, 0, 0)


def _fill(store: Store) -> None:
    put(store, *(ask() for _ in range(11)), ask("purge"))
    held = take(store, start(store), limit=8)
    good, *others = held[:5]
    failed, cancelled = map(fail, others[:2]), map(cancel, others[2:])
    store.write(settle=[succeed(good), *failed, *cancelled], now=NOW)
    put(store, ask(available_in=DAY), ask("purge", available_in=DAY))
    put_one(store, priority=-1)
    [urgent] = take(store, start(store), limit=1)
    store.write(settle=[succeed(urgent)], now=NOW)


def check_every_job_is_counted_once(store: Store) -> None:
    """Each job counts in its current state."""
    _fill(store)
    assert store.count(now=NOW) == Counts(4, 2, 3, 2, 2, 2)


def check_count_of_some_workers(store: Store) -> None:
    """Other workers are left out; no names count nothing."""
    _fill(store)
    assert store.count(["mail"], now=NOW) == Counts(3, 1, 3, 2, 2, 2)
    assert store.count(["purge", "other"], now=NOW) == Counts(1, 1, 0, 0, 0, 0)
    assert store.count(["mail", "purge", "mail"], now=NOW) == Counts(4, 2, 3, 2, 2, 2)
    assert store.count([], now=NOW) == Counts(0, 0, 0, 0, 0, 0)


def check_a_delayed_job_becomes_due_at_its_instant(store: Store) -> None:
    """`count` and `reserve` agree on the due time."""
    put_one(store, available_in=SECOND)
    assert store.count(now=NOW + SECOND - TICK) == Counts(0, 1, 0, 0, 0, 0)
    assert store.count(now=NOW + SECOND) == Counts(1, 0, 0, 0, 0, 0)


def check_count_up_to_a_limit(store: Store) -> None:
    """The limit applies to each state; a count that equals it means that many or more."""
    _fill(store)
    everything = store.count(now=NOW)
    for limit in (0, 1, 2, 3, 100):
        expected = Counts(*(min(limit, one) for one in astuple(everything)))
        assert store.count(at_most=limit, now=NOW) == expected
    some = store.count(["mail", "purge"], at_most=2, now=NOW)
    assert some == Counts(2, 2, 2, 2, 2, 2)
    assert store.count(["purge"], at_most=2, now=NOW) == Counts(1, 1, 0, 0, 0, 0)


def check_count_over_many_workers_and_priorities(store: Store) -> None:
    """All workers and priorities are found, and reserved jobs count as reserved."""
    put(store, *(ask(f"w{place % 5}", priority=place % 4) for place in range(40)))
    take(store, start(store), ["w0"], limit=3)
    assert store.count(now=NOW) == Counts(37, 0, 3, 0, 0, 0)
    assert store.count(["w0", "w4", "none"], now=NOW) == Counts(13, 0, 3, 0, 0, 0)
    assert store.count(at_most=30, now=NOW) == Counts(30, 0, 3, 0, 0, 0)
