"""Where a system keeps its jobs while it is measured: a database or file of its own."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Protocol, final
from urllib.parse import quote

import psycopg
from attrs import frozen
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict


class Site(Protocol):
    """New and empty for each section of a measurement, so that no bloat is carried over."""

    def fresh(self) -> None:
        """Begin anew."""
        ...

    def tidy(self) -> None:
        """Bring statistics up to date and write out what is dirty."""
        ...

    def ask(self, query: str) -> int:
        """Give the one number that a query finds, over a connection of its own."""
        ...

    def remove(self) -> None:
        """Leave nothing."""
        ...


@final
@frozen
class PostgresSite:
    """One database of a server, which the user of `server` must be allowed to create."""

    server: str
    name: str

    @property
    def url(self) -> str:
        """The database, as libpq, asyncpg and node-postgres all understand it."""
        return url_of(self.server, self.name)

    def fresh(self) -> None:
        self.remove()
        with self._connection(self.server) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(self.name)))
            checkpoint(connection)

    def tidy(self) -> None:
        with self._connection(self.url) as connection:
            connection.execute("vacuum analyze")
            checkpoint(connection)

    def ask(self, query: str) -> int:
        with self._connection(self.url) as connection:
            [[found]] = connection.execute(query.encode()).fetchall()
        return int(found)

    def remove(self) -> None:
        with self._connection(self.server) as connection:
            name = sql.Identifier(self.name)
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))

    def _connection(self, conninfo: str) -> "closing[psycopg.Connection]":
        return closing(psycopg.connect(conninfo, autocommit=True))


@final
@frozen
class SQLiteSite:
    """One file."""

    file: Path

    def fresh(self) -> None:
        self.remove()

    def tidy(self) -> None:
        """Do nothing: nobody analyzes a new file, and its log goes when it is closed."""

    def ask(self, query: str) -> int:
        with closing(sqlite3.connect(self.file, timeout=10)) as connection:
            [[found]] = connection.execute(query).fetchall()
        return int(found)

    def remove(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{self.file}{suffix}").unlink(missing_ok=True)


def checkpoint(connection: "psycopg.Connection[Any]") -> None:
    """Write out what is dirty, where that is allowed."""
    # Only a superuser or a member of pg_checkpoint may do it; without it figures vary more.
    with suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute("checkpoint")


def url_of(server: str, database: str) -> str:
    """Name another database of a server."""
    parts = {
        name: str(value)
        for name, value in conninfo_to_dict(server).items()
        if value and name in ("host", "port", "user", "password", "sslmode")
    }
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parts.items())
    return f"postgresql:///{database}?{query}"
