"""Owners, parents and children in a file whose ids bgjobs would not write.

PostgreSQL stores ids in columns of the type UUID, which refuse such ids.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob, Reservation
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.settlements import Succeed
from bgjobs.stores.nurseries import NewChild
from bgjobs.stores.types import Owner
from tests.fixtures.hostile_rows import UncheckedSQLite, put, put_text
from tests.fixtures.hostile_tables import (
    LEASE,
    LONG,
    check_jobs_run,
    new_job,
    tables_in_sqlite,
)

BAD_IDS = ("", "x", "0" * 36, str(new_id()).upper(), f"{{{new_id()}}}", f"{new_id()}0")
ID = "01a23780-688b-7702-85aa-2fc401cda19c"
JOB = {
    "name": "work",
    "payload": "{}",
    "priority": 0,
    "attempts": 0,
    "crashes": 0,
    "interruptions": 0,
    "reservations": 0,
    "available_at": 2**50,
    "created_at": 0,
    "errors": "[]",
}


@pytest.fixture
def tables(sqlite_path: Path) -> Iterator[UncheckedSQLite]:
    with tables_in_sqlite(sqlite_path) as found:
        yield found


def put_owner(tables: UncheckedSQLite, **columns: object) -> None:
    put(tables, "owners", **{"name": "q", "node": "n", "opened_at": 0, **columns})


def hold_parent(tables: UncheckedSQLite) -> tuple[Reservation, UUID]:
    """Return a reserved job, and a child of it that waits."""
    owner = Owner(new_id(), "q", "node")
    tables.store.open_owner(owner, LEASE)
    tables.store.write([new_job()])
    [held] = tables.store.reserve(owner.id, ["work"], 1)
    children = [NewChild("good", new_job())]
    started = tables.store.nurseries.start_children(held.reservation, children)
    assert started is not None
    return held.reservation, started[0].id


def put_bad_children(tables: UncheckedSQLite, parent: UUID) -> None:
    """Store live and failed children of a parent under ids that are none."""
    for one in BAD_IDS:
        put(tables, "jobs", **JOB, id=one, parent_id=str(parent), has_children=1)
        running = {"id": f"{one}r", "reserved_by": str(new_id()), "reserved_at": 0}
        put(tables, "jobs", **JOB, **running, parent_id=str(parent))
        ended = {**JOB, "failed_at": 2**50, "error": "no", "parent_id": str(parent)}
        put(tables, "jobs_failed", id=f"{one}f", **ended)
        for job in (one, f"{one}f"):
            put(tables, "children", parent_id=str(parent), child_key=f"k{job}", child_id=job)
    put_text(tables, "jobs", "id", **JOB, parent_id=str(parent), has_children=1)
    put_text(tables, "children", "child_id", parent_id=str(parent), child_key="not UTF-8")


def cancelled_with_its_parent(tables: UncheckedSQLite, child: UUID) -> bool:
    return isinstance(tables.store.find(child), CancelledJob)


def test_owners_whose_ids_are_none_are_closed_like_others(tables: UncheckedSQLite) -> None:
    for one in BAD_IDS:
        put_owner(tables, id=one, lease_expires_at=0)
    put_text(tables, "owners", "id", name="q", node="n", opened_at=0, lease_expires_at=0)
    check_jobs_run(tables)
    assert tables.count("owners") == 0


def test_an_owner_is_closed_beside_a_past_one_beyond_the_limits(
    tables: UncheckedSQLite,
) -> None:
    """Another program has written both, with the same id."""
    put(tables, "past_owners", id=ID, name=LONG, node="n", opened_at=0, closed_at=0)
    put_owner(tables, id=ID, lease_expires_at=0)
    put_owner(tables, id=str(new_id()), name=LONG, lease_expires_at=0)
    check_jobs_run(tables)
    assert tables.count("owners") == 0


def test_children_whose_ids_are_none_do_not_keep_others_from_their_end(
    tables: UncheckedSQLite,
) -> None:
    parent, child = hold_parent(tables)
    put_bad_children(tables, parent.job_id)
    assert not tables.store.write(settle=[Succeed(parent)]).lost
    assert cancelled_with_its_parent(tables, child)
    assert tables.count("cancellations") == 0


def test_children_whose_ids_are_none_do_not_keep_others_from_being_cancelled(
    tables: UncheckedSQLite,
) -> None:
    parent, child = hold_parent(tables)
    put_bad_children(tables, parent.job_id)
    ended = tables.store.nurseries.cancel_children(parent, Cancelled("no"))
    assert ended is not None
    assert (ended.ended, ended.asked) == ([child], [])
    assert tables.count("cancellations") == 0


def test_children_of_parents_whose_ids_are_none_stay_and_others_end(
    tables: UncheckedSQLite,
) -> None:
    parent, child = hold_parent(tables)
    for one in BAD_IDS:
        put(tables, "jobs", **JOB, id=str(new_id()), parent_id=one)
    put_text(tables, "jobs", "parent_id", **JOB, id=str(new_id()))
    tables.execute("delete from {jobs} where id = %s", str(parent.job_id))
    assert list(tables.store.nurseries.end_orphans().ended) == [child]
    assert list(tables.store.nurseries.end_orphans().ended) == []


def test_children_whose_ids_are_none_are_left_out_of_what_is_read(
    tables: UncheckedSQLite,
) -> None:
    parent, child = hold_parent(tables)
    put_bad_children(tables, parent.job_id)
    nurseries = tables.store.nurseries
    assert [one.id for one in nurseries.children([parent.job_id])] == [child]
    state = nurseries.look(parent.job_id, [child], datetime.min.replace(tzinfo=UTC))
    assert (set(state.live), list(state.unsuccessful)) == ({child}, [])


def test_a_key_whose_child_has_no_id_gets_a_new_child(tables: UncheckedSQLite) -> None:
    parent, _ = hold_parent(tables)
    put(tables, "children", parent_id=str(parent.job_id), child_key="bad", child_id="x")
    started = tables.store.nurseries.start_children(parent, [NewChild("bad", new_job())])
    assert started is not None
    ids = {one.key: one.id for one in tables.store.nurseries.children([parent.job_id])}
    assert ids["bad"] == started[0].id


def test_a_parent_that_has_no_id_is_not_found(tables: UncheckedSQLite) -> None:
    child, other = new_id(), new_id()
    put(tables, "children", parent_id="x", child_key="k", child_id=str(child))
    put_text(tables, "children", "parent_id", child_key="k", child_id=str(other))
    assert tables.store.nurseries.find_parent(child) is None
    assert tables.store.nurseries.find_parent(other) is None
