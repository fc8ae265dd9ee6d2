"""Rows of marked ends that bgjobs would not write cost no other mark.

They are written without the library, and without the constraints that refuse most of them.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.settlements import Cancel, Fail
from bgjobs.stores.hooked import do_nothing
from bgjobs.stores.pages import unreadable_in
from bgjobs.stores.types import Cancelled, MarkedEnd, Owner
from bgjobs.testing.contract.steps import fail, listed, succeed
from tests.fixtures.hostile_rows import (
    NOT_UTF_8,
    UncheckedSQLite,
    UncheckedTables,
    put,
    put_text,
)
from tests.fixtures.hostile_tables import (
    LEASE,
    LONG,
    check_jobs_run,
    new_job,
    tables_in_postgres,
    tables_in_sqlite,
)

WORKERS = ("work", LONG)


@pytest.fixture(params=["sqlite", "postgres"])
def tables(request: pytest.FixtureRequest) -> Iterator[UncheckedTables]:
    if request.param == "sqlite":
        with tables_in_sqlite(request.getfixturevalue("sqlite_path")) as in_sqlite:
            yield in_sqlite
    else:
        with tables_in_postgres(request.getfixturevalue("postgres_dsn")) as in_postgres:
            yield in_postgres


@pytest.fixture
def in_sqlite(sqlite_path: Path) -> Iterator[UncheckedSQLite]:
    with tables_in_sqlite(sqlite_path) as tables:
        yield tables


def held(tables: UncheckedTables) -> Job:
    owner = Owner(new_id(), "q", "node")
    tables.store.open_owner(owner, LEASE)
    tables.store.write([new_job()])
    [job] = tables.store.reserve(owner.id, ["work"], 1)
    return job


def marked(tables: UncheckedTables) -> UUID:
    """Mark the end of a new job, and return its id."""
    tables.store.operations.register_hooks({"work": True})
    job = held(tables)
    assert tables.store.operations.mark_end(fail(job))
    return job.id


def add_mark(tables: UncheckedTables, job_id: object, **columns: Any) -> None:
    usual = {"state": "failed", "reason": "no", "marked_at": tables.time(datetime.now(UTC))}
    put(tables, "marked_ends", job_id=job_id, **{**usual, **columns})


def change(tables: UncheckedTables, table: str, job_id: UUID, **columns: Any) -> None:
    changes = ", ".join(f"{name} = %s" for name in columns)
    key = "job_id" if table == "marked_ends" else "id"
    tables.execute(
        f"update {{{table}}} set {changes} where {key} = %s", *columns.values(), job_id
    )


def spoil(tables: UncheckedSQLite, table: str, column: str, job_id: UUID) -> None:
    """Store text that is not UTF-8 in a column."""
    key = "job_id" if table == "marked_ends" else "id"
    statement = f"update {{{table}}} set {column} = cast(%s as text) where {key} = %s"
    tables.execute(statement, NOT_UTF_8, job_id)


def ended_all(tables: UncheckedTables, ends: Sequence[MarkedEnd]) -> None:
    """Write these ends."""
    for one in ends:
        assert tables.store.operations.begin_marked(one.job.id, timedelta(0)) > 0
        assert tables.store.end_with(one.settlement, do_nothing).kept


def test_marks_without_a_job_that_waits_for_its_end_are_passed_over(
    tables: UncheckedTables,
) -> None:
    first, store = marked(tables), tables.store
    add_mark(tables, new_id())
    running, ended, lost = held(tables), held(tables), held(tables)
    # A job that is held for its end, and has none.
    change(tables, "jobs", lost.id, reserved_by=HOOK_OWNER)
    last = marked(tables)
    assert not store.write(settle=[succeed(ended)]).lost
    [waiting] = store.write([new_job()]).jobs
    for job in (running, ended, waiting):
        add_mark(tables, job.id)
    found = store.operations.marked_ends(WORKERS)
    assert [one.job.id for one in found] == [first, last]
    assert store.operations.commands([]).marked == {"work"}
    ended_all(tables, found)
    assert store.operations.commands([]).marked == frozenset()
    assert {job.id for job in listed(store, "failed")} == {first, last}
    assert store.operations.delete([lost.id]) == [lost.id]


def test_a_mark_that_is_left_over_is_replaced(tables: UncheckedTables) -> None:
    store, job = tables.store, held(tables)
    store.operations.register_hooks({"work": True})
    [waiting] = store.write([new_job()]).jobs
    for one in (job, waiting):
        add_mark(tables, one.id, reason="old", author="eve", tries=7, reserved_by=new_id())
    assert store.operations.mark_end(fail(job, "new"))
    assert store.operations.cancel([waiting.id], Cancelled("new", "ada")).asked == [waiting.id]
    first, second = store.operations.marked_ends(WORKERS)
    assert isinstance(first.settlement, Fail)
    assert isinstance(second.settlement, Cancel)
    assert first.settlement.error == "new"
    assert (second.settlement.reason, second.settlement.by) == ("new", "ada")
    for mark in (first, second):
        assert store.operations.begin_marked(mark.job.id, timedelta(0)) == 1
    ended_all(tables, (first, second))
    [failed], [cancelled] = listed(store, "failed"), listed(store, "cancelled")
    assert (failed.reserved_by, failed.reservations) == (job.reserved_by, 1)
    assert (cancelled.reserved_by, cancelled.reservations) == (None, 0)


@pytest.mark.parametrize("state", ["failed", "cancelled", "elsewhere"])
def test_long_texts_are_cut_and_the_end_can_be_written(
    tables: UncheckedTables, state: str
) -> None:
    job_id, store = marked(tables), tables.store
    reason, author = "ü" * 1_000_000, "🦉" * 1_000_000
    change(tables, "marked_ends", job_id, state=state, reason=reason, author=author)
    [found] = store.operations.marked_ends(WORKERS)
    if isinstance(found.settlement, Fail):
        assert found.settlement.error == reason[:8192]
    else:
        assert found.settlement.reason == reason[:8192]
        assert found.settlement.by == author[:200]
    ended_all(tables, [found])
    failed, cancelled = listed(store, "failed"), listed(store, "cancelled")
    assert [job.id for job in (failed if state == "failed" else cancelled)] == [job_id]
    check_jobs_run(tables)


@pytest.mark.parametrize(
    "columns",
    [
        {"metadata": "{"},
        {"errors": "[1]"},
        {"payload": '"' + "x" * 2_000_000 + '"'},
        {"history": "[" * 100_000},
    ],
    ids=["metadata", "errors", "payload", "history"],
)
def test_a_job_that_cannot_be_read_costs_no_other_mark(
    tables: UncheckedTables, columns: dict[str, Any]
) -> None:
    first, bad, last = marked(tables), marked(tables), marked(tables)
    change(tables, "jobs", bad, **columns)
    operations = tables.store.operations
    found = operations.marked_ends(WORKERS)
    assert [one.job.id for one in found] == [first, last]
    unreadable = unreadable_in(found)
    assert [one.id for one in unreadable] == [bad]
    assert operations.commands([]).marked == {"work"}
    assert [one.id for one in operations.set_apart(unreadable)] == [bad]
    assert list(unreadable_in(operations.marked_ends(WORKERS))) == []
    ended_all(tables, found)
    assert operations.commands([]).marked == frozenset()
    check_jobs_run(tables)


def test_a_name_that_is_too_long_is_left_out(tables: UncheckedTables) -> None:
    first, bad = marked(tables), marked(tables)
    change(tables, "jobs", bad, name=LONG)
    at = tables.time(datetime.now(UTC))
    put(tables, "failure_hooks", name=LONG, on_cancelled=True, registered_at=at)
    operations = tables.store.operations
    assert operations.commands([]).marked == {"work"}
    found = operations.marked_ends(WORKERS)
    assert [one.job.id for one in found] == [first]
    assert [one.id for one in unreadable_in(found)] == [bad]
    ended_all(tables, found)


def test_texts_that_are_not_utf_8_are_replaced(in_sqlite: UncheckedSQLite) -> None:
    tables, store = in_sqlite, in_sqlite.store
    reason, author, first = marked(tables), marked(tables), marked(tables)
    change(tables, "marked_ends", author, state="cancelled")
    spoil(tables, "marked_ends", "reason", reason)
    spoil(tables, "marked_ends", "author", author)
    found = store.operations.marked_ends(WORKERS)
    assert [one.job.id for one in found] == [reason, author, first]
    ended_all(tables, found)
    errors = {job.id: job.error for job in listed(store, "failed")}
    assert errors == {reason: "\ufffd" * 3, first: "gone"}
    [cancelled] = listed(store, "cancelled")
    assert cancelled.cancelled_by == "???"


def test_ids_and_names_that_are_not_utf_8_are_passed_over(in_sqlite: UncheckedSQLite) -> None:
    tables, store = in_sqlite, in_sqlite.store
    first, nameless, last = marked(tables), marked(tables), marked(tables)
    put_text(tables, "marked_ends", "job_id", state="failed", reason="no", marked_at=0)
    put_text(tables, "failure_hooks", "name", on_cancelled=1, registered_at=0)
    for no_id in ("", "x" * 36):
        put(tables, "marked_ends", job_id=no_id, state="failed", reason="no", marked_at=0)
        columns = {"payload": "{}", "created_at": 0, "available_at": 0, "reserved_at": 0}
        held_by = {"reserved_by": str(HOOK_OWNER), "reservations": 1, "priority": 0}
        put(tables, "jobs", id=no_id, name="work", **columns, **held_by)
    spoil(tables, "jobs", "name", nameless)
    found = store.operations.marked_ends(WORKERS)
    assert [one.job.id for one in found] == [first, last]
    assert store.operations.commands([]).marked == {"work"}
    assert len(store.operations.set_apart(unreadable_in(found))) == 2
    ended_all(tables, found)
    assert store.operations.commands([]).marked == frozenset()


@pytest.mark.parametrize("owner", ["", "x" * 36, NOT_UTF_8])
def test_an_owner_that_is_no_id_keeps_no_job_from_its_end(
    in_sqlite: UncheckedSQLite, owner: str | bytes
) -> None:
    tables, store = in_sqlite, in_sqlite.store
    job_id = marked(tables)
    if isinstance(owner, bytes):
        spoil(tables, "marked_ends", "reserved_by", job_id)
    else:
        change(tables, "marked_ends", job_id, reserved_by=owner)
    ended_all(tables, store.operations.marked_ends(WORKERS))
    assert [one.id for one in listed(store, "failed").unreadable] == [job_id]
    assert store.operations.commands([]).marked == frozenset()
