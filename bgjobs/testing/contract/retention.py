"""`prune`: deletion of old ended jobs."""

from datetime import timedelta
from typing import get_args

from bgjobs._core.jobs import EndState
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    NOW,
    SECOND,
    TICK,
    ask,
    end,
    hold,
    ids,
    listed,
    put,
    put_one,
    start,
    take,
)

STATES: tuple[EndState, ...] = get_args(EndState)
NONE = timedelta(0)
LATE = NOW + 9 * DAY


def _end(store: Store, number: int = 3) -> None:
    """Settle so many jobs in each state, one of each kind per second."""
    for place in range(number):
        for settle in ENDS.values():
            end(store, settle, NOW + place * SECOND)


def _left(store: Store) -> list[int]:
    return [len(listed(store, state)) for state in STATES]


def check_prune_deletes_what_ended_longer_ago(store: Store) -> None:
    """A job of exactly the age is kept; only jobs of the given state are deleted."""
    _end(store)
    moment = NOW + DAY + SECOND
    for place, state in enumerate(STATES):
        assert store.prune(state, 2 * DAY, limit=100, now=moment) == 0
        assert store.prune(state, DAY, limit=100, now=moment) == 1
        assert store.prune(state, DAY, limit=100, now=moment + TICK) == 1
        assert _left(store) == [1] * (place + 1) + [3] * (2 - place)


def check_prune_with_zero_deletes_all_that_ended_before(store: Store) -> None:
    """The state has no jobs left."""
    _end(store)
    for state in STATES:
        assert store.prune(state, NONE, limit=9, now=NOW + DAY) == 3
    assert _left(store) == [0, 0, 0]


def check_prune_deletes_up_to_its_limit(store: Store) -> None:
    """The next call deletes the next jobs."""
    for name in (None, "mail"):
        _end(store)
        for state in STATES:
            deleted = [store.prune(state, DAY, name=name, limit=2, now=LATE) for _ in range(3)]
            assert deleted == [2, 1, 0]


def check_prune_passes_over_the_longest_ended(store: Store) -> None:
    """`skip` is the number of jobs that are left out."""
    _end(store)
    for state in STATES:
        oldest = listed(store, state)[-1]
        assert store.prune(state, DAY, limit=1, skip=1, now=LATE) == 1
        assert store.prune(state, DAY, limit=9, skip=1, now=LATE) == 1
        assert store.prune(state, DAY, limit=9, skip=1, now=LATE) == 0
        assert listed(store, state) == [oldest]


def check_prune_begins_with_the_longest_ended(store: Store) -> None:
    """The order is that of the ends, not that of ids."""
    for state, settle in ENDS.items():
        put(store, ask(), ask())
        first, second = take(store, start(store))
        store.write(settle=[settle(second)], now=NOW)
        store.write(settle=[settle(first)], now=NOW + SECOND)
        assert store.prune(state, DAY, limit=1, now=LATE) == 1
        assert ids(listed(store, state)) == [first.id]


def check_prune_leaves_live_jobs_alone(store: Store) -> None:
    """Their age does not count."""
    held, waiting = hold(store), put_one(store)
    for state in STATES:
        for name in (None, "mail"):
            assert store.prune(state, NONE, name=name, limit=9, now=NOW + 999 * DAY) == 0
    assert store.find(held.id) == held
    assert store.find(waiting.id) == waiting


def check_prune_with_an_age_beyond_the_calendar_keeps_all(store: Store) -> None:
    """Such an age is no error of the database."""
    _end(store)
    for state in STATES:
        for name in (None, "mail"):
            for age in (timedelta.max, timedelta(days=36_500)):
                assert store.prune(state, age, name=name, limit=9, now=NOW + DAY) == 0
                assert store.prune(state, age, name=name, limit=9) == 0
    assert _left(store) == [3, 3, 3]


def check_prune_of_a_worker_deletes_of_it_alone(store: Store) -> None:
    """A job of exactly the age is kept, and so are the other states."""
    for settle in ENDS.values():
        for name in ("mail", "sms", "mail"):
            end(store, settle, name=name)
    for place, state in enumerate(STATES):
        assert store.prune(state, DAY, name="mail", limit=9, now=NOW + DAY) == 0
        assert store.prune(state, DAY, name="mai", limit=9, now=LATE) == 0
        assert store.prune(state, DAY, name="mail", limit=9, now=NOW + DAY + TICK) == 2
        assert [job.name for job in listed(store, state)] == ["sms"]
        assert _left(store) == [1] * (place + 1) + [3] * (2 - place)


def check_prune_of_a_worker_passes_over_the_lowest_ids(store: Store) -> None:
    """The order is that of ids, not that of the ends; other workers do not count."""
    for state, settle in ENDS.items():
        end(store, settle, name="sms")
        jobs = ids(put(store, ask(), ask(), ask(), ask()))
        held = {job.id: job for job in take(store, start(store))}
        for place in (3, 1, 2, 0):
            store.write(settle=[settle(held[jobs[place]])], now=NOW + (4 - place) * SECOND)
        assert store.prune(state, DAY, name="mail", limit=1, skip=1, now=LATE) == 1
        assert ids(listed(store, state, name="mail")) == [jobs[3], jobs[2], jobs[0]]
        assert store.prune(state, DAY, name="mail", limit=9, skip=1, now=LATE) == 2
        assert store.prune(state, DAY, name="mail", limit=9, skip=1, now=LATE) == 0
        assert ids(listed(store, state, name="mail")) == [jobs[0]]
        assert len(listed(store, state, name="sms")) == 1
