"""`prune`: deletion of old ended jobs."""
# ruff: noqa: D401 - the docstring of a check goes on where its name ends

from datetime import timedelta

from bgjobs.stores.abc import Store
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
    """Let so many jobs succeed and fail, a second between the ends of each kind."""
    for place in range(number):
        good, bad = hold(store), hold(store)
        store.write(settle=[succeed(good), fail(bad)], now=NOW + place * SECOND)


def check_prune_deletes_what_ended_longer_ago(store: Store) -> None:
    """Not what ended just so long ago; each kind by its own time."""
    _end(store)
    moment = NOW + DAY + SECOND
    assert store.prune(succeeded_for=DAY, failed_for=2 * DAY, limit=100, now=moment) == 1
    assert len(store.get_succeeded()) == 2
    assert len(store.get_failed()) == 3
    assert store.prune(succeeded_for=None, failed_for=DAY, limit=100, now=moment + TICK) == 2
    assert len(store.get_succeeded()) == 2
    assert len(store.get_failed()) == 1


def check_prune_keeps_for_ever_with_none(store: Store) -> None:
    """Both kinds."""
    _end(store)
    assert store.prune(succeeded_for=None, failed_for=None, limit=9, now=NOW + 999 * DAY) == 0
    assert (len(store.get_succeeded()), len(store.get_failed())) == (3, 3)


def check_prune_with_zero_deletes_all_that_ended_before(store: Store) -> None:
    """Zero is not None."""
    _end(store)
    none = timedelta(0)
    assert store.prune(succeeded_for=none, failed_for=none, limit=9, now=NOW + DAY) == 6
    assert list(store.get_succeeded()) == []
    assert list(store.get_failed()) == []


def check_prune_deletes_up_to_its_limit_of_each_kind(store: Store) -> None:
    """The longest ended ones; the rest is for the next call."""
    _end(store)
    deleted = [
        store.prune(succeeded_for=DAY, failed_for=DAY, limit=2, now=NOW + 9 * DAY)
        for _ in range(3)
    ]
    assert deleted == [4, 2, 0]


def check_prune_passes_over_the_longest_ended_of_each_kind(store: Store) -> None:
    """As many as it is told."""
    _end(store)
    oldest = store.get_succeeded()[-1], store.get_failed()[-1]
    moment, ages = NOW + 9 * DAY, {"succeeded_for": DAY, "failed_for": DAY}
    assert store.prune(**ages, limit=1, skip=1, now=moment) == 2
    assert store.prune(**ages, limit=9, skip=1, now=moment) == 2
    assert store.prune(**ages, limit=9, skip=1, now=moment) == 0
    assert (*store.get_succeeded(), *store.get_failed()) == oldest


def check_prune_begins_with_the_longest_ended(store: Store) -> None:
    """By their end, not by their id."""
    put(store, ask(), ask())
    first, second = take(store, start(store))
    store.write(settle=[succeed(second)], now=NOW)
    store.write(settle=[succeed(first)], now=NOW + SECOND)
    store.prune(succeeded_for=DAY, failed_for=DAY, limit=1, now=NOW + 9 * DAY)
    assert ids(store.get_succeeded()) == [first.id]


def check_prune_leaves_live_jobs_alone(store: Store) -> None:
    """However old they are."""
    held, waiting = hold(store), put_one(store)
    assert store.prune(succeeded_for=LEASE, failed_for=LEASE, limit=9, now=NOW + 999 * DAY) == 0
    assert store.find(held.id) == held
    assert store.find(waiting.id) == waiting


def check_prune_with_an_age_beyond_the_calendar_keeps_all(store: Store) -> None:
    """Nothing ended so long ago; it is no error of the database."""
    _end(store)
    for age in (timedelta.max, timedelta(days=36_500)):
        assert store.prune(succeeded_for=age, failed_for=age, limit=9, now=NOW + DAY) == 0
        assert store.prune(succeeded_for=age, failed_for=age, limit=9) == 0
    assert (len(store.get_succeeded()), len(store.get_failed())) == (3, 3)
