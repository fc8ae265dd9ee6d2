"""The migration that adds bounds to older databases, whose rows may be beyond them."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import LARGEST_COUNT
from bgjobs.stores.pages import unreadable_in
from bgjobs.stores.types import Owner
from bgjobs.testing.contract.steps import LEASE, enqueued, listed
from tests.fixtures.databases import Database, PostgresSchema
from tests.fixtures.hostile_rows import BEYOND, UNREADABLE, HostileRows
from tests.fixtures.stores import MIGRATIONS, of_version, operator_of

_TABLES = ("jobs", "jobs_succeeded", "jobs_failed")


@pytest.fixture
def store(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[bgjobs.Store]:
    with of_version(4, database.store(), monkeypatch) as store:
        yield store


@pytest.fixture
def rows(database: Database) -> HostileRows:
    return HostileRows(database)


@contextmanager
def _new_limits(rows: HostileRows) -> Iterator[None]:
    """Replace the limits by others, which do not hold for rows that are added in the block."""
    rows.run(f"alter table {rows.prefix}jobs drop constraint jobs_limits")
    yield
    rows.run(
        f"alter table {rows.prefix}jobs add constraint jobs_limits "
        "check (reservations <= 1073741823) not valid"
    )


def _add_all(rows: HostileRows) -> tuple[set[UUID], set[UUID]]:
    """Store rows within and beyond the bounds in each table, and return the ids of both."""
    good, bad = set[UUID](), set[UUID]()
    for table in _TABLES:
        good.add(rows.insert(table))
        bad |= {rows.insert(table, **columns) for columns in BEYOND.values()}
        for columns in _unreadable(rows.database):
            rows.insert(table, **columns)
    return good, bad


def _unreadable(database: Database) -> list[Mapping[str, Any]]:
    no_text = [] if isinstance(database, PostgresSchema) else [{"payload": b"\xff\xfe"}]
    return [*UNREADABLE.values(), *no_text]


def test_rows_beyond_the_bounds_are_set_apart_and_the_others_stay(
    database: Database, store: bgjobs.Store, rows: HostileRows
) -> None:
    good, bad = _add_all(rows)
    assert store.migrate() == MIGRATIONS[4:]
    apart = listed(store, "unreadable", bgjobs.Page(1000))
    assert {UUID(str(one.columns["id"])) for one in apart} == bad
    assert {one.table for one in apart} == set(_TABLES)
    assert {one.reason for one in apart} == {
        "a column is longer, larger or earlier than any that bgjobs writes"
    }
    listings = (enqueued(store), listed(store, "succeeded"), listed(store, "failed"))
    assert {job.id for jobs in listings for job in jobs} == good
    assert [len(unreadable_in(jobs)) for jobs in listings] == [len(_unreadable(database))] * 3
    owner = Owner(new_id(), "queue", "node")
    store.open_owner(owner, LEASE)
    assert {job.id for job in store.reserve(owner.id, ["work"], 100)} < good


def test_owners_beyond_the_bounds_are_deleted(
    database: Database, store: bgjobs.Store, rows: HostileRows
) -> None:
    far = "infinity" if isinstance(database, PostgresSchema) else 2**63 - 1
    now = "2030-01-01 00:00:00+00" if isinstance(database, PostgresSchema) else 0
    owner = {"id": str(new_id()), "name": "queue", "node": "n", "opened_at": now}
    rows.execute("owners", {**owner, "lease_expires_at": far})
    rows.execute("paused_queues", {"name": "q" * 900, "paused_at": now})
    store.migrate()
    assert operator_of(store).get_owners() == []
    assert operator_of(store).commands([]).paused == frozenset()
    with pytest.raises(Exception, match="owners_limits"):
        rows.execute("owners", {**owner, "lease_expires_at": far})


def test_validation_continues_where_it_was_interrupted(
    database: Database, store: bgjobs.Store, rows: HostileRows
) -> None:
    store.migrate()
    operations = operator_of(store)
    names = list(operations.unvalidated())
    if not isinstance(database, PostgresSchema):
        assert names == []
        return
    assert names == sorted(f"{table}_limits" for table in (*_TABLES, *_OTHERS))
    with _new_limits(rows):
        bad = [rows.insert(reservations=2**31 - 1) for _ in range(3)]
    assert operations.validate("cancellations_limits") == 0
    assert operations.unvalidated() == names[1:]
    assert operations.validate("jobs_limits") == len(bad)
    assert {one.id for one in listed(store, "unreadable")} == set(bad)
    assert "jobs_limits" not in operations.unvalidated()


_OTHERS = ("owners", "cancellations", "paused_queues", "starts")


_OTHER_ROWS: Mapping[str, Mapping[str, Any]] = {
    "owners": {"name": "q", "node": "n", "opened_at": 0, "lease_expires_at": 0},
    "cancellations": {"reason": "r", "asked_at": 0, "cancelled_by": "ada"},
    "paused_queues": {"name": "q", "paused_at": 0},
    "starts": {"name": "work", "started_at": 0},
    "past_owners": {"name": "q", "node": "n", "opened_at": 0, "closed_at": 0},
}
"""The columns of a row that are bounded."""
_OTHER_IDS = {
    "owners": {"id": str(new_id())},
    "cancellations": {"job_id": str(new_id())},
    "past_owners": {"id": str(new_id())},
}
_ENDS: Mapping[str, list[Mapping[str, Any]]] = {
    "jobs": [],
    "jobs_succeeded": [{"succeeded_at": "far"}],
    "jobs_failed": [{"failed_at": "far"}, {"error": "x" * 100_000}],
    "jobs_cancelled": [
        {"cancelled_at": "far"},
        {"cancel_reason": "x" * 100_000},
        {"cancelled_by": "x" * 1000},
    ],
}


def _assert_refused(rows: HostileRows, table: str, columns: Mapping[str, Any]) -> None:
    refused = (sqlite3.IntegrityError, psycopg.errors.CheckViolation)
    with pytest.raises(refused, match=r"_limits|_cancelled_by"):
        rows.change(table, columns)


@pytest.mark.parametrize("table", _OTHER_ROWS)
def test_a_change_of_another_row_stays_within_the_bounds(
    database: Database, store: bgjobs.Store, rows: HostileRows, table: str
) -> None:
    store.migrate()
    rows.add(table, {**_OTHER_ROWS[table], **_OTHER_IDS.get(table, {})})
    for column in _OTHER_ROWS[table]:
        beyond = "far" if column.endswith("_at") else "x" * 100_000
        _assert_refused(rows, table, {column: beyond})
    rows.change(table, _OTHER_ROWS[table])


@pytest.mark.parametrize("table", _ENDS)
def test_a_change_of_a_job_stays_within_the_bounds(
    database: Database, store: bgjobs.Store, rows: HostileRows, table: str
) -> None:
    """Except for a reservation on SQLite, which is checked when it is made."""
    store.migrate()
    rows.insert(table)
    for columns in (*BEYOND.values(), *_ENDS[table]):
        if table != "jobs" or "reservations" not in columns:
            _assert_refused(rows, table, columns)


def test_few_rows_are_read_at_once_to_be_set_apart(
    database: Database, store: bgjobs.Store, rows: HostileRows
) -> None:
    """Each may have megabytes of text."""
    store.migrate()
    for _ in range(60):
        rows.insert(reservations=LARGEST_COUNT)
    if not isinstance(database, PostgresSchema):  # its bounds allow every reservation
        rows.run(
            "create trigger last before update of reservations on bgjobs_jobs "
            "when new.reservations > 1073741823 begin select raise(abort, 'last'); end"
        )
    owner = Owner(new_id(), "queue", "node")
    store.open_owner(owner, LEASE)
    found = store.reserve(owner.id, ["work"], 100)
    assert (len(found), len(unreadable_in(found))) == (0, 50)


def test_more_rows_than_are_read_at_once_are_all_set_apart(
    database: Database, store: bgjobs.Store, rows: HostileRows
) -> None:
    store.migrate()
    operations = operator_of(store)
    if not isinstance(database, PostgresSchema):
        assert operations.unvalidated() == ()
        return
    with _new_limits(rows):
        for _ in range(101):
            rows.insert(reservations=2**31 - 1)
    assert operations.validate("jobs_limits") == 101
