"""`PostgresStore.nonblocking`: what ends its connection, and where it has none."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import LARGEST_COUNT
from bgjobs._core.requests import JobRequest
from bgjobs.errors import RowRefusedError, StoreError, StoreUnavailableError
from bgjobs.stores.nonblocking_calls import NonBlockingWriter
from bgjobs.stores.pages import unreadable_in
from bgjobs.stores.postgres import (
    PostgresStore,
    connections,
    nonblocking_call,
    nonblocking_calls,
    pipelined,
)
from bgjobs.stores.types import NewJob, Notice
from bgjobs.testing.contract import steps
from bgjobs.testing.contract.nonblocking_steps import (
    answer,
    begin_write,
    calls_of,
    connected_reserver,
    connected_writer,
)
from tests.fixtures.postgres import execute, fresh_postgres_store, schema_of
from tests.fixtures.postgres_locks import named, wait_until_waiting

NOTHING = Notice()


def new_job() -> NewJob:
    return NewJob(new_id(), JobRequest("work", "{}"))


@contextmanager
def locked(dsn: str, store: PostgresStore, mode: str = "share") -> Generator[None]:
    """Make inserts wait while the block runs; with another mode, reads and plans, too."""
    with psycopg.connect(dsn) as connection:
        connection.execute(f"lock table {schema_of(store)}.jobs in {mode} mode".encode())
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
        writer = connected_writer(store)
        terminate(postgres_dsn, name)
        assert not writer.begin(new_job(), NOTHING)
        writer = connected_writer(store)
        begin_write(writer, new_job())
        assert len(answer(writer).jobs) == 1
        assert stored(store) == 1


def test_a_connection_that_is_lost_during_a_write(postgres_dsn: str) -> None:
    with named_store(postgres_dsn) as (store, name):
        writer, new = connected_writer(store), new_job()
        with locked(postgres_dsn, store):
            begin_write(writer, new)
            wait_until_waiting(postgres_dsn, name, 1)
            terminate(postgres_dsn, name)
            with pytest.raises(StoreUnavailableError) as caught:
                answer(writer)
        assert str(caught.value) == f"{store.label}: connection lost"
        assert not writer.begin(new_job(), NOTHING)
        assert store.find(new.id) is None


def test_a_write_has_the_time_limit_of_all_calls(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn, call_timeout=0.2) as store:
        writer = connected_writer(store)
        with locked(postgres_dsn, store):
            begin_write(writer, new_job())
            with pytest.raises(StoreUnavailableError) as caught:
                answer(writer)
        assert str(caught.value) == f"{store.label}: no answer within 0.2 s"
        assert isinstance(caught.value.__cause__, StoreUnavailableError)
        assert not writer.begin(new_job(), NOTHING)


def test_a_write_that_was_left_delays_none_in_a_thread(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer, left = connected_writer(store), new_job()
        with locked(postgres_dsn, store):
            begin_write(writer, left)
            writer.end()
            assert refuses(writer)
            assert stored(store) == 0
        begin_write(writer, new_job())  # after the answer to the other one
        answer(writer)
        assert stored(store) == 2


def test_a_job_that_the_server_refuses(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer, new = connected_writer(store), new_job()
        execute(
            postgres_dsn,
            f"alter table {schema_of(store)}.jobs add constraint c check (name <> 'work')",
        )
        begin_write(writer, new)
        with pytest.raises(StoreError) as caught:
            answer(writer)
        assert str(caught.value) == f"{store.label}: the job was not stored"
        assert not isinstance(caught.value, StoreUnavailableError)
        with pytest.raises(RowRefusedError, match='violates check constraint "c"'):
            store.write([new])
        begin_write(writer, NewJob(new_id(), JobRequest("other", "{}")))
        assert len(answer(writer).jobs) == 1


def test_a_prepared_statement_that_is_missing(postgres_dsn: str) -> None:
    """As behind a pooler that looked like the server."""
    with fresh_postgres_store(postgres_dsn) as store:
        writer, new = connected_writer(store), new_job()
        with patch.object(nonblocking_calls, "_ENQUEUE", b"missing"):
            begin_write(writer, new)
            with pytest.raises(StoreError, match="the job was not stored"):
                answer(writer)
        assert store.find(new.id) is None
        begin_write(connected_writer(store), new)
        answer(writer)
        assert store.find(new.id) is not None


def test_a_text_that_cannot_be_sent(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer, new = connected_writer(store), new_job()
        object.__setattr__(new.request, "payload", "\ud800")  # past the checks of a request
        with pytest.raises(RowRefusedError, match="surrogates not allowed"):
            writer.begin(new, NOTHING)
        object.__setattr__(new.request, "payload", "a\0b")
        begin_write(writer, new)
        with pytest.raises(StoreError):
            answer(writer)
        assert stored(store) == 0


def test_a_large_payload_is_left_to_a_thread(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer = connected_writer(store)
        sizes = (nonblocking_calls.LARGEST, nonblocking_calls.LARGEST + 1)
        largest, larger = (JobRequest("work", "1" * size) for size in sizes)
        assert not writer.begin(NewJob(new_id(), larger), NOTHING)
        assert not writer.is_wanted
        begin_write(writer, NewJob(new_id(), largest))
        [job] = answer(writer).jobs
        assert store.find(job.id) == job


class Clogged:
    """A connection of libpq of which the operating system takes nothing more."""

    def __init__(self, line: pipelined.PipelinedConnection) -> None:
        self._pgconn = line.connection.pgconn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pgconn, name)

    def flush(self) -> int:
        return 1


def test_a_server_that_does_not_read_is_given_up(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer = connected_writer(store)
        with patch.object(pipelined.PipelinedConnection, "pgconn", property(Clogged)):
            begin_write(writer, new_job())
            with pytest.raises(StoreUnavailableError, match="connection lost"):
                answer(writer)
        assert not writer.begin(new_job(), NOTHING)
        assert writer.is_wanted


def test_an_old_connection_is_replaced(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer = connected_writer(store)
        monkeypatch.setattr(pipelined, "LONGEST_LIFE", 0.0)
        assert not writer.begin(new_job(), NOTHING)
        assert not writer.begin(new_job(), NOTHING)
        assert writer.is_wanted


def test_a_failed_attempt_to_connect_is_not_repeated_at_once(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailableError("too many clients")

    with fresh_postgres_store(postgres_dsn) as store:
        writer = calls_of(store).writer
        with monkeypatch.context() as patched:
            patched.setattr(connections.Connections, "connect", refuse)
            assert not writer.begin(new_job(), NOTHING)
            writer.connect()
        assert refuses(writer)
        monkeypatch.setattr(nonblocking_call, "monotonic", lambda: 1e12)
        assert not writer.begin(new_job(), NOTHING)
        assert writer.is_wanted


def test_a_store_that_is_closed_during_the_attempt_to_connect(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt ends at once, and the next one needs no pause once the store is open."""
    real, made = connections.Connections.connect, list[Any]()

    def close_meanwhile(live: connections.Connections) -> Any:
        made.append(real(live))
        store.close()
        return made[0]

    with fresh_postgres_store(postgres_dsn) as store:
        writer = calls_of(store).writer
        assert not writer.begin(new_job(), NOTHING)
        with locked(postgres_dsn, store, "access exclusive"), monkeypatch.context() as patched:
            patched.setattr(connections.Connections, "connect", close_meanwhile)
            writer.connect()  # else this would wait for the lock
        assert made[0].closed
        store.open()
        begin_write(connected_writer(store), new_job())
        answer(writer)


