"""`PostgresStore.nonblocking`: what ends its connection, and where it has none."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs.errors import RowRefusedError, StoreError, StoreUnavailableError
from bgjobs.stores.nonblocking_writer import NonBlockingWriter
from bgjobs.stores.postgres import PostgresStore, connections, nonblocking_writer
from bgjobs.stores.types import NewJob, Notice
from bgjobs.testing.contract.nonblocking_writer import answer, begin, connected
from tests.fixtures.postgres import execute, fresh_postgres_store, schema_of
from tests.fixtures.postgres_locks import named, wait_until_waiting

NOTHING = Notice()


def new_job() -> NewJob:
    return NewJob(new_id(), JobRequest("work", "{}"))


@contextmanager
def locked(dsn: str, store: PostgresStore) -> Generator[None]:
    """Make inserts wait while the block runs."""
    with psycopg.connect(dsn) as connection:
        connection.execute(f"lock table {schema_of(store)}.jobs in share mode".encode())
        yield


@contextmanager
def named_store(dsn: str, **settings: Any) -> Generator[tuple[PostgresStore, str]]:
    """Yield a store whose connections have a name of their own, and the name."""
    name, own = named(dsn)
    with fresh_postgres_store(own, **settings) as store:
        yield store, name


def terminate(dsn: str, name: str) -> None:
    """End all connections of this name, and wait for their end."""
    ended = "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
    execute(dsn, f"{ended} where application_name = '{name}'")


def stored(store: PostgresStore) -> int:
    """Return how many jobs wait, now or until a later time."""
    counts = store.count()
    return counts.waiting + counts.delayed


def refuses(writer: NonBlockingWriter) -> bool:
    """Whether `begin` refuses a job, and a connection is not wanted either."""
    return not writer.begin(new_job(), NOTHING) and not writer.is_wanted


def test_a_connection_that_was_lost_is_noticed_before_a_job_is_sent(postgres_dsn: str) -> None:
    with named_store(postgres_dsn) as (store, name):
        writer = connected(store)
        terminate(postgres_dsn, name)
        assert not writer.begin(new_job(), NOTHING)
        writer = connected(store)
        begin(writer, new_job())
        assert len(answer(writer).jobs) == 1
        assert stored(store) == 1


def test_a_connection_that_is_lost_during_a_write(postgres_dsn: str) -> None:
    with named_store(postgres_dsn) as (store, name):
        writer, new = connected(store), new_job()
        with locked(postgres_dsn, store):
            begin(writer, new)
            wait_until_waiting(postgres_dsn, name, 1)
            terminate(postgres_dsn, name)
            with pytest.raises(StoreUnavailableError) as caught:
                answer(writer)
        assert str(caught.value) == f"{store.label}: connection lost"
        assert not writer.begin(new_job(), NOTHING)
        assert store.find(new.id) is None


def test_a_write_has_the_time_limit_of_all_calls(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn, call_timeout=0.2) as store:
        writer = connected(store)
        with locked(postgres_dsn, store):
            begin(writer, new_job())
            with pytest.raises(StoreUnavailableError) as caught:
                answer(writer)
        assert str(caught.value) == f"{store.label}: no answer within 0.2 s"
        assert isinstance(caught.value.__cause__, StoreUnavailableError)
        assert not writer.begin(new_job(), NOTHING)


def test_a_write_that_was_left_delays_none_in_a_thread(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer, left = connected(store), new_job()
        with locked(postgres_dsn, store):
            begin(writer, left)
            writer.end()
            assert refuses(writer)
            assert stored(store) == 0
        begin(writer, new_job())  # after the answer to the other one
        answer(writer)
        assert stored(store) == 2


def test_a_job_that_the_server_refuses(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer, new = connected(store), new_job()
        execute(
            postgres_dsn,
            f"alter table {schema_of(store)}.jobs add constraint c check (name <> 'work')",
        )
        begin(writer, new)
        with pytest.raises(StoreError) as caught:
            answer(writer)
        assert str(caught.value) == f"{store.label}: the job was not stored"
        assert not isinstance(caught.value, StoreUnavailableError)
        with pytest.raises(RowRefusedError, match='violates check constraint "c"'):
            store.write([new])
        begin(writer, NewJob(new_id(), JobRequest("other", "{}")))
        assert len(answer(writer).jobs) == 1


def test_a_prepared_statement_that_is_missing(postgres_dsn: str) -> None:
    """As behind a pooler that looked like the server."""
    with fresh_postgres_store(postgres_dsn) as store:
        writer, new = connected(store), new_job()
        with patch.object(nonblocking_writer, "_ENQUEUE", b"missing"):
            begin(writer, new)
            with pytest.raises(StoreError, match="the job was not stored"):
                answer(writer)
        assert store.find(new.id) is None
        begin(connected(store), new)
        answer(writer)
        assert store.find(new.id) is not None


def test_a_text_that_cannot_be_sent(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer, new = connected(store), new_job()
        object.__setattr__(new.request, "payload", "\ud800")  # past the checks of a request
        with pytest.raises(RowRefusedError, match="surrogates not allowed"):
            writer.begin(new, NOTHING)
        object.__setattr__(new.request, "payload", "a\0b")
        begin(writer, new)
        with pytest.raises(StoreError):
            answer(writer)
        assert stored(store) == 0


def test_a_large_payload_is_left_to_a_thread(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer = connected(store)
        sizes = (nonblocking_writer.LARGEST_PAYLOAD, nonblocking_writer.LARGEST_PAYLOAD + 1)
        largest, larger = (JobRequest("work", "1" * size) for size in sizes)
        assert not writer.begin(NewJob(new_id(), larger), NOTHING)
        assert not writer.is_wanted
        begin(writer, NewJob(new_id(), largest))
        [job] = answer(writer).jobs
        assert store.find(job.id) == job


class Clogged:
    """A connection of libpq of which the operating system takes nothing more."""

    def __init__(self, line: nonblocking_writer._Line) -> None:
        self._pgconn = line.connection.pgconn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pgconn, name)

    def flush(self) -> int:
        return 1


def test_a_server_that_does_not_read_is_given_up(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer = connected(store)
        with patch.object(nonblocking_writer._Line, "pgconn", property(Clogged)):
            begin(writer, new_job())
            with pytest.raises(StoreUnavailableError, match="connection lost"):
                answer(writer)
        assert not writer.begin(new_job(), NOTHING)
        assert writer.is_wanted


def test_an_old_connection_is_replaced(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer = connected(store)
        monkeypatch.setattr(nonblocking_writer, "LONGEST_LIFE", 0.0)
        assert not writer.begin(new_job(), NOTHING)
        assert not writer.begin(new_job(), NOTHING)
        assert writer.is_wanted


def test_a_failed_attempt_to_connect_is_not_repeated_at_once(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailableError("too many clients")

    with fresh_postgres_store(postgres_dsn) as store:
        writer = store.nonblocking
        assert writer is not None
        with monkeypatch.context() as patched:
            patched.setattr(connections.Connections, "connect", refuse)
            assert not writer.begin(new_job(), NOTHING)
            writer.connect()
        assert refuses(writer)
        monkeypatch.setattr(nonblocking_writer, "monotonic", lambda: 1e12)
        assert not writer.begin(new_job(), NOTHING)
        assert writer.is_wanted


def test_a_statement_that_cannot_be_prepared(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer, schema = store.nonblocking, schema_of(store)
        assert writer is not None
        execute(postgres_dsn, f"alter table {schema}.jobs rename to elsewhere")
        assert not writer.begin(new_job(), NOTHING)
        writer.connect()
        execute(postgres_dsn, f"alter table {schema}.elsewhere rename to jobs")
        assert refuses(writer)


def test_no_connection_where_statements_are_not_prepared(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn, prepared_statements=False) as store:
        writer = store.nonblocking
        assert writer is not None
        assert not writer.begin(new_job(), NOTHING)
        writer.connect()
        assert refuses(writer)


def test_no_connection_beside_a_pool_of_the_caller_s(postgres_dsn: str) -> None:
    with (
        ConnectionPool(postgres_dsn, min_size=1, open=True) as pool,
        fresh_postgres_store(postgres_dsn, pool) as store,
    ):
        assert store.nonblocking is None


def test_connecting_waits_for_no_write_in_progress(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer = connected(store)
        with locked(postgres_dsn, store):
            begin(writer, new_job())
            store.close()
            assert not writer.begin(new_job(), NOTHING)
            writer.connect()  # else this would wait for `end`
            with pytest.raises(StoreUnavailableError):
                answer(writer)
        store.open()


def test_a_wait_needs_a_write(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer = connected(store)
        for method in (writer.fileno, writer.receive, writer.abort, writer.end):
            with pytest.raises(StoreError, match="no write was begun"):
                method()
