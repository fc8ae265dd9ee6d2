"""Rows and tables that another session has locked, perhaps without end."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from bgjobs._core.settlements import Succeed
from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.decoder import TABLES
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.postgres import schema as migration
from tests.fixtures.hostile_rows import LIMITED
from tests.fixtures.postgres import execute, fresh_postgres_store, schema_of
from tests.fixtures.postgres_jobs import LEASE, reserve_one
from tests.fixtures.postgres_locks import (
    count_deadlocks,
    named,
    wait_until_counted,
    wait_until_waiting,
)
from tests.fixtures.stores import MIGRATIONS

_TIMEOUT = 0.5  # seconds until a call fails


def test_a_sweep_passes_over_a_job_that_is_just_being_ended(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn, call_timeout=_TIMEOUT) as store:
        locked, free = reserve_one(store), reserve_one(store)
        later = datetime.now(UTC) + 2 * LEASE
        lock = f'select from "{schema_of(store)}".jobs where id = %s for update'
        with psycopg.connect(postgres_dsn) as holder:
            holder.execute(lock.encode(), [locked.id])
            assert store.abandoned(now=later) == [free]
        assert store.abandoned(now=later) == [locked, free]


def test_a_call_that_is_given_up_ends_on_the_server_too(postgres_dsn: str) -> None:
    name, dsn = named(postgres_dsn)
    with fresh_postgres_store(dsn, call_timeout=_TIMEOUT) as store:
        job = reserve_one(store)
        lock = f'select from "{schema_of(store)}".jobs where id = %s for update'
        with psycopg.connect(postgres_dsn) as holder:
            holder.execute(lock.encode(), [job.id])
            for _ in range(2):
                with pytest.raises(StoreUnavailableError, match="no answer within"):
                    store.write(settle=[Succeed(job.reservation)])
            wait_until_waiting(postgres_dsn, name, 0)
        assert not store.write(settle=[Succeed(job.reservation)]).lost


def test_a_migration_does_not_queue_up_behind_a_long_reader(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "_LOCK_TIMEOUT", 0.1)
    with fresh_postgres_store(postgres_dsn) as store:
        _undo(
            postgres_dsn,
            store,
            *(
                f"alter table %.{table} drop column occurrence, drop column metadata,"
                " drop column history, drop column progress, drop column parent_id"
                for table in TABLES
            ),
            "alter table %.jobs drop column has_children",
            "drop table %.children, %.waiting_jobs",
            "alter table %.jobs_succeeded drop column result",
            "alter table %.owners drop constraint owners_limits",
            "drop table %.cancellations, %.paused_queues, %.starts, %.jobs_unreadable",
            "drop table %.jobs_cancelled, %.past_owners, %.failure_hooks, %.marked_ends",
            "drop table %.activity, %.processes, %.audit",
            "drop index %.jobs_failed_by_name, %.jobs_failed_words",
            "drop index %.jobs_succeeded_by_name, %.jobs_prompt, %.jobs_delayed",
            "delete from %.migrations where version >= 2",
        )
        with psycopg.connect(postgres_dsn) as reader:
            reader.execute(f'select from "{schema_of(store)}".jobs_failed'.encode())
            with pytest.raises(StoreUnavailableError, match="lock timeout"):
                store.migrate()
            execute(postgres_dsn, f'select from "{schema_of(store)}".jobs_failed')
        assert store.migrate() == MIGRATIONS[1:]


def _undo(dsn: str, store: PostgresStore, *statements: str) -> None:
    """Run statements in which `%` stands for the schema."""
    execute(dsn, *(one.replace("%", f'"{schema_of(store)}"') for one in statements))


def _undo_the_bounds(dsn: str, store: PostgresStore) -> None:
    _undo(
        dsn,
        store,
        *(f"alter table %.{table} drop constraint {table}_limits" for table in LIMITED),
        "drop table %.jobs_unreadable",
        "drop index %.jobs_occurrences",
        *(
            f"alter table %.{table} drop column history, drop column progress,"
            " drop column parent_id"
            for table in TABLES
        ),
        "alter table %.jobs drop column has_children",
        "drop table %.children, %.waiting_jobs",
        "alter table %.jobs_succeeded drop column result",
        "alter table %.cancellations drop column cancelled_by",
        "drop table %.jobs_cancelled, %.past_owners, %.failure_hooks, %.marked_ends",
        "drop table %.activity, %.processes, %.audit",
        "delete from %.migrations where version >= 5",
        "insert into %.starts values (repeat('w', 900), now())",
    )


def test_others_write_while_a_migration_sets_rows_apart(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The migration waits for the last row that it deletes, before it locks the tables."""
    monkeypatch.setattr(migration, "_LOCK_TIMEOUT", 60.0)
    name, dsn = named(postgres_dsn)
    with fresh_postgres_store(dsn) as store, ThreadPoolExecutor(1) as threads:
        _undo_the_bounds(postgres_dsn, store)
        with psycopg.connect(postgres_dsn) as holder:
            holder.execute(f'select from "{schema_of(store)}".starts for update'.encode())
            applied = threads.submit(store.migrate)
            wait_until_waiting(postgres_dsn, name, 1)
            execute(
                postgres_dsn,
                f'insert into "{schema_of(store)}".jobs'
                " (id, name, payload, created_at, available_at)"
                " values (gen_random_uuid(), 'mail', '{}', now(), now())",
            )
        assert applied.result() == MIGRATIONS[4:]
        assert store.count().waiting == 1


def test_a_migration_that_the_server_ends_to_solve_a_deadlock_is_done_again(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session looks for a deadlock after a wait: here the migration, which waits first."""
    monkeypatch.setattr(migration, "_LOCK_TIMEOUT", 60.0)
    name, dsn = named(postgres_dsn)
    dsn = make_conninfo(dsn, options="-c deadlock_timeout=5s")
    with psycopg.connect(postgres_dsn) as connection:
        before = count_deadlocks(connection)
    with fresh_postgres_store(dsn) as store, ThreadPoolExecutor(1) as threads:
        _undo_the_bounds(postgres_dsn, store)
        with psycopg.connect(postgres_dsn) as other:
            other.execute("set deadlock_timeout = '1h'")
            other.execute(f'select from "{schema_of(store)}".owners'.encode())
            applied = threads.submit(store.migrate)
            wait_until_waiting(postgres_dsn, name, 1)
            other.execute(f'select from "{schema_of(store)}".jobs'.encode())
        assert applied.result() == MIGRATIONS[4:]
    wait_until_counted(postgres_dsn, before + 1)
