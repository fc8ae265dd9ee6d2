"""A database of an earlier version is migrated, with all its rows."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

import bgjobs
from bgjobs._core.jobs import AttemptError, FailedJob, Job, SucceededJob
from bgjobs._core.settlements import Succeed
from bgjobs.errors import SchemaMismatchError
from bgjobs.stores.json_columns import dump_errors
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.stores.types import Owner
from bgjobs.testing.contract.steps import OCCURRENCE, enqueued, listed, put_one, search
from tests.fixtures.databases import Database, PostgresSchema
from tests.fixtures.sqlite import fresh_sqlite_store
from tests.fixtures.stores import MIGRATIONS, of_version, opened

_NOW = datetime(2031, 5, 17, 12, 30, 15, 123456, tzinfo=UTC)
_COUNT = 1_936_787_415_123_456
"""The same time as a SQLite file stores it."""
_LATER = timedelta(microseconds=1)
_OWNER = UUID("01900000-0000-7000-8000-00000000000f")
_ERRORS = (AttemptError(0, _NOW, "ValueError: 'no'"),)
_SHARED = """
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors
"""


def _values(number: int, now: str, later: str, holder: str) -> str:
    errors = dump_errors(_ERRORS).replace("'", "''")
    return (
        f"'{_id(number)}', 'mail', '[1]', -3, 1, 2, 3, 4, "
        f"{now}, {later}, {holder}, 'k{number}', '{errors}'"
    )


def _id(number: int) -> UUID:
    return UUID(f"01900000-0000-7000-8000-{number:012}")


class _VersionOne:
    """The tables of the first version, with rows as it wrote them."""

    def __init__(self, database: Database) -> None:
        self._prefix, self._now, self._later = "bgjobs_", str(_COUNT), str(_COUNT + 1)
        if isinstance(database, PostgresSchema):
            self._prefix = f"{database.schema}."
            self._now, self._later = f"'{_NOW}'", f"'{_NOW + _LATER}'"
        connection = database.connect()
        for statement in self._rows():
            connection.execute(statement)
        connection.commit()
        connection.close()

    def _rows(self) -> Iterator[str]:
        held = f"{self._later}, '{_OWNER}'"
        for table, number, holder, end in (
            ("jobs", 1, "null, null", ""),
            ("jobs", 2, held, ""),
            ("jobs_succeeded", 3, held, f", {self._later}"),
            ("jobs_failed", 4, held, f", 'no', {self._later}"),
        ):
            more = {3: ", succeeded_at", 4: ", error, failed_at"}.get(number, "")
            values = _values(number, self._now, self._later, holder)
            yield f"insert into {self._prefix}{table} ({_SHARED}{more}) values ({values}{end})"


@pytest.fixture
def store(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[bgjobs.Store]:
    """A store on tables of version 1."""
    with of_version(1, database.store(), monkeypatch) as store:
        _VersionOne(database)
        yield store


def _expected(*, held: bool) -> dict[str, Any]:
    return {
        "name": "mail",
        "payload": "[1]",
        "priority": -3,
        "attempts": 1,
        "crashes": 2,
        "interruptions": 3,
        "reservations": 4,
        "created_at": _NOW,
        "available_at": _NOW + _LATER,
        "reserved_at": _NOW + _LATER if held else None,
        "reserved_by": _OWNER if held else None,
        "errors": _ERRORS,
    }


def test_every_row_is_kept_and_readable(store: bgjobs.Store) -> None:
    assert store.migrate() == MIGRATIONS[1:]
    store.check_schema()
    end = _NOW + _LATER
    waiting = Job(id=_id(1), unique_key="k1", **_expected(held=False))
    held = Job(id=_id(2), unique_key="k2", **_expected(held=True))
    ended = _expected(held=True)
    succeeded = SucceededJob(id=_id(3), unique_key="k3", succeeded_at=end, **ended)
    failed = FailedJob(id=_id(4), unique_key="k4", error="no", failed_at=end, **ended)
    found = [store.find(_id(number)) for number in (1, 2, 3, 4)]
    assert found == [waiting, held, succeeded, failed]
    assert list(enqueued(store)) == [waiting]
    assert list(listed(store, "running")) == [held]
    assert list(listed(store, "succeeded")) == [succeeded]
    assert list(listed(store, "failed")) == [failed]


def test_old_and_new_rows_can_be_reserved_and_settled(store: bgjobs.Store) -> None:
    store.migrate()
    store.open_owner(Owner(_OWNER, "default", "node"), timedelta(minutes=1), now=_NOW)
    planned = put_one(store, occurrence=OCCURRENCE)
    taken = store.reserve(_OWNER, ["mail"], 10, now=_NOW + _LATER)
    assert {job.id: job.occurrence for job in taken} == {_id(1): None, planned.id: OCCURRENCE}
    held = store.find(_id(2))
    assert isinstance(held, Job)
    ended = [Succeed(job.reservation) for job in (held, *taken)]
    assert not store.write(settle=ended, now=_NOW).lost
    assert {job.id: job.occurrence for job in listed(store, "succeeded")} == {
        **{_id(number): None for number in (1, 2, 3)},
        planned.id: OCCURRENCE,
    }


def test_an_earlier_version_is_refused(store: bgjobs.Store) -> None:
    with pytest.raises(SchemaMismatchError) as caught:
        store.check_schema()
    assert "expected schema version 10, found 1; run store.migrate()" in str(caught.value)
    assert (caught.value.expected, caught.value.found) == (10, 1)


def test_a_fresh_database_gets_every_migration(database: Database) -> None:
    with opened(database.store()) as store:
        assert store.migrate() == MIGRATIONS
        store.check_schema()
        assert store.migrate() == []


def check_pending(store: OperatedStore) -> str:
    """Read the pending migrations of an empty database twice, and return their SQL."""
    admin = store.operations
    assert (admin.schema_version(), admin.schema_version()) == (0, 0)
    pending = admin.pending_migrations()
    assert [one.name for one in pending] == MIGRATIONS
    assert "create" not in repr(pending)
    return "".join(one.sql for one in pending)


def test_the_pending_migrations_of_a_file_make_its_tables(sqlite_path: Path) -> None:
    store = SQLiteStore(sqlite_path, table_prefix="t_")
    store.open()
    script = check_pending(store)
    with closing(sqlite3.connect(":memory:")) as by_hand, closing(store):
        by_hand.executescript(script)
        store.migrate()
        found = "select name, sql from sqlite_schema where name not like '%failure_words_%'"
        with closing(sqlite3.connect(sqlite_path)) as migrated:
            expected = set(migrated.execute(found))
            assert set(by_hand.execute(found)) == expected
            with migrated:
                migrated.execute("delete from t_migrations where version >= 3")
        assert store.operations.schema_version() == 2
        assert [one.name for one in store.operations.pending_migrations()] == MIGRATIONS[2:]


def test_the_pending_migrations_of_a_server_make_its_tables(
    postgres_dsn: str, schema: str
) -> None:
    store = PostgresStore(postgres_dsn, schema=schema)
    store.open()
    script = check_pending(store)
    found = b"select tablename from pg_catalog.pg_tables where schemaname = %s"
    with psycopg.connect(postgres_dsn) as connection, closing(store):
        connection.execute(f'create schema "{schema}"'.encode())
        connection.execute(script.encode())
        by_hand = set(connection.execute(found, [schema]))
        connection.rollback()
        store.migrate()
        assert set(connection.execute(found, [schema])) == by_hand
        connection.execute(f'delete from "{schema}".migrations where version >= 3'.encode())
        connection.commit()
        assert store.operations.schema_version() == 2
        assert [one.name for one in store.operations.pending_migrations()] == MIGRATIONS[2:]


_CANCELLED = (
    # the error, the errors of attempts, and the reason if an operator had cancelled the job
    ("Cancelled: not needed", "[]", "not needed"),
    ("Cancelled: ", "[]", ""),
    ("Cancelled: first\nsecond", "[", "first\nsecond"),
    ("Cancelled: gone", f'[[0, "{_NOW.isoformat()}", "Cancelled: gone", null]]', None),
    ("Cancelled: late", f'[[0, "{_NOW.isoformat()}", "Cancelled: gone", null]]', "late"),
    ("cancelled: no", "[]", None),
    ("ValueError: Cancelled: no", "[]", None),
    ("Cancelled: odd", "{}", "odd"),
)


def test_stored_cancellations_are_moved_to_a_table_of_their_own(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with of_version(5, SQLiteStore(sqlite_path), monkeypatch) as store:
        with closing(sqlite3.connect(sqlite_path)) as raw, raw:
            for number, (error, errors, _) in enumerate(_CANCELLED):
                raw.execute(
                    f"insert into bgjobs_jobs_failed ({_SHARED}, error, failed_at) values "
                    f"(?, 'mail', '[1]', 0, 0, 0, 0, 1, {_COUNT}, {_COUNT}, {_COUNT},"
                    f" '{_OWNER}', null, ?, ?, {_COUNT + 1})",
                    [str(_id(number)), errors, error],
                )
            for name in ("index_failures", "mark_indexed"):
                raw.execute(store._executor.sql[name][0])  # type: ignore[attr-defined]  # of SQLite
        assert store.migrate() == MIGRATIONS[5:]
        with closing(sqlite3.connect(sqlite_path)) as raw:
            moved = raw.execute(
                "select id, cancel_reason, cancelled_by, cancelled_at, errors"
                " from bgjobs_jobs_cancelled order by id"
            ).fetchall()
        expected = [
            (str(_id(number)), reason, None, _COUNT + 1, errors)
            for number, (_, errors, reason) in enumerate(_CANCELLED)
            if reason is not None
        ]
        assert moved == expected
        stayed = [_id(number) for number in (3, 5, 6)]
        found = search(store, "cancelled")
        assert sorted(found) == stayed
        assert search(store, "needed") == []


def test_the_previous_version_goes_on_beside_the_new_tables(sqlite_path: Path) -> None:
    """Its statements name none of the new columns, so that these need no values."""
    with fresh_sqlite_store(sqlite_path), closing(sqlite3.connect(sqlite_path)) as raw, raw:
        for table, more in (
            ("jobs", ""),
            ("jobs_succeeded", ", succeeded_at"),
            ("jobs_failed", ", error, failed_at"),
        ):
            end = {"": "", ", succeeded_at": ", 1"}.get(more, ", 'Cancelled: no', 1")
            raw.execute(
                f"insert into bgjobs_{table} ({_SHARED}{more}) values "
                f"({_values(1, '1', '1', 'null, null')}{end})"
            )
        raw.execute(
            "insert into bgjobs_cancellations (job_id, reason, asked_at) values (?, 'no', 1)"
            " on conflict (job_id) do update set reason = excluded.reason",
            [str(_id(1))],
        )
