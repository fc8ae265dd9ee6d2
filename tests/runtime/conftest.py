"""Applications to run in tests: each backend, each store, real time or virtual."""

import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from psycopg import sql
from trio.testing import MockClock

import bgjobs
from bgjobs.testing import Recorder, VirtualClock


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


class Database(Protocol):
    """A database that tests may open any number of stores and connections on."""

    def store(self) -> bgjobs.Store: ...
    def connect(self) -> Any: ...


class SQLiteFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def store(self) -> bgjobs.Store:
        return bgjobs.SQLiteStore(self.path)

    def connect(self) -> Any:
        return sqlite3.connect(self.path)


class PostgresSchema:
    def __init__(self, dsn: str, schema: str) -> None:
        self.dsn = dsn
        self.schema = schema

    def store(self) -> bgjobs.Store:
        return bgjobs.PostgresStore(self.dsn, schema=self.schema)

    def connect(self) -> Any:
        return psycopg.connect(self.dsn)

    def drop(self) -> None:
        with psycopg.connect(self.dsn) as connection:
            statement = sql.SQL("drop schema if exists {} cascade")
            connection.execute(statement.format(sql.Identifier(self.schema)))


@pytest.fixture
def sqlite_file(tmp_path: Path) -> SQLiteFile:
    return SQLiteFile(tmp_path / "jobs.db")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_file")
        return
    dsn = request.getfixturevalue("postgres_dsn")
    postgres = PostgresSchema(dsn, f"test_{secrets.token_hex(6)}")
    yield postgres
    postgres.drop()


class Harness:
    """Makes configurations over one database, with one recorder."""

    def __init__(self, database: Database, **settings: Any) -> None:
        self.database = database
        self.recorder = Recorder()
        self.settings = settings

    def config(
        self, *workers: Any, queue: dict[str, Any] | None = None, **more: Any
    ) -> bgjobs.Config:
        options = {"backoff": bgjobs.backoff.IMMEDIATE, **(queue or {})}
        settings: dict[str, Any] = {"listeners": [self.recorder], **self.settings, **more}
        settings.setdefault("store", self.database.store())
        if "queues" not in settings:
            settings["queues"] = [bgjobs.Queue("default", workers=workers, **options)]
        return bgjobs.Config(**settings)

    def open_store(self) -> bgjobs.Store:
        """Another store over the same database, opened, to look at the rows."""
        store = self.database.store()
        store.open()
        return store


@pytest.fixture
def app(database: Database) -> Harness:
    """Both stores, in real time."""
    return Harness(database)


@pytest.fixture
def sqlite_app(sqlite_file: SQLiteFile) -> Harness:
    """SQLite only, in real time: for what no store can make different."""
    return Harness(sqlite_file)


@pytest.fixture
def virtual_app(sqlite_file: SQLiteFile) -> Harness:
    """SQLite on the event loop under virtual time; for tests marked `virtual_time`."""
    ages = 1e9  # the lease is not what virtual time is for, and a beat would end each jump
    return Harness(
        sqlite_file,
        clock=VirtualClock(),
        lease=ages,
        heartbeat_interval=ages / 3,
        sweep_interval=ages,
        retention=bgjobs.Retention(interval=ages),
    )


virtual_time = pytest.mark.parametrize(
    "anyio_backend",
    [pytest.param(("trio", {"clock": MockClock(autojump_threshold=0)}), id="virtual")],
)
