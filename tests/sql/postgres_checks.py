"""Checks that need several sessions that write at the same time, which SQLite does not have.

They take a store, and `connect()` for connections of the driver.
"""

from collections.abc import Callable, Generator, Sequence
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
from bgjobs._core.jobs import EndState, Job
from bgjobs._core.settlements import Succeed
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.types import Cancelled, Owner
from bgjobs.testing.contract.nurseries import ParentStore
from bgjobs.testing.contract.steps import (
    LEASE,
    NOW,
    SECOND,
    enqueued,
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
from tests.sql.checks import ENDS_OF, TABLES, Check, run_sql, set_apart, stored_in

_WAITING = (
    "select 1 from pg_stat_activity"
    " where wait_event_type = 'Lock' and datname = current_database()"
)


def _stored_again(store: OperatedStore, connect: Connect, table: str) -> UUID:
    """Store an ended job as waiting: a write of it was slower than its run."""
    ended = stored_in(store, table)
    put_one(store)
    run_sql(connect, f"update {{}}jobs set id = '{ended}'")
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
        for settle in (*ENDS_OF.values(), _succeed_with_result):
            [held] = take(store, start(store))
            assert list(store.write(settle=[settle(held)], now=NOW).lost) == [held.reservation]
            assert (_ends(store), list(listed(store, "running"))) == (before, [])
            put_one(store)
            run_sql(connect, f"update {{}}jobs set id = '{held.id}'")
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
        run_sql(connect, f"update {{}}jobs set id = '{ended}'")
        [held] = take(store, start(store))
        store.operations.cancel([ended], Cancelled("no"), now=NOW)
        store.write(settle=[requeue(held)], now=NOW)
        assert (_ends(store), list(listed(store, "running"))) == (before, [])
        run_sql(connect, "delete from {}cancellations")


@contextmanager
def _locked(connect: Connect, statement: str) -> Generator[Any]:
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
        locked = stored_in(store, table := f"jobs_{state}")
        with _locked(connect, f"select from {{}}{table} where id = '{locked}' for update"):
            prune = partial(store.prune, state, timedelta(0), limit=9, now=NOW + SECOND)
            for name in ("mail", None):
                stored_in(store, table)
                assert prune(name=name) == 1
        assert run_sql(connect, f"select id from {{}}{table}") == [(locked,)]
        store.operations.delete([locked])


def check_pruning_the_audit_passes_over_what_others_lock(
    store: OperatedStore, connect: Connect
) -> None:
    locked, other = new_id(), new_id()
    for entry_id in (locked, other):
        store.operations.begin_audit(entry_id, "retry", "mail", now=NOW)
    with _locked(connect, f"select from {{}}audit where id = '{locked}' for update"):
        assert store.operations.prune_audit(timedelta(0), limit=9, now=NOW + SECOND) == 1
    assert ids(store.operations.list_audit()) == [locked]


def check_forgetting_passes_over_what_others_lock(
    store: OperatedStore, connect: Connect
) -> None:
    held = hold(store)
    store.operations.cancel([held.id], Cancelled("no"), now=NOW)
    store.write(settle=[succeed(held)], now=NOW)
    with _locked(connect, "select from {}cancellations for update"):
        store.close_owners(now=NOW)
    assert run_sql(connect, "select count(*) from {}cancellations") == [(1,)]


def check_forgetting_waits_passes_over_what_others_lock(
    store: ParentStore, connect: Connect
) -> None:
    held = hold(store)
    store.nurseries.record_waits([held.reservation], now=NOW)
    store.write(settle=[succeed(held)], now=NOW)
    with _locked(connect, "select from {}waiting_jobs for update"):
        store.close_owners(now=NOW)
    assert run_sql(connect, "select count(*) from {}waiting_jobs") == [(1,)]


def check_a_job_that_ends_is_locked_while_work_runs(
    store: OperatedStore, connect: Connect
) -> None:
    held = hold(store)

    def work(_: Any) -> None:
        with suppress(psycopg.errors.LockNotAvailable):
            run_sql(connect, f"select from {{}}jobs where id = '{held.id}' for update nowait")
            raise AssertionError("another session has locked the job")

    assert store.complete(held.reservation, work, now=NOW) is True


@contextmanager
def meanwhile(
    connect: Connect, statement: str, call: Callable[[], Sequence[Any]], found: list[Any]
) -> Generator[None]:
    """Commit something for which a call waits, and add what the call returned to `found`."""
    with connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.execute(statement.format("bgjobs."))
        called = pool.submit(call)
        while not called.done() and not run_sql(connect, _WAITING):
            sleep(0.005)
        yield
        connection.commit()
        found.extend(called.result())


def check_a_job_that_is_being_deleted_does_not_run_again(
    store: OperatedStore, connect: Connect
) -> None:
    apart, verbs, found = set_apart(store, connect, "jobs"), store.operations, list[Any]()
    calls = {one: partial(verbs.retry, [stored_in(store, one)], now=NOW) for one in TABLES[2:]}
    calls["jobs_unreadable"] = partial(verbs.put_back, [apart], now=NOW)
    for table, call in calls.items():
        with meanwhile(connect, f"delete from {{}}{table}", call, found):
            pass
    assert found == []
    assert enqueued(store) == []


def check_a_job_that_is_put_back_while_it_is_cancelled_is_marked(
    store: OperatedStore, connect: Connect
) -> None:
    """It runs when the ends of waiting jobs are marked first."""
    store.operations.register_hooks({"mail": True}, now=NOW)
    held, waiting = hold(store), put_one(store)
    wanted, found = sorted([held.id, waiting.id]), list[Any]()
    lock = f"select from {{}}jobs where id = '{waiting.id}' for update"
    call = partial(store.operations.cancel, wanted, Cancelled("no"), now=NOW)
    with meanwhile(connect, lock, lambda: [call()], found):
        assert list(store.write(settle=[requeue(held)], now=NOW).lost) == []
    [cancellation] = found
    assert (cancellation.ended, sorted(cancellation.asked)) == ([], wanted)
    assert [one.job.id for one in store.operations.marked_ends(["mail"])] == wanted


def check_owners_are_locked_in_their_order(store: OperatedStore, connect: Connect) -> None:
    owners = [UUID(bytes=Random(number).randbytes(16)) for number in range(20)]
    for owner in owners:
        store.open_owner(Owner(owner, "default", "here"), LEASE, now=NOW)
    run_sql(connect, "analyze {}owners")  # now it is no longer read in the order of an index
    middle = sorted(owners)[10]
    lock = f"select from {{}}owners where id = '{middle}' for update"
    close = partial(store.close_owners, owners, now=NOW)
    with meanwhile(connect, lock, lambda: [close()], []):
        free = run_sql(connect, "select id from {}owners for update skip locked")
    assert {row[0] for row in free} == {one for one in owners if one > middle}


POSTGRES_CHECKS: tuple[Check, ...] = tuple(
    member for name, member in list(vars().items()) if name.startswith("check_")
)
