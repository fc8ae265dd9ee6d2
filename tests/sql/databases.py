"""Databases on which checks are run against a statement that was changed."""

import shutil
import sqlite3
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, cast, final
from unittest.mock import patch

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sql import Statements, blocks
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing import contract
from tests.sql import checks as own
from tests.sql.family_checks import FAMILY_CHECKS
from tests.sql.mutants import Mutant, package_of
from tests.sql.postgres_checks import POSTGRES_CHECKS

Check = Callable[..., None]
_CONNECTED = {
    *contract.TRANSACTION_CHECKS,
    *own.CHECKS,
    *POSTGRES_CHECKS,
    *FAMILY_CHECKS,
}
"""They take `connect` beside the store."""
_ALONE: Mapping[str, Sequence[Check]] = {
    "sqlite": (),
    "postgres": (*contract.NONBLOCKING_CHECKS, *POSTGRES_CHECKS, *FAMILY_CHECKS),
}
"""The checks that are for one dialect alone."""


def checks_of(dialect: str) -> Sequence[Check]:
    """Return the contract of both ports, and what is checked beside it."""
    return (
        *contract.CHECKS,
        *contract.OPERATIONS_CHECKS,
        *contract.NURSERY_CHECKS,
        *contract.TRANSACTION_CHECKS,
        *own.CHECKS,
        *_ALONE[dialect],
    )


class Database(Protocol):
    """A database that can be emptied quickly."""

    dialect: str

    def store(self) -> AbstractContextManager[Any]:
        """Open a store that is migrated and empty."""
        ...

    def connect(self) -> AbstractContextManager[Any]:
        """Open a connection of the driver."""
        ...


@final
class SQLiteFile:
    """A file that is copied anew for each store."""

    dialect = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._empty, self._path = folder / "empty.db", folder / "jobs.db"
        with closing(SQLiteStore(self._empty)) as store:
            store.open()
            store.migrate()

    @contextmanager
    def store(self) -> Generator[SQLiteStore]:
        """Open a store that is migrated and empty."""
        for name in ("jobs.db-wal", "jobs.db-shm"):
            self._path.with_name(name).unlink(missing_ok=True)
        shutil.copyfile(self._empty, self._path)
        with closing(SQLiteStore(self._path, synchronous="NORMAL")) as store:
            store.open()
            yield store

    def connect(self) -> AbstractContextManager[sqlite3.Connection]:
        """Open a connection of the driver."""
        return closing(sqlite3.connect(self._path))


@final
class PostgresDatabase:
    """A database of a server, whose tables are emptied for each store."""

    dialect = "postgres"

    def __init__(self, server: str, name: str) -> None:
        self._dsn = make_conninfo(server, dbname=name)
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        with closing(PostgresStore(self._dsn)) as store:
            store.open()
            store.migrate()
        with self.connect() as connection:
            [[tables]] = connection.execute(
                "select string_agg(format('%I.%I', schemaname, tablename), ', ')"
                " from pg_tables where schemaname = 'bgjobs' and tablename <> 'migrations'"
            )
        self._empty = f"truncate {tables}".encode()

    @contextmanager
    def store(self) -> Generator[PostgresStore]:
        """Open a store that is migrated and empty."""
        with self.connect() as connection:
            # What a check that was given up has left behind may still hold locks.
            connection.execute(
                "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
            connection.execute(self._empty)
        # Half of what is usual: a mutant may wait for a lock that is not given up.
        with closing(PostgresStore(self._dsn, call_timeout=5.0)) as store:
            store.open()
            yield store

    def connect(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """Open a connection of the driver."""
        return psycopg.connect(self._dsn)


def run(check: Check, database: Database) -> None:
    """Run one check on a store of its own."""
    with database.store() as store:
        if check in _CONNECTED:
            check(store, database.connect)
        else:
            check(store)


def reach(database: Database) -> dict[str, list[Check]]:
    """Run all checks, and return for each statement those that use it, the fastest first."""
    used: dict[str, dict[Check, float]] = {}
    original = Statements.__getitem__
    for check in checks_of(database.dialect):
        verbs = set[str]()

        def record(statements: Statements, verb: str, verbs: set[str] = verbs) -> Any:
            verbs.add(verb)
            return original(statements, verb)

        with patch.object(Statements, "__getitem__", record):
            began = perf_counter()
            run(check, database)
            took = perf_counter() - began
        for verb in verbs:
            used.setdefault(verb, {})[check] = took
    return {verb: sorted(times, key=times.__getitem__) for verb, times in used.items()}


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    """Change one statement for every store that is made in the block."""
    statements = cast("dict[str, str]", blocks(package_of(mutant.dialect)))
    with patch.dict(statements, {mutant.verb: mutant.text}):
        yield


def passes(check: Check, database: Database) -> bool:
    """Whether a check passes, whatever it fails with."""
    try:
        run(check, database)
    except Exception:  # noqa: BLE001 - a mutant may break a check in any way
        return False
    return True
