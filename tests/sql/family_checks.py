"""Checks of parents and children in several sessions that write at the same time.

As those of `postgres_checks`, they take a store, and `connect()` for connections of the driver.
"""

from functools import partial
from typing import Any
from uuid import UUID

from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.settlements import Settlement
from bgjobs.stores.types import Written
from bgjobs.testing.contract.families import ENDED, is_asked, is_orphaned
from bgjobs.testing.contract.nurseries import CHILD, ParentStore, bear, held_child
from bgjobs.testing.contract.steps import (
    NO,
    NOW,
    enqueued,
    hold,
    put_one,
    requeue,
    start,
    succeed,
    take,
)
from bgjobs.testing.contract.transactions import Connect
from tests.sql.checks import Check, run_sql
from tests.sql.postgres_checks import meanwhile


def _written_after(
    store: ParentStore, connect: Connect, statement: str, *settle: Settlement
) -> Written:
    """Settle jobs while another session runs a statement, which it then commits."""
    found = list[Any]()
    call = partial(store.write, settle=settle, now=NOW)
    with meanwhile(connect, statement, lambda: [call()], found):
        pass
    [written] = found
    assert isinstance(written, Written)
    return written


def check_a_child_that_is_put_back_while_its_parent_ends_is_cancelled(
    store: ParentStore, connect: Connect
) -> None:
    """The other session may have looked for its children already."""
    held, owner = hold(store), start(store)
    for parent, table in ((held.reservation, "jobs"), (owner, "owners")):
        child = held_child(store, parent)
        parent_id = parent if isinstance(parent, UUID) else parent.job_id
        end = f"delete from {{}}{table} where id = '{parent_id}'"
        written = _written_after(store, connect, end, requeue(child))
        assert (list(written.lost), written.cancelled) == ([], {child.reservation: ENDED})
        assert is_orphaned(store, child.id)


def check_a_child_is_put_back_while_the_parents_of_others_end(
    store: ParentStore, connect: Connect
) -> None:
    for is_job in (True, False):
        parent, other = (hold(store).reservation if is_job else start(store) for _ in range(2))
        child, theirs = held_child(store, parent), held_child(store, other)
        table = "jobs" if is_job else "owners"
        other_id = other if isinstance(other, UUID) else other.job_id
        with connect() as connection:
            query = f"select from bgjobs.{table} where id = '{other_id}' for update"
            connection.execute(query.encode())
            written = store.write(settle=[requeue(child)], now=NOW)
            assert (list(written.lost), written.cancelled) == ([], {})
        store.write(settle=[succeed(theirs)], now=NOW)


def check_a_job_that_gets_a_child_while_it_is_cancelled_stays_reserved(
    store: ParentStore, connect: Connect
) -> None:
    """Its own end ends the child, which another session is storing."""
    held, child = hold(store), put_one(store, CHILD)
    run_sql(connect, f"update {{}}jobs set parent_id = '{held.id}' where id = '{child.id}'")
    store.operations.cancel([held.id], NO, now=NOW)
    mark = f"update {{}}jobs set has_children = true where id = '{held.id}'"
    written = _written_after(store, connect, mark, requeue(held))
    assert written.cancelled == {held.reservation: NO}
    assert list(written.still_reserved) == [held.reservation]
    assert store.find(held.id) == held


def check_a_child_that_is_reserved_while_its_parent_ends_is_asked(
    store: ParentStore, connect: Connect
) -> None:
    held, owner = hold(store), start(store)
    [child] = bear(store, held.reservation, "a")
    columns = f"reserved_by = '{owner}', reserved_at = now(), reservations = 1"
    reserve = f"update {{}}jobs set {columns} where id = '{child.id}'"
    assert _written_after(store, connect, reserve, succeed(held)).commands
    running = store.find(child.id)
    assert isinstance(running, Job)
    assert is_asked(store, running)


def check_parents_are_locked_in_their_order(store: ParentStore, connect: Connect) -> None:
    """Their rows are stored, and their ends are written, in the other order."""
    for _ in range(20):
        put_one(store)
    parents = sorted(take(store, start(store)), key=lambda job: job.id, reverse=True)
    for parent in parents:
        bear(store, parent.reservation, "a")
    middle = parents[10].id
    lock = f"select from {{}}jobs where id = '{middle}' for update"
    call = partial(store.write, settle=[*map(succeed, parents)], now=NOW)
    query = "select id from {}jobs where has_children for update skip locked"
    with meanwhile(connect, lock, lambda: [call()], []):
        free = run_sql(connect, query)
    assert {one for [one] in free} == {job.id for job in parents if job.id > middle}


def _is_free(connect: Connect, table: str, row: UUID, lock: str) -> bool:
    """Whether another session can lock this row at once."""
    query = f"select 1 from {{}}{table} where id = '{row}' for {lock} skip locked"
    return bool(run_sql(connect, query))


def check_a_parent_is_locked_while_children_are_stored(
    store: ParentStore, connect: Connect
) -> None:
    """It neither ends nor is it put back until the transaction has ended."""
    held, owner = hold(store), start(store)
    parents: list[tuple[Reservation | UUID, str, UUID, str]] = [
        (held.reservation, "jobs", held.id, "share"),
        (owner, "owners", owner, "update"),
    ]
    for parent, table, parent_id, lock in parents:
        bear(store, parent, "a")
        taken = (
            "insert into {}children (parent_id, child_key, child_id)"
            f" values ('{parent_id}', 'b', '{held.id}')"
        )
        call = partial(bear, store, parent, "b")
        with meanwhile(connect, taken, call, []):
            assert not _is_free(connect, table, parent_id, lock)
        assert _is_free(connect, table, parent_id, lock)


def check_no_child_of_an_owner_is_put_back_while_they_are_cancelled(
    store: ParentStore, connect: Connect
) -> None:
    """A renewal of the lease waits as well."""
    owner = start(store)
    [child] = bear(store, owner, "a")
    lock = f"select from {{}}jobs where id = '{child.id}' for update"
    call = partial(store.nurseries.cancel_children, owner, NO, now=NOW)
    with meanwhile(connect, lock, lambda: [call()], []):
        assert not _is_free(connect, "owners", owner, "key share")
    assert enqueued(store) == []


def check_a_wait_that_begins_anew_does_not_end(store: ParentStore, connect: Connect) -> None:
    """The end is that of an earlier run."""
    held = hold(store).reservation
    store.nurseries.record_waits([held], now=NOW)
    again = "update {}waiting_jobs set number = number + 1"
    call = partial(store.nurseries.record_waits, ended=[held], now=NOW)
    with meanwhile(connect, again, lambda: [call()], []):
        pass
    assert run_sql(connect, "select job_id from {}waiting_jobs") == [(held.job_id,)]


FAMILY_CHECKS: tuple[Check, ...] = tuple(
    member for name, member in list(vars().items()) if name.startswith("check_")
)
