"""Checks with rows of other programs and with locks of other sessions.

They take a store, and `connect()` for connections of the driver. `POSTGRES_CHECKS` need several
sessions that write at the same time, which SQLite does not have.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from random import Random
from time import sleep
from typing import Any, get_args
from uuid import UUID

import psycopg

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import EndState, Job, LiveState, UnreadableJob
from bgjobs._core.settlements import Settlement, Succeed
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.types import Cancelled, Owner
from bgjobs.testing.contract.steps import (
    LEASE,
    NOW,
    OCCURRENCE,
    SECOND,
    cancel,
    enqueued,
    fail,
    hold,
    ids,
    listed,
    put_one,
    requeue,
    start,
    succeed,
    take,
)
from bgjobs.testing.contract.transactions import Connect

Check = Callable[[OperatedStore, Connect], None]
TABLES = ("jobs", "jobs_succeeded", "jobs_failed", "jobs_cancelled")
_ENDS: dict[str, Callable[[Job], Settlement]] = {
    "jobs_succeeded": succeed,
    "jobs_failed": fail,
    "jobs_cancelled": cancel,
}
"""How a job ends that is moved to one of the tables."""
OTHER = UUID("01900000-0000-7000-8000-00000000000f")

_WAITING = (
    "select 1 from pg_stat_activity"
    " where wait_event_type = 'Lock' and datname = current_database()"
)


def _run(connect: Connect, statement: str) -> list[Any]:
    """Run a statement in which `{}` begins the names of tables."""
    with connect() as connection:
        is_sqlite = isinstance(connection, sqlite3.Connection)
        cursor = connection.execute(statement.format("bgjobs_" if is_sqlite else "bgjobs."))
        found: list[Any] = cursor.fetchall() if cursor.description else []
        connection.commit()
    return found


def _end(store: OperatedStore, table: str, name: str = "mail", **options: Any) -> UUID:
    """Store a job that is in this table."""
    if table == "jobs":
        return put_one(store, name, **options).id
    put_one(store, name, **options)
    [held] = take(store, start(store), [name])
    store.write(settle=[_ENDS[table](held)], now=NOW)
    return held.id


def _spoiled(store: OperatedStore, connect: Connect, table: str) -> Sequence[UnreadableJob]:
    """Make all rows of a table unreadable, and return them."""
    _run(connect, f"update {{}}{table} set metadata = '{{{{'")
    states: Sequence[Any] = get_args(LiveState) if table == "jobs" else [table[5:]]
    return [one for state in states for one in listed(store, state).unreadable]


def _apart(store: OperatedStore, connect: Connect, table: str, **options: Any) -> UUID:
    """Set a job of this table apart, and make the row readable again."""
    job_id = _end(store, table, **options)
    moved = store.operations.set_apart(_spoiled(store, connect, table))
    _run(connect, "update {}jobs_unreadable set metadata = null")
    assert [one.id for one in moved] == [job_id]
    return job_id


def _state(store: OperatedStore, job_id: UUID) -> str:
    return type(store.find(job_id)).__name__


def check_one_row_is_set_apart_and_its_neighbour_stays(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES:
        wanted = {_end(store, table), _end(store, table)}
        first, second = _spoiled(store, connect, table)
        assert [one.id for one in store.operations.set_apart([first])] == [first.id]
        assert _run(connect, f"select count(*) from {{}}{table}") == [(1,)]
        assert [one.id for one in store.operations.set_apart([second])] == [second.id]
        assert {first.id, second.id} == wanted


def check_a_row_that_was_reserved_otherwise_is_not_set_apart(
    store: OperatedStore, connect: Connect
) -> None:
    hold(store)
    _run(connect, "update {}jobs set reservations = 2")
    [read] = _spoiled(store, connect, "jobs")
    for change in ("reservations = 3", "reservations = 1", f"reserved_by = '{OTHER}'"):
        _run(connect, f"update {{}}jobs set {change}")
        assert store.operations.set_apart([read]) == []
        _run(connect, f"update {{}}jobs set reservations = 2, reserved_by = '{read.key[1]}'")
    assert len(store.operations.set_apart([read])) == 1


def check_rows_of_one_id_are_set_apart_under_two(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES:
        first = _apart(store, connect, table)
        _run(connect, f"update {{}}jobs_unreadable set id = '{OTHER}'")
        again = new_id()
        _end(store, table)
        _run(connect, f"update {{}}{table} set id = '{again}'")
        _run(connect, f"update {{}}jobs_unreadable set id = '{again}'")
        [moved] = store.operations.set_apart(_spoiled(store, connect, table))
        assert moved.id not in (first, again)
        _run(connect, "delete from {}jobs_unreadable")


def check_only_what_is_asked_for_is_put_back_or_deleted(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES:
        kept, back, gone = (_apart(store, connect, table) for _ in range(3))
        assert list(store.operations.put_back([back], now=NOW)) == [back]
        assert list(store.operations.delete([gone])) == [gone]
        assert ids(listed(store, "unreadable")) == [kept]
        assert store.find(kept) is None
        expected = "SucceededJob" if table == "jobs_succeeded" else "Job"
        assert _state(store, back) == expected
        store.operations.delete([kept, back])


def check_what_is_put_back_keeps_its_number_and_not_the_key_of_a_schedule(
    store: OperatedStore, connect: Connect
) -> None:
    job_id = _apart(store, connect, "jobs_failed", unique_key="k", occurrence=OCCURRENCE)
    store.operations.put_back([job_id], now=NOW)
    [job] = enqueued(store)
    assert (job.id, job.reservations, job.unique_key) == (job_id, 1, None)


def check_what_is_there_in_another_state_is_not_put_back(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES:
        for state in TABLES:
            job_id = _apart(store, connect, table)
            _end(store, state)
            _run(connect, f"update {{}}{state} set id = '{job_id}'")
            there = store.find(job_id)
            assert list(store.operations.put_back([job_id], now=NOW)) == []
            assert store.find(job_id) == there
            assert store.operations.count_unreadable() == 1
            numbers = [_run(connect, f"select count(*) from {{}}{one}") for one in TABLES]
            assert sorted(numbers) == [[(0,)], [(0,)], [(0,)], [(1,)]]
            store.operations.delete([job_id])
            _run(connect, f"delete from {{}}{state}")
            _run(connect, "delete from {}jobs_unreadable")


def check_what_others_have_become_keeps_none_from_being_put_back(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES:
        job_id = _apart(store, connect, table)
        others = [_end(store, state, state) for state in TABLES]
        assert list(store.operations.put_back([job_id], now=NOW)) == [job_id]
        store.operations.delete([job_id, *others])


def check_of_two_rows_of_one_job_the_other_stays_apart(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES:
        first = _apart(store, connect, table)
        _end(store, table)
        _run(connect, f"update {{}}{table} set id = '{first}'")
        store.operations.set_apart(_spoiled(store, connect, table))
        _run(connect, "update {}jobs_unreadable set metadata = null")
        assert list(store.operations.put_back([first], now=NOW)) == [first]
        assert store.operations.count_unreadable() == 1
        store.operations.delete([first, *ids(listed(store, "unreadable"))])


def check_a_taken_unique_key_keeps_one_of_two_apart(
    store: OperatedStore, connect: Connect
) -> None:
    refused = _apart(store, connect, "jobs", unique_key="k")
    free = _apart(store, connect, "jobs")
    put_one(store, unique_key="k")
    assert list(store.operations.put_back([refused, free], now=NOW)) == [free]
    assert ids(listed(store, "unreadable")) == [refused]
    assert store.count(now=NOW).succeeded == 0


def check_only_rows_without_an_id_get_a_new_one(store: OperatedStore, connect: Connect) -> None:
    job_id = _apart(store, connect, "jobs")
    with connect() as connection:
        if not isinstance(connection, sqlite3.Connection):
            return  # there the column is a uuid
    _apart(store, connect, "jobs")
    _run(connect, f"update {{}}jobs_unreadable set id = 'none' where id <> '{job_id}'")
    assert job_id in ids(listed(store, "unreadable"))


def check_an_ended_job_that_is_live_again_is_not_deleted(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES[1:]:
        ended = _end(store, table)
        held = hold(store)
        _run(connect, f"update {{}}jobs set id = '{ended}'")
        assert list(store.operations.delete([ended])) == []
        assert _run(connect, f"select count(*) from {{}}{table}") == [(1,)]
        _run(connect, "delete from {}jobs")
        store.operations.delete([ended, held.id])


def check_a_closed_owner_is_known_while_it_holds_a_job(
    store: OperatedStore, connect: Connect
) -> None:
    owner = hold(store).reservation.owner
    columns = "id, name, node, opened_at"
    _run(
        connect,
        f"insert into {{0}}past_owners ({columns}, closed_at)"
        f" select {columns}, opened_at from {{0}}owners",
    )
    _run(connect, "delete from {}owners")
    store.prune("succeeded", timedelta(0), limit=9, now=NOW)
    assert [one.id for one in store.find_owners([owner])] == [owner]


CHECKS: tuple[Check, ...] = tuple(
    member for name, member in list(vars().items()) if name.startswith("check_")
)


def _stored_again(store: OperatedStore, connect: Connect, table: str) -> UUID:
    """Store an ended job as waiting: a write of it was slower than its run."""
    ended = _end(store, table)
    put_one(store)
    _run(connect, f"update {{}}jobs set id = '{ended}'")
    return ended


def _ends(store: OperatedStore) -> tuple[int, int, int]:
    counts = store.count(now=NOW)
    return counts.succeeded, counts.failed, counts.cancelled


def _succeed_with_result(held: Job) -> Succeed:
    return Succeed(held.reservation, "1")


def check_a_job_that_was_stored_again_ends_without_a_trace(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES[1:]:
        _stored_again(store, connect, table)
        before = _ends(store)
        for settle in (*_ENDS.values(), _succeed_with_result):
            [held] = take(store, start(store))
            assert list(store.write(settle=[settle(held)], now=NOW).lost) == [held.reservation]
            assert (_ends(store), list(listed(store, "running"))) == (before, [])
            put_one(store)
            _run(connect, f"update {{}}jobs set id = '{held.id}'")
        [held], called = take(store, start(store)), list[Any]()
        assert store.complete(held.reservation, called.append, now=NOW) is False
        assert (called, _ends(store), list(listed(store, "running"))) == ([], before, [])
        assert store.complete(hold(store).reservation, called.append, now=NOW) is True


def check_a_job_that_was_stored_again_is_cancelled_without_a_trace(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES[1:]:
        ended = _stored_again(store, connect, table)
        before = _ends(store)
        store.operations.cancel([ended], Cancelled("no"), now=NOW)
        assert (_ends(store), enqueued(store)) == (before, [])
        put_one(store)
        _run(connect, f"update {{}}jobs set id = '{ended}'")
        [held] = take(store, start(store))
        store.operations.cancel([ended], Cancelled("no"), now=NOW)
        store.write(settle=[requeue(held)], now=NOW)
        assert (_ends(store), list(listed(store, "running"))) == (before, [])
        _run(connect, "delete from {}cancellations")


@contextmanager
def _locked(connect: Connect, statement: str) -> Iterator[Any]:
    """Do something in a transaction that stays open."""
    with connect() as connection:
        connection.execute(statement.format("bgjobs."))
        yield connection
        connection.rollback()


def check_reserve_passes_over_what_others_lock(store: OperatedStore, connect: Connect) -> None:
    for names in (["mail"], ["mail", "other"]):
        locked, free = put_one(store), put_one(store)
        query = f"select from {{}}jobs where id = '{locked.id}' for update"
        with _locked(connect, query):
            assert ids(take(store, start(store), names, limit=1)) == [free.id]
        store.operations.delete([locked.id])


def check_a_job_that_is_being_ended_is_not_abandoned(
    store: OperatedStore, connect: Connect
) -> None:
    held = hold(store)
    with _locked(connect, f"delete from {{}}jobs where id = '{held.id}'"):
        assert list(store.abandoned(now=NOW + LEASE)) == []


def check_pruning_passes_over_what_others_lock(store: OperatedStore, connect: Connect) -> None:
    for state in get_args(EndState):
        locked = _end(store, table := f"jobs_{state}")
        with _locked(connect, f"select from {{}}{table} where id = '{locked}' for update"):
            prune = partial(store.prune, state, timedelta(0), limit=9, now=NOW + SECOND)
            for name in ("mail", None):
                _end(store, table)
                assert prune(name=name) == 1
        assert _run(connect, f"select id from {{}}{table}") == [(locked,)]
        store.operations.delete([locked])


def check_forgetting_passes_over_what_others_lock(
    store: OperatedStore, connect: Connect
) -> None:
    held = hold(store)
    store.operations.cancel([held.id], Cancelled("no"), now=NOW)
    store.write(settle=[succeed(held)], now=NOW)
    with _locked(connect, "select from {}cancellations for update"):
        store.close_owners(now=NOW)
    assert _run(connect, "select count(*) from {}cancellations") == [(1,)]


def check_a_job_that_ends_is_locked_while_work_runs(
    store: OperatedStore, connect: Connect
) -> None:
    held = hold(store)

    def work(_: Any) -> None:
        with suppress(psycopg.errors.LockNotAvailable):
            _run(connect, f"select from {{}}jobs where id = '{held.id}' for update nowait")
            raise AssertionError("another session has locked the job")

    assert store.complete(held.reservation, work, now=NOW) is True


@contextmanager
def _meanwhile(
    connect: Connect, statement: str, call: Callable[[], Sequence[Any]], found: list[Any]
) -> Generator[None]:
    """Commit something for which a call waits, and add what the call returned to `found`."""
    with connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.execute(statement.format("bgjobs."))
        called = pool.submit(call)
        while not called.done() and not _run(connect, _WAITING):
            sleep(0.005)
        yield
        connection.commit()
        found.extend(called.result())


def check_a_job_that_is_being_deleted_does_not_run_again(
    store: OperatedStore, connect: Connect
) -> None:
    apart, verbs, found = _apart(store, connect, "jobs"), store.operations, list[Any]()
    calls = {one: partial(verbs.retry, [_end(store, one)], now=NOW) for one in TABLES[2:]}
    calls["jobs_unreadable"] = partial(verbs.put_back, [apart], now=NOW)
    for table, call in calls.items():
        with _meanwhile(connect, f"delete from {{}}{table}", call, found):
            pass
    assert found == []
    assert enqueued(store) == []


def check_owners_are_locked_in_their_order(store: OperatedStore, connect: Connect) -> None:
    owners = [UUID(bytes=Random(number).randbytes(16)) for number in range(20)]
    for owner in owners:
        store.open_owner(Owner(owner, "default", "here"), LEASE, now=NOW)
    middle = sorted(owners)[10]
    lock = f"select from {{}}owners where id = '{middle}' for update"
    close = partial(store.close_owners, owners, now=NOW)
    with _meanwhile(connect, lock, lambda: [close()], []):
        free = _run(connect, "select id from {}owners for update skip locked")
    assert {row[0] for row in free} == {one for one in owners if one > middle}


POSTGRES_CHECKS: tuple[Check, ...] = tuple(
    member
    for name, member in list(vars().items())
    if name.startswith("check_") and member not in CHECKS
)
