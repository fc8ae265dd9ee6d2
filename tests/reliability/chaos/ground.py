"""Where the databases of storms stand: a folder of files, or a server with a proxy."""

import os
import secrets
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from attrs import field, frozen

from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile
from tests.reliability.chaos import server_check
from tests.reliability.chaos.proxy import Proxy
from tests.reliability.chaos.server import PostgresServer, running_server
from tests.reliability.chaos.storm_orders import Orders


@final
@frozen
class Ground:
    """Gives new databases, one after another."""

    store: str
    folder: Path
    dsn: str = ""
    server: PostgresServer | None = None
    """Where it is ours to harm."""
    proxy: Proxy | None = None
    _schemas: list[PostgresSchema] = field(factory=list[PostgresSchema])

    def new_database(self) -> Database:
        """Give an empty one."""
        name = f"storm_{secrets.token_hex(6)}"
        if self.store == "sqlite":
            return SQLiteFile(self.folder / f"{name}.db")
        self._schemas.append(PostgresSchema(self.dsn, name))
        return self._schemas[-1]

    def tidy(self) -> None:
        """Remove what was made in a server that is not ours."""
        for schema in self._schemas:
            schema.drop()

    def details(self) -> dict[str, Any]:
        """Give what faults may tell the workers."""
        return {} if self.proxy is None else {"proxied": self.proxy.dsn(self.dsn)}


@contextmanager
def ground(store: str, folder: Path, dsn: str = "") -> Generator[Ground]:
    """Give ground for one kind of store; a server is started unless `dsn` leads to one."""
    given = dsn or os.environ.get("BGJOBS_TEST_POSTGRES", "")
    if store == "sqlite":
        yield Ground(store, folder)
    elif given:
        theirs = Ground(store, folder, given)
        try:
            yield theirs
        finally:
            theirs.tidy()
    else:
        with running_server() as server, Proxy(server.socket) as proxy:
            yield Ground(store, folder, server.dsn, server, proxy)


def broken(orders: Orders) -> Sequence[str]:
    """Give what is wrong with the files of the database.

    Where PostgreSQL has its extension amcheck, what that says; else each table is read whole
    and counted through each index.
    """
    if orders.schema:
        return server_check.problems(orders.place)
    connection = sqlite3.connect(orders.place)
    try:
        found = [row[0] for row in connection.execute("pragma integrity_check")]
    finally:
        connection.close()
    return [] if found == ["ok"] else found
