"""`prune`: deletion of old ended jobs."""

from datetime import timedelta

from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    DAY,
    LEASE,
    NOW,
    SECOND,
    TICK,
    ask,
    fail,
    hold,
    ids,
    put,
    put_one,
    start,
    succeed,
    take,
)


def _end(store: Store, number: int = 3) -> None:
    """Settle so many jobs as succeeded and as failed, one of each kind per second."""
    for place in range(number):
        good, bad = hold(store), hold(store)
        store.write(settle=[succeed(good), fail(bad)], now=NOW + place * SECOND)


def check_prune_deletes_what_ended_longer_ago(store: Store) -> None:
    """A job of exactly the age is kept; each state has its own age."""
    _end(store)
    moment = NOW + DAY + SECOND
    assert store.prune(succeeded_for=DAY, failed_for=2 * DAY, limit=100, now=moment) == 1
    assert len(store.get_succeeded()) == 2
    assert len(store.get_failed()) == 3
    assert store.prune(succeeded_for=None, failed_for=DAY, limit=100, now=moment + TICK) == 2
    assert len(store.get_succeeded()) == 2
    assert len(store.get_failed()) == 1


def check_prune_keeps_for_ever_with_none(store: Store) -> None:
    """None keeps succeeded and failed jobs."""
    _end(store)
    assert store.prune(succeeded_for=None, failed_for=None, limit=9, now=NOW + 999 * DAY) == 0
    assert (len(store.get_succeeded()), len(store.get_failed())) == (3, 3)


def check_prune_with_zero_deletes_all_that_ended_before(store: Store) -> None:
    """An age of zero differs from None."""
    _end(store)
    none = timedelta(0)
    assert store.prune(succeeded_for=none, failed_for=none, limit=9, now=NOW + DAY) == 6
    assert list(store.get_succeeded()) == []
    assert list(store.get_failed()) == []


def check_prune_deletes_up_to_its_limit_of_each_kind(store: Store) -> None:
    """The next call deletes the next jobs."""
    _end(store)
    deleted = [
        store.prune(succeeded_for=DAY, failed_for=DAY, limit=2, now=NOW + 9 * DAY)
        for _ in range(3)
    ]
    assert deleted == [4, 2, 0]


def check_prune_passes_over_the_longest_ended_of_each_kind(store: Store) -> None:
    """`skip` is the number of jobs of each state to skip."""
    _end(store)
    oldest = store.get_succeeded()[-1], store.get_failed()[-1]
    moment, ages = NOW + 9 * DAY, {"succeeded_for": DAY, "failed_for": DAY}
    assert store.prune(**ages, limit=1, skip=1, now=moment) == 2
    assert store.prune(**ages, limit=9, skip=1, now=moment) == 2
    assert store.prune(**ages, limit=9, skip=1, now=moment) == 0
    assert (*store.get_succeeded(), *store.get_failed()) == oldest


def check_prune_begins_with_the_longest_ended(store: Store) -> None:
    """The order is that of the ends, not that of ids."""
    put(store, ask(), ask())
    first, second = take(store, start(store))
    store.write(settle=[succeed(second)], now=NOW)
    store.write(settle=[succeed(first)], now=NOW + SECOND)
    store.prune(succeeded_for=DAY, failed_for=DAY, limit=1, now=NOW + 9 * DAY)
    assert ids(store.get_succeeded()) == [first.id]


def check_prune_leaves_live_jobs_alone(store: Store) -> None:
    """Their age does not count."""
    held, waiting = hold(store), put_one(store)
    assert store.prune(succeeded_for=LEASE, failed_for=LEASE, limit=9, now=NOW + 999 * DAY) == 0
    assert store.find(held.id) == held
    assert store.find(waiting.id) == waiting


def check_prune_with_an_age_beyond_the_calendar_keeps_all(store: Store) -> None:
    """Such an age is no error of the database."""
    _end(store)
    for age in (timedelta.max, timedelta(days=36_500)):
        assert store.prune(succeeded_for=age, failed_for=age, limit=9, now=NOW + DAY) == 0
        assert store.prune(succeeded_for=age, failed_for=age, limit=9) == 0
    assert (len(store.get_succeeded()), len(store.get_failed())) == (3, 3)
