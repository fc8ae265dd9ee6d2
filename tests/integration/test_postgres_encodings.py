"""Text is read back as it was written, whatever a session's encoding is, or it is refused."""

import select
from contextlib import AbstractContextManager, closing
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

from bgjobs._core.jobs import FailedJob
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Fail
from bgjobs.errors import StoreError
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import Notice
from bgjobs.testing.contract.steps import enqueued, listed
from tests.fixtures.postgres import schema_of
from tests.fixtures.postgres_jobs import enqueue, open_owner, reserve_one
from tests.fixtures.stores import opened

CAFE = "naïve café"
TEXT = f"{CAFE} €uro 日本語 🎉 ÿ"
"""Characters of one to four bytes; the first of them are in LATIN1 too."""
LATIN1: dict[str, Any] = {"client_encoding": "LATIN1"}
NAME = "wörker-日本"
REFUSED = "client_encoding is LATIN1, so the server would store other text than it was sent"


def at(given: Any, **settings: Any) -> AbstractContextManager[PostgresStore]:
    return opened(PostgresStore(given, **settings))


@pytest.fixture
def schema(store: PostgresStore) -> str:
    """A schema with all tables."""
    return schema_of(store)


def check_all_texts(store: PostgresStore) -> None:
    """Write and read text in every way."""
    request = JobRequest(NAME, f'"{TEXT}"').unique(TEXT).with_metadata(über=TEXT)
    [new] = enqueue(store, request)
    owner = open_owner(store)
    [job] = store.reserve(owner, [NAME], 1)
    assert (job.name, job.payload, job.unique_key) == (NAME, f'"{TEXT}"', TEXT)
    assert job.metadata == {"über": TEXT}
    assert store.find_unique(NAME, TEXT) == job
    seen: list[Any] = []
    asked = "select %s::text, length('ï€🎉')"
    store.complete(
        enqueue_one(store), lambda raw: seen.extend(raw.execute(asked, [TEXT]).fetchall())
    )
    assert seen == [(TEXT, 3)]
    error = f"Boom: {TEXT}"
    failure = Fail(
        reservation=job.reservation, error=error, attempts=1, crashes=0, interruptions=0
    )
    assert store.write(settle=[failure]).lost == []
    failed = store.find(new.id)
    assert isinstance(failed, FailedJob)
    assert failed.error == error
    found = listed(store, "failed", search="naïve 日本語")
    assert [one.id for one in found] == [new.id]


def enqueue_one(store: PostgresStore) -> Any:
    return reserve_one(store, "other").reservation


def check_news(store: PostgresStore) -> None:
    watcher = store.watch()
    assert watcher is not None
    with closing(watcher):
        store.notify(Notice(frozenset({NAME})))
        readable, _, _ = select.select([watcher.fileno()], [], [], 30)
        assert readable
        assert watcher.poll() == Notice(frozenset({NAME}))


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP", "WIN1252"])
def test_the_environment_chooses_no_encoding(
    postgres_dsn: str, schema: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    with at(postgres_dsn, schema=schema, listen_dsn=postgres_dsn) as store:
        check_all_texts(store)
        check_news(store)


@pytest.mark.parametrize("settings", [LATIN1, {"options": "-c client_encoding=LATIN1"}])
def test_the_connection_string_chooses_no_encoding(
    postgres_dsn: str, schema: str, settings: dict[str, str]
) -> None:
    with at(make_conninfo(postgres_dsn, **settings), schema=schema) as store:
        check_all_texts(store)
        check_news(store)


def test_the_encoding_that_work_sets_does_not_stay(postgres_dsn: str, schema: str) -> None:
    with at(postgres_dsn, schema=schema, pool_size=1) as store:
        reservation = enqueue_one(store)
        assert store.complete(
            reservation, lambda raw: raw.execute("set client_encoding to 'LATIN1'")
        )
        check_all_texts(store)


def test_a_pool_of_the_application_in_another_encoding_is_refused(
    postgres_dsn: str, schema: str
) -> None:
    with (
        ConnectionPool(postgres_dsn, kwargs=LATIN1, min_size=1, max_size=2, open=True) as pool,
        at(pool, schema=schema) as store,
    ):
        with pytest.raises(StoreError, match=REFUSED):
            store.check_schema()
        with pytest.raises(StoreError, match=REFUSED):
            enqueue(store, JobRequest(NAME, "{}"))
        with pool.connection() as connection:
            [[stored]] = connection.execute(f'select count(*) from "{schema}".jobs').fetchall()
    assert stored == 0


def test_enqueue_in_refuses_a_connection_in_another_encoding(
    postgres_dsn: str, schema: str
) -> None:
    with (
        at(postgres_dsn, schema=schema) as store,
        psycopg.connect(postgres_dsn, **LATIN1) as connection,
    ):
        connection.execute("create temporary table mine (text text)")
        with pytest.raises(StoreError, match=REFUSED):
            store.enqueue_in(connection, [JobRequest(NAME, CAFE)])
        connection.execute("insert into mine values (%s)", [CAFE])
        connection.commit()
        assert connection.execute("select text from mine").fetchall() == [(CAFE,)]
        connection.execute("set client_encoding to 'UTF8'")
        [job] = store.enqueue_in(connection, [JobRequest(NAME, TEXT)])
        connection.commit()
        assert [one.payload for one in enqueued(store)] == [TEXT]
        assert store.find(job.id) == job


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_enqueue_in_async_refuses_a_connection_in_another_encoding(
    postgres_dsn: str, schema: str
) -> None:
    with at(postgres_dsn, schema=schema) as store:
        async with await psycopg.AsyncConnection.connect(postgres_dsn, **LATIN1) as connection:
            with pytest.raises(StoreError, match=REFUSED):
                await store.enqueue_in_async(connection, [JobRequest(NAME, CAFE)])
            await connection.execute("set client_encoding to 'UNICODE'")
            await store.enqueue_in_async(connection, [JobRequest(NAME, TEXT)])
        assert [one.payload for one in enqueued(store)] == [TEXT]
