"""Jobs in the transactions of SQLAlchemy, and the errors for its own objects."""

import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from bgjobs.errors import StoreError
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.contract.steps import ask, enqueued

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """SQLAlchemy supports only asyncio."""
    return "asyncio"


def url(dsn: str) -> sa.URL:
    parts = {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    database = parts.pop("dbname")
    return sa.URL.create("postgresql+psycopg", database=database, query=parts)


@asynccontextmanager
async def session(dsn: str) -> AsyncGenerator[AsyncSession]:
    engine = create_async_engine(url(dsn))
    try:
        async with async_sessionmaker(engine)() as found:
            yield found
    finally:
        await engine.dispose()


@contextmanager
def plain_session(dsn: sa.URL | str) -> Generator[Session]:
    engine = sa.create_engine(dsn)
    try:
        with Session(engine) as found:
            yield found
    finally:
        engine.dispose()


async def driver_connection(found: AsyncSession) -> Any:
    """Yield a session as the documents show it."""
    return (await (await found.connection()).get_raw_connection()).driver_connection


@pytest.mark.parametrize(("end", "stored"), [("commit", 1), ("rollback", 0)])
async def test_an_async_session_ends_the_transaction(
    end: str, stored: int, store: PostgresStore, postgres_dsn: str
) -> None:
    async with session(postgres_dsn) as found:
        await found.execute(sa.text("select 1"))
        await store.enqueue_in_async(await driver_connection(found), [ask()])
        assert enqueued(store) == []
        await getattr(found, end)()
    assert len(enqueued(store)) == stored


async def test_the_first_statement_of_an_async_session_may_store_jobs(
    store: PostgresStore, postgres_dsn: str
) -> None:
    async with session(postgres_dsn) as found, found.begin():
        await store.enqueue_in_async(await driver_connection(found), [ask()])
        assert enqueued(store) == []
    assert len(enqueued(store)) == 1


@pytest.mark.parametrize(("end", "stored"), [("commit", 1), ("rollback", 0)])
def test_a_plain_session_ends_the_transaction(
    end: str, stored: int, store: PostgresStore, postgres_dsn: str
) -> None:
    with plain_session(url(postgres_dsn)) as found:
        connection: Any = found.connection().connection.driver_connection
        store.enqueue_in(connection, [ask()])
        assert enqueued(store) == []
        getattr(found, end)()
    assert len(enqueued(store)) == stored


@pytest.mark.parametrize(("end", "stored"), [("commit", 1), ("rollback", 0)])
def test_a_session_over_sqlite_ends_the_transaction(
    end: str, stored: int, sqlite_store: SQLiteStore, sqlite_path: Path
) -> None:
    with plain_session(f"sqlite:///{sqlite_path}") as found:
        sqlite_store.enqueue_in(found.connection().connection.driver_connection, [ask()])
        assert enqueued(sqlite_store) == []
        getattr(found, end)()
    assert len(enqueued(sqlite_store)) == stored


async def test_an_autocommitting_engine_is_refused(
    store: PostgresStore, postgres_dsn: str
) -> None:
    engine = create_async_engine(url(postgres_dsn), isolation_level="AUTOCOMMIT")
    async with AsyncSession(engine) as found:
        with pytest.raises(StoreError, match="expected an open transaction"):
            await store.enqueue_in_async(await driver_connection(found), [ask()])
    await engine.dispose()


def told(error: pytest.ExceptionInfo[TypeError]) -> tuple[str, str]:
    """The found object, and the way to the connection of the driver."""
    _, _, found = str(error.value).partition(", found ")
    found, _, way = found.partition("; pass the driver's own connection: ")
    return found, way


async def test_an_error_for_an_object_of_sqlalchemy_names_the_way_to_the_drivers_connection(
    store: PostgresStore, postgres_dsn: str
) -> None:
    async with session(postgres_dsn) as found:
        connection = await found.connection()
        ways: dict[str, str] = {}
        objects: list[Any] = [found, connection, found.sync_session, connection.sync_connection]
        for one in objects:
            with pytest.raises(TypeError) as error:
                await store.enqueue_in_async(one, [ask()])
            kind, way = told(error)
            ways[kind] = way
        adapted: Any = (await connection.get_raw_connection()).dbapi_connection
        with pytest.raises(TypeError) as error:
            await store.enqueue_in_async(adapted, [ask()])
        assert adapted.driver_connection is await driver_connection(found)

    assert ways == {
        "sqlalchemy.ext.asyncio.session.AsyncSession": (
            "(await (await session.connection()).get_raw_connection()).driver_connection"
        ),
        "sqlalchemy.ext.asyncio.engine.AsyncConnection": (
            "(await connection.get_raw_connection()).driver_connection"
        ),
        "sqlalchemy.orm.session.Session": "session.connection().connection.driver_connection",
        "sqlalchemy.engine.base.Connection": "connection.connection.driver_connection",
    }
    assert told(error)[1] == "its driver_connection"


def test_the_error_names_the_way_over_sqlite_too(
    sqlite_store: SQLiteStore, sqlite_path: Path
) -> None:
    with plain_session(f"sqlite:///{sqlite_path}") as found:
        wrong: Any = found
        with pytest.raises(TypeError) as error:
            sqlite_store.enqueue_in(wrong, [ask()])
    assert told(error) == (
        "sqlalchemy.orm.session.Session",
        "session.connection().connection.driver_connection",
    )
    with closing(sqlite3.connect(sqlite_path)) as raw, raw:
        sqlite_store.enqueue_in(raw, [ask()])
