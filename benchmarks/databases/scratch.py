"""The database or file of one system while it is measured. Peers load no bgjobs code for it."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, final
from urllib.parse import quote

import psycopg
from attrs import frozen
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from benchmarks.processes.cpu import is_postgres


@final
@frozen
class PostgresScratch:
    """One database of a server on which the user may create databases."""

    server: str
    name: str

    @property
    def url(self) -> str:
        """The database, in a form that libpq, asyncpg and node-postgres all understand."""
        return url_of(self.server, self.name)

    def recreate(self) -> None:
        self.drop()
        with connected(self.server) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(self.name)))
            checkpoint(connection)

    def analyze(self) -> None:
        with connected(self.url) as connection:
            connection.execute("vacuum analyze")
            checkpoint(connection)

    def query_number(self, query: str) -> int:
        with connected(self.url) as connection:
            [[found]] = connection.execute(query.encode()).fetchall()
        return int(found)

    def server_processes(self) -> Sequence[int]:
        query = "select pid from pg_stat_activity where datname = %s"
        with connected(self.server) as connection:
            found = connection.execute(query, (self.name,)).fetchall()
        return [pid for (pid,) in found if is_postgres(pid)]

    def drop(self) -> None:
        with connected(self.server) as connection:
            name = sql.Identifier(self.name)
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))


@final
@frozen
class SQLiteScratch:
    """One file."""

    file: Path

    def recreate(self) -> None:
        self.drop()

    def analyze(self) -> None:
        """Do nothing: closing writes the log back, and applications analyze no new files."""

    def query_number(self, query: str) -> int:
        with closing(sqlite3.connect(self.file, timeout=10)) as connection:
            [[found]] = connection.execute(query).fetchall()
        return int(found)

    def server_processes(self) -> Sequence[int]:
        return ()

    def drop(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{self.file}{suffix}").unlink(missing_ok=True)


def connected(conninfo: str) -> "closing[psycopg.Connection[Any]]":
    """Connect in autocommit mode for the length of a block."""
    return closing(psycopg.connect(conninfo, autocommit=True))


def checkpoint(connection: psycopg.Connection[Any]) -> None:
    """Write dirty pages, where the role may do that."""
    # Only a superuser or a member of pg_checkpoint may do it; without it figures vary more.
    with suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute("checkpoint")


def url_of(server: str, database: str) -> str:
    """Return the URL of another database of a server."""
    parts = {
        name: str(value)
        for name, value in conninfo_to_dict(server).items()
        if value and name in ("host", "port", "user", "password", "sslmode")
    }
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parts.items())
    return f"postgresql:///{database}?{query}"
