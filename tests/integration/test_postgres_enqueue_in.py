"""Jobs that are stored in the application's own transaction."""

import asyncio
from datetime import datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from bgjobs._core.requests import JobRequest
from bgjobs.errors import NaiveDatetimeError, SchemaMismatchError, StoreError
from bgjobs.stores.postgres import PostgresStore, statements
from bgjobs.stores.types import Notice
from bgjobs.testing.contract.steps import enqueued
from tests.fixtures.postgres_jobs import requests


@pytest.mark.parametrize("row_factory", [None, dict_row])
def test_jobs_exist_when_the_caller_commits(
    store: PostgresStore, postgres_dsn: str, row_factory: Any
) -> None:
    with psycopg.connect(postgres_dsn, row_factory=row_factory) as connection:
        jobs = store.enqueue_in(connection, requests(3))
        assert enqueued(store) == []
        connection.commit()
    assert enqueued(store) == jobs


def test_jobs_do_not_exist_when_the_caller_rolls_back(
    store: PostgresStore, postgres_dsn: str
) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        store.enqueue_in(connection, requests(3))
        connection.rollback()
    assert enqueued(store) == []


def test_in_autocommit_mode_a_transaction_has_to_be_open(
    store: PostgresStore, postgres_dsn: str
) -> None:
    """Otherwise each statement would be committed by itself."""
    told = (
        r"enqueue_in: expected an open transaction, found none on a connection in autocommit "
        r"mode.*'with connection\.transaction\(\):', in Django with transaction\.atomic\(\)"
    )
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        with pytest.raises(StoreError, match=told):
            store.enqueue_in(connection, requests(3))
        with pytest.raises(StoreError, match="expected an open transaction"):
            store.enqueue_in(connection, [])
        with pytest.raises(ZeroDivisionError), connection.transaction():
            store.enqueue_in(connection, requests(1))
            raise ZeroDivisionError
        assert enqueued(store) == []
        with connection.transaction():
            jobs = store.enqueue_in(connection, requests(3))
    assert enqueued(store) == jobs


def test_in_autocommit_mode_an_async_transaction_has_to_be_open(
    store: PostgresStore, postgres_dsn: str
) -> None:
    async def main() -> None:
        connection = await psycopg.AsyncConnection.connect(postgres_dsn, autocommit=True)
        async with connection:
            told = r"enqueue_in_async: expected an open .*'async with connection\.transaction"
            with pytest.raises(StoreError, match=told):
                await store.enqueue_in_async(connection, requests(2))
            async with connection.transaction():
                await store.enqueue_in_async(connection, requests(1))

    asyncio.run(main())
    assert len(enqueued(store)) == 1


def test_all_or_none_are_stored(
    store: PostgresStore, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "NOTIFY", b"select absent()")
    with psycopg.connect(postgres_dsn) as connection, pytest.raises(StoreError):
        store.enqueue_in(connection, requests(2))

    async def main() -> None:
        async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
            with pytest.raises(StoreError):
                await store.enqueue_in_async(connection, requests(2))

    asyncio.run(main())
    assert enqueued(store) == []


def test_in_autocommit_mode_a_transaction_begun_by_sql_is_used(
    store: PostgresStore, postgres_dsn: str
) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("begin")
        store.enqueue_in(connection, requests(2))
        connection.execute("rollback")
    assert enqueued(store) == []


