"""Checks with rows of other programs, for both databases.

They take a store, and `connect()` for connections of the driver.
"""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob, Job, LiveState, Reservation, UnreadableJob
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.settlements import Cancel, Settlement, Succeed
from bgjobs.stores.hooked import do_nothing
from bgjobs.stores.operations import OperatedStore
from bgjobs.testing.contract.families import ENDED, is_orphaned
from bgjobs.testing.contract.nurseries import ParentStore, held_child
from bgjobs.testing.contract.steps import (
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
ENDS_OF: dict[str, Callable[[Job], Settlement]] = {
    "jobs_succeeded": succeed,
    "jobs_failed": fail,
    "jobs_cancelled": cancel,
}
"""How a job ends that is moved to one of the tables."""
OTHER = UUID("01900000-0000-7000-8000-00000000000f")


def run_sql(connect: Connect, statement: str) -> list[Any]:
    """Run a statement in which `{}` begins the names of tables."""
    with connect() as connection:
        is_sqlite = isinstance(connection, sqlite3.Connection)
        cursor = connection.execute(statement.format("bgjobs_" if is_sqlite else "bgjobs."))
        found: list[Any] = cursor.fetchall() if cursor.description else []
        connection.commit()
    return found


def stored_in(store: OperatedStore, table: str, name: str = "mail", **options: Any) -> UUID:
    """Store a job that is in this table."""
    if table == "jobs":
        return put_one(store, name, **options).id
    put_one(store, name, **options)
    [held] = take(store, start(store), [name])
    store.write(settle=[ENDS_OF[table](held)], now=NOW)
    return held.id


def _spoiled(store: OperatedStore, connect: Connect, table: str) -> Sequence[UnreadableJob]:
    """Make all rows of a table unreadable, and return them."""
    run_sql(connect, f"update {{}}{table} set metadata = '{{{{'")
    states: Sequence[Any] = get_args(LiveState) if table == "jobs" else [table[5:]]
    return [one for state in states for one in listed(store, state).unreadable]


def set_apart(store: OperatedStore, connect: Connect, table: str, **options: Any) -> UUID:
    """Set a job of this table apart, and make the row readable again."""
    job_id = stored_in(store, table, **options)
    moved = store.operations.set_apart(_spoiled(store, connect, table))
    run_sql(connect, "update {}jobs_unreadable set metadata = null")
    assert [one.id for one in moved] == [job_id]
    return job_id


def _state(store: OperatedStore, job_id: UUID) -> str:
    return type(store.find(job_id)).__name__


def check_one_row_is_set_apart_and_its_neighbour_stays(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES:
        wanted = {stored_in(store, table), stored_in(store, table)}
        first, second = _spoiled(store, connect, table)
        assert [one.id for one in store.operations.set_apart([first])] == [first.id]
        assert run_sql(connect, f"select count(*) from {{}}{table}") == [(1,)]
        assert [one.id for one in store.operations.set_apart([second])] == [second.id]
        assert {first.id, second.id} == wanted


def check_a_row_that_was_reserved_otherwise_is_not_set_apart(
    store: OperatedStore, connect: Connect
) -> None:
    hold(store)
    run_sql(connect, "update {}jobs set reservations = 2")
    [read] = _spoiled(store, connect, "jobs")
    for change in ("reservations = 3", "reservations = 1", f"reserved_by = '{OTHER}'"):
        run_sql(connect, f"update {{}}jobs set {change}")
        assert store.operations.set_apart([read]) == []
        run_sql(connect, f"update {{}}jobs set reservations = 2, reserved_by = '{read.key[1]}'")
    assert len(store.operations.set_apart([read])) == 1


def check_rows_of_one_id_are_set_apart_under_two(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES:
        first = set_apart(store, connect, table)
        run_sql(connect, f"update {{}}jobs_unreadable set id = '{OTHER}'")
        again = new_id()
        stored_in(store, table)
        run_sql(connect, f"update {{}}{table} set id = '{again}'")
        run_sql(connect, f"update {{}}jobs_unreadable set id = '{again}'")
        [moved] = store.operations.set_apart(_spoiled(store, connect, table))
        assert moved.id not in (first, again)
        run_sql(connect, "delete from {}jobs_unreadable")


def check_only_what_is_asked_for_is_put_back_or_deleted(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES:
        kept, back, gone = (set_apart(store, connect, table) for _ in range(3))
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
    job_id = set_apart(store, connect, "jobs_failed", unique_key="k", occurrence=OCCURRENCE)
    store.operations.put_back([job_id], now=NOW)
    [job] = enqueued(store)
    assert (job.id, job.reservations, job.unique_key) == (job_id, 1, None)


def check_what_is_there_in_another_state_is_not_put_back(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES:
        for state in TABLES:
            job_id = set_apart(store, connect, table)
            stored_in(store, state)
            run_sql(connect, f"update {{}}{state} set id = '{job_id}'")
            there = store.find(job_id)
            assert list(store.operations.put_back([job_id], now=NOW)) == []
            assert store.find(job_id) == there
            assert store.operations.count_unreadable() == 1
            numbers = [run_sql(connect, f"select count(*) from {{}}{one}") for one in TABLES]
            assert sorted(numbers) == [[(0,)], [(0,)], [(0,)], [(1,)]]
            store.operations.delete([job_id])
            run_sql(connect, f"delete from {{}}{state}")
            run_sql(connect, "delete from {}jobs_unreadable")


def check_what_others_have_become_keeps_none_from_being_put_back(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES:
        job_id = set_apart(store, connect, table)
        others = [stored_in(store, state, state) for state in TABLES]
        assert list(store.operations.put_back([job_id], now=NOW)) == [job_id]
        store.operations.delete([job_id, *others])


def check_of_two_rows_of_one_job_the_other_stays_apart(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES:
        first = set_apart(store, connect, table)
        stored_in(store, table)
        run_sql(connect, f"update {{}}{table} set id = '{first}'")
        store.operations.set_apart(_spoiled(store, connect, table))
        run_sql(connect, "update {}jobs_unreadable set metadata = null")
        assert list(store.operations.put_back([first], now=NOW)) == [first]
        assert store.operations.count_unreadable() == 1
        store.operations.delete([first, *ids(listed(store, "unreadable"))])


def check_a_taken_unique_key_keeps_one_of_two_apart(
    store: OperatedStore, connect: Connect
) -> None:
    refused = set_apart(store, connect, "jobs", unique_key="k")
    free = set_apart(store, connect, "jobs")
    put_one(store, unique_key="k")
    assert list(store.operations.put_back([refused, free], now=NOW)) == [free]
    assert ids(listed(store, "unreadable")) == [refused]
    assert store.count(now=NOW).succeeded == 0


def check_only_rows_without_an_id_get_a_new_one(store: OperatedStore, connect: Connect) -> None:
    job_id = set_apart(store, connect, "jobs")
    with connect() as connection:
        if not isinstance(connection, sqlite3.Connection):
            return  # there the column is a uuid
    set_apart(store, connect, "jobs")
    run_sql(connect, f"update {{}}jobs_unreadable set id = 'none' where id <> '{job_id}'")
    assert job_id in ids(listed(store, "unreadable"))


def check_an_ended_job_that_is_live_again_is_not_deleted(
    store: OperatedStore, connect: Connect
) -> None:
    for table in TABLES[1:]:
        ended = stored_in(store, table)
        held = hold(store)
        run_sql(connect, f"update {{}}jobs set id = '{ended}'")
        assert list(store.operations.delete([ended])) == []
        assert run_sql(connect, f"select count(*) from {{}}{table}") == [(1,)]
        run_sql(connect, "delete from {}jobs")
        store.operations.delete([ended, held.id])


def check_a_closed_owner_is_known_while_it_holds_a_job(
    store: OperatedStore, connect: Connect
) -> None:
    owner = hold(store).reservation.owner
    columns = "id, name, node, opened_at"
    run_sql(
        connect,
        f"insert into {{0}}past_owners ({columns}, closed_at)"
        f" select {columns}, opened_at from {{0}}owners",
    )
    run_sql(connect, "delete from {}owners")
    store.prune("succeeded", timedelta(0), limit=9, now=NOW)
    assert [one.id for one in store.find_owners([owner])] == [owner]


def check_a_mark_of_a_job_that_was_set_apart_is_left_over(
    store: OperatedStore, connect: Connect
) -> None:
    """It is passed over until the job is marked again, and is then replaced."""
    operations = store.operations
    operations.register_hooks({"mail": True}, now=NOW)
    for is_waiting in (True, False):
        held = hold(store)
        assert operations.mark_end(fail(held, "old"), now=NOW)
        assert operations.begin_marked(held.id, SECOND, now=NOW) == 1
        operations.set_apart(_spoiled(store, connect, "jobs"))
        run_sql(connect, "update {}jobs_unreadable set metadata = null")
        assert list(operations.put_back([held.id], now=NOW)) == [held.id]
        again = None if is_waiting else take(store, start(store))[0]
        assert list(operations.marked_ends(["mail"])) == []
        assert operations.commands([]).marked == frozenset()
        if again is None:
            assert operations.cancel([held.id], Cancelled("new"), now=NOW).asked == [held.id]
        else:
            assert operations.mark_end(cancel(again, "new", None), now=NOW)
        [marked] = operations.marked_ends(["mail"])
        assert isinstance(marked.settlement, Cancel)
        assert (marked.settlement.reason, marked.settlement.by) == ("new", None)
        assert operations.begin_marked(held.id, SECOND, now=NOW) == 1
        assert store.end_with(marked.settlement, do_nothing, now=NOW).kept
        ended = store.find(held.id)
        assert isinstance(ended, CancelledJob)
        assert ended.reserved_by == (None if again is None else again.reserved_by)


def check_a_child_is_not_put_back_after_its_parent_without_a_command(
    store: ParentStore, connect: Connect
) -> None:
    """An older process that ended the parent has asked for nothing."""
    held, owner, other = hold(store), start(store), hold(store)
    children = [held_child(store, parent) for parent in (held.reservation, owner)]
    neighbour = held_child(store, other.reservation)
    store.write(settle=[succeed(held)], now=NOW)
    store.close_owners([owner], now=NOW)
    run_sql(connect, "delete from {}cancellations")
    store.operations.cancel([other.id], Cancelled("no"), now=NOW)
    jobs = [*children, neighbour]
    written = store.write(settle=[requeue(job) for job in jobs], now=NOW)
    assert written.cancelled == {job.reservation: ENDED for job in children}
    assert ids(enqueued(store)) == [neighbour.id]
    assert is_orphaned(store, *ids(children))


def check_waits_of_reservations_that_are_over_are_forgotten(
    store: ParentStore, connect: Connect
) -> None:
    put_one(store)
    put_one(store)
    held, other = take(store, start(store))
    run_sql(connect, "update {}jobs set reservations = 2")
    waits = [Reservation(job.id, job.reservation.owner, 2) for job in (held, other)]

    def recorded() -> list[Any]:
        store.close_owners(now=NOW)
        return run_sql(connect, "select job_id from {}waiting_jobs order by job_id")

    number_of_both = len(waits)
    for change in ("reservations = 3", "reservations = 1", f"reserved_by = '{OTHER}'"):
        store.nurseries.record_waits(waits, now=NOW)
        assert len(recorded()) == number_of_both
        run_sql(connect, f"update {{}}jobs set {change} where id = '{held.id}'")
        assert [UUID(str(one)) for [one] in recorded()] == [other.id]
        back = f"reservations = 2, reserved_by = '{held.reserved_by}'"
        run_sql(connect, f"update {{}}jobs set {back} where id = '{held.id}'")
    store.nurseries.record_waits(waits, now=NOW)
    store.write(settle=[Succeed(waits[0])], now=NOW)
    assert len(recorded()) == 1


CHECKS: tuple[Check, ...] = tuple(
    member for name, member in list(vars().items()) if name.startswith("check_")
)