def test_a_statement_that_cannot_be_prepared(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer, schema = calls_of(store).writer, schema_of(store)
        execute(postgres_dsn, f"alter table {schema}.jobs rename to elsewhere")
        assert not writer.begin(new_job(), NOTHING)
        writer.connect()
        execute(postgres_dsn, f"alter table {schema}.elsewhere rename to jobs")
        assert refuses(writer)


def test_no_connection_where_statements_are_not_prepared(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn, prepared_statements=False) as store:
        writer = calls_of(store).writer
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
        writer = connected_writer(store)
        with locked(postgres_dsn, store):
            begin_write(writer, new_job())
            store.close()
            assert not writer.begin(new_job(), NOTHING)
            writer.connect()  # else this would wait for `end`
            with pytest.raises(StoreUnavailableError):
                answer(writer)
        store.open()


def test_a_wait_needs_a_write(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        writer = connected_writer(store)
        for method in (writer.fileno, writer.receive, writer.abort, writer.end):
            with pytest.raises(StoreError, match="no call was begun"):
                method()


def test_a_connection_that_is_lost_during_a_reservation(postgres_dsn: str) -> None:
    """The server has not committed it, so the job is reserved by the next call."""
    with named_store(postgres_dsn) as (store, name):
        reserver, owner = connected_reserver(store), steps.start(store)
        job = steps.put_one(store)
        with locked(postgres_dsn, store):
            assert reserver.begin(owner, ["mail"], 1, now=steps.NOW)
            wait_until_waiting(postgres_dsn, name, 1)
            terminate(postgres_dsn, name)
            with pytest.raises(StoreUnavailableError, match="connection lost"):
                answer(reserver)
        assert not reserver.begin(owner, ["mail"], 1, now=steps.NOW)
        assert steps.ids(steps.take(store, owner)) == [job.id]


def test_a_reservation_that_the_server_refuses(postgres_dsn: str) -> None:
    """`reserve` returns the rows that it refuses."""
    with fresh_postgres_store(postgres_dsn) as store:
        reserver, owner = connected_reserver(store), steps.start(store)
        job, schema = steps.put_one(store), schema_of(store)
        change = f"update {schema}.jobs set reservations = "
        execute(postgres_dsn, f"{change}{LARGEST_COUNT}")
        assert reserver.begin(owner, ["mail"], 1, now=steps.NOW)
        with pytest.raises(StoreError) as caught:
            answer(reserver)
        assert str(caught.value) == f"{store.label}: no job was reserved"
        assert not isinstance(caught.value, StoreUnavailableError)
        refused = unreadable_in(steps.take(store, owner))
        assert [one.id for one in refused] == [job.id]
        execute(postgres_dsn, f"{change}0")
        assert reserver.begin(owner, ["mail"], 1, now=steps.NOW)
        assert steps.ids(answer(reserver)) == [job.id]


def test_many_names_are_left_to_a_thread(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as store:
        reserver, owner = connected_reserver(store), steps.start(store)
        names = [f"{number:0200}" for number in range(nonblocking_calls.LARGEST // 200)]
        assert not reserver.begin(owner, names, 1, now=steps.NOW)
        assert not reserver.is_wanted
        fewer = names[: len(names) // 2]
        job = steps.put_one(store, fewer[-1])
        assert reserver.begin(owner, fewer, 1, now=steps.NOW)
        assert steps.ids(answer(reserver)) == [job.id]


def test_large_jobs_are_received_in_parts(postgres_dsn: str) -> None:
    """As many as `SentCall` waits for, each time until the socket is readable."""
    with fresh_postgres_store(postgres_dsn) as store:
        reserver, owner = connected_reserver(store), steps.start(store)
        jobs = steps.put(store, *[steps.ask(payload=f'"{"x" * 500_000}"') for _ in range(8)])
        assert reserver.begin(owner, ["mail"], 100, now=steps.NOW)
        found = answer(reserver)
        assert steps.ids(found) == [job.id for job in jobs]
        assert {len(job.payload) for job in found} == {500_002}