def test_a_connection_in_pipeline_mode(store: PostgresStore, postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        with connection.pipeline():
            jobs = store.enqueue_in(connection, requests(3))
        connection.commit()
    assert enqueued(store) == jobs


def test_a_store_that_is_not_open_can_do_it(store: PostgresStore, postgres_dsn: str) -> None:
    store.close()
    with psycopg.connect(postgres_dsn) as connection:
        jobs = store.enqueue_in(connection, requests(1))
    store.open()
    assert enqueued(store) == jobs


def test_the_delay_counts_from_the_statement(store: PostgresStore, postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        row = connection.execute("select now()").fetchone()
        assert row is not None
        [job] = store.enqueue_in(connection, [JobRequest("work", "[]").available_in(days=1)])
    assert job.created_at > row[0]
    assert (job.available_at - job.created_at).days == 1


def test_a_taken_unique_key_returns_its_job(store: PostgresStore, postgres_dsn: str) -> None:
    wanted = JobRequest("work", '"one"').unique("key")
    with psycopg.connect(postgres_dsn) as connection:
        [first] = store.enqueue_in(connection, [wanted])
        [second, third] = store.enqueue_in(connection, [wanted, JobRequest("work", "2")])
    assert second == first
    assert [job.id for job in enqueued(store)] == [first.id, third.id]


@pytest.mark.parametrize("commit", [True, False])
def test_enqueue_in_async(store: PostgresStore, postgres_dsn: str, *, commit: bool) -> None:
    async def main() -> int:
        connection = await psycopg.AsyncConnection.connect(postgres_dsn)
        async with connection:
            connection.cursor_factory = psycopg.AsyncRawCursor
            jobs = await store.enqueue_in_async(connection, requests(2))
            if not commit:
                await connection.rollback()
            return len(jobs)

    assert asyncio.run(main()) == 2
    assert len(enqueued(store)) == (2 if commit else 0)


def test_listeners_are_notified_when_the_caller_commits(
    store: PostgresStore, postgres_dsn: str
) -> None:
    watcher = store.watch()
    assert watcher is not None
    with psycopg.connect(postgres_dsn) as connection:
        store.enqueue_in(connection, requests(1, "mine"))
        assert watcher.poll() == Notice()
    # Notifications are ordered: the transaction above comes first.
    store.notify(Notice(frozenset({"later"})))
    told: set[str] = set()
    while "later" not in told:
        told |= watcher.poll().workers or set()
    assert told == {"mine", "later"}
    watcher.close()


def test_without_requests_no_statement_is_run(store: PostgresStore, postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        assert store.enqueue_in(connection, []) == []
        assert connection.info.transaction_status.name == "IDLE"


class DatabaseWrapper:
    """Looks like Django's."""

    __module__ = "django.db.backends.postgresql.base"


KINDS: list[tuple[Any, str]] = [
    (object(), "found object"),
    (None, r"found None; Django's .* None before the first query: open transaction\.atomic"),
    (
        DatabaseWrapper(),
        (
            r"found django\.db\.backends\.postgresql\.base\.DatabaseWrapper; "
            r"pass the driver's own connection: connection\.connection$"
        ),
    ),
]


@pytest.mark.parametrize(("wrong", "told"), KINDS)
def test_another_kind_of_connection_is_refused(
    wrong: Any, told: str, store: PostgresStore
) -> None:
    with pytest.raises(
        TypeError, match=rf"^enqueue_in: expected a psycopg\.Connection, {told}"
    ):
        store.enqueue_in(wrong, requests(1))
    asynchronous = rf"^enqueue_in_async: expected a psycopg\.AsyncConnection, {told}"
    with pytest.raises(TypeError, match=asynchronous):
        asyncio.run(store.enqueue_in_async(wrong, requests(1)))


def test_a_connection_for_the_other_verb_is_refused(
    store: PostgresStore, postgres_dsn: str
) -> None:
    both = "enqueue_in takes a Connection, enqueue_in_async an AsyncConnection"
    with psycopg.connect(postgres_dsn) as plain:
        wrong: Any = plain
        with pytest.raises(TypeError, match=rf"found psycopg\.Connection; {both}"):
            asyncio.run(store.enqueue_in_async(wrong, requests(1)))

    async def main() -> None:
        async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
            wrong: Any = connection
            with pytest.raises(TypeError, match=rf"found psycopg\.AsyncConnection; {both}"):
                store.enqueue_in(wrong, requests(1))

    asyncio.run(main())


def test_without_the_schema(postgres_dsn: str) -> None:
    store = PostgresStore(postgres_dsn, schema="absent")
    with (
        psycopg.connect(postgres_dsn) as connection,
        pytest.raises(SchemaMismatchError, match=r"migrate\(\)"),
    ):
        store.enqueue_in(connection, requests(1))


def test_a_naive_now_is_refused(store: PostgresStore, postgres_dsn: str) -> None:
    naive = datetime(2030, 1, 1)  # noqa: DTZ001 - that it is naive is the point
    with psycopg.connect(postgres_dsn) as connection, pytest.raises(NaiveDatetimeError):
        store.enqueue_in(connection, requests(1), now=naive)
    with pytest.raises(NaiveDatetimeError):
        store.count(now=naive)
