"""The history of a job: kept by settlements and returned by all methods that read jobs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from attrs import evolve

from bgjobs._core.history import KEPT_HISTORY, HistoryEntry, PastEnd, PastReservation
from bgjobs._core.jobs import AnyJob
from bgjobs._core.settlements import Settlement
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    ENDS,
    LEASE,
    NOW,
    TICK,
    cancel,
    end,
    fail,
    hold,
    listed,
    requeue,
    start,
    take,
)

PAST = PastReservation(
    number=1,
    owner=UUID("019a0000-0000-7000-8000-0123456789ab"),
    queue='ünïcödé 🦉 "quoted" \\ \' \n\t\x07 %s {x} $1',
    node="host 'a':17",
    attempt=2**30,
    reserved_at=datetime(1901, 2, 3, 4, 5, 6, 7, tzinfo=UTC),
    ended_at=datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ended="interrupted",
)
UNDONE = PastEnd(
    state="cancelled", at=NOW, text="", by="ada", retried_at=NOW + TICK, retried_by="grace"
)
HISTORY: tuple[HistoryEntry, ...] = (
    PAST,
    UNDONE,
    evolve(PAST, number=2, queue="", node="", ended="released"),
    evolve(UNDONE, state="failed", text=PAST.queue, by=None, retried_by=None),
)


def _history(job: AnyJob | None) -> tuple[HistoryEntry, ...]:
    assert job is not None
    return job.history


def check_a_new_job_has_no_history(store: Store) -> None:
    """Neither has a job that succeeds at once."""
    held = hold(store)
    assert held.history == ()
    assert _history(store.find(held.id)) == ()
    for settle in ENDS.values():
        assert _history(store.find(end(store, settle).id)) == ()


def check_a_job_that_was_put_back_has_its_history(store: Store) -> None:
    """`find`, `find_unique`, `list`, `reserve`, `abandoned` and the ends return it."""
    for state, settle in ENDS.items():
        held = hold(store, unique_key="k")
        store.write(settle=[requeue(held, history=HISTORY)], now=NOW)
        assert _history(store.find(held.id)) == HISTORY
        assert _history(store.find_unique("mail", "k", now=NOW)) == HISTORY
        assert [job.history for job in listed(store, "waiting")] == [HISTORY]
        [again] = take(store, start(store))
        assert again.history == HISTORY
        assert [job.history for job in listed(store, "running")] == [HISTORY]
        assert [job.history for job in store.abandoned(now=NOW + LEASE)] == [HISTORY]
        store.write(settle=[settle(again)], now=NOW)
        assert _history(store.find(held.id)) == HISTORY
        assert [job.history for job in listed(store, state)] == [HISTORY]


def check_a_completed_job_keeps_its_history(store: Store) -> None:
    """`complete` keeps the history as a settlement does."""
    held = hold(store)
    store.write(settle=[requeue(held, history=HISTORY)], now=NOW)
    [again] = take(store, start(store))
    assert store.complete(again.reservation, lambda _: None, now=NOW)
    assert _history(store.find(held.id)) == HISTORY


def check_a_settlement_replaces_the_history(store: Store) -> None:
    """Each has the whole history, of which it stores nothing else."""
    for settle in (fail, cancel):
        held = hold(store)
        for history in (HISTORY, HISTORY[:1], ()):
            store.write(settle=[requeue(held, history=history)], now=NOW)
            [held] = take(store, start(store))
            assert held.history == history
        store.write(settle=[settle(held, history=HISTORY[1:])], now=NOW)
        assert _history(store.find(held.id)) == HISTORY[1:]


def check_settlements_of_one_write_have_their_own_histories(store: Store) -> None:
    """Also beside settlements without a history."""
    held = [hold(store) for _ in range(6)]
    ends: list[Settlement] = [
        requeue(held[0], history=HISTORY),
        requeue(held[1]),
        fail(held[2], history=HISTORY),
        fail(held[3]),
        cancel(held[4], history=HISTORY),
        cancel(held[5]),
    ]
    store.write(settle=ends, now=NOW)
    found = [_history(store.find(job.id)) for job in held]
    assert found == [HISTORY, ()] * 3


def check_the_longest_history_is_kept(store: Store) -> None:
    """A hundred entries, each with the longest names."""
    long = evolve(PAST, queue="🦉" * 200, node="n" * 300)
    entries = tuple(evolve(long, number=place) for place in range(KEPT_HISTORY))
    for settle in (fail, cancel):
        held = hold(store)
        store.write(settle=[requeue(held, history=entries)], now=NOW)
        [again] = take(store, start(store))
        assert again.history == entries
        store.write(settle=[settle(again)], now=NOW)
        assert _history(store.find(held.id)) == entries


def check_a_lost_settlement_leaves_the_history(store: Store) -> None:
    """The history is that of the settlement that held."""
    held = hold(store)
    store.write(settle=[requeue(held, history=HISTORY[:1])], now=NOW)
    for settle in (requeue, fail, cancel):
        assert store.write(settle=[settle(held, history=HISTORY)], now=NOW).lost
        assert _history(store.find(held.id)) == HISTORY[:1]


def check_times_of_a_history_are_in_utc(store: Store) -> None:
    """They are exact to the microsecond."""
    held = hold(store)
    store.write(settle=[fail(held, history=HISTORY)], now=NOW)
    for one in _history(store.find(held.id)):
        times = (one.at, one.retried_at) if isinstance(one, PastEnd) else (one.ended_at,)
        assert [at.utcoffset() for at in times] == [timedelta(0)] * len(times)
