"""The databases of chaos runs: files in a folder, or schemas of a server behind a proxy."""

import os
import secrets
import sqlite3
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, final

from attrs import field, frozen

from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile
from tests.fixtures.postgres import started_postgres
from tests.reliability.chaos.postgres.proxy import Proxy
from tests.reliability.chaos.postgres.server import PostgresServer, damage, running_server
from tests.reliability.chaos.settings import ProcessSettings


@final
@frozen
class Environment:
    """Creates databases, one for each phase."""

    store: str
    folder: Path
    dsn: str = ""
    server: PostgresServer | None = None
    """The server, if we started it; None for SQLite and for a server that was given."""
    proxy: Proxy | None = None
    _schemas: list[PostgresSchema] = field(factory=list[PostgresSchema])

    def new_database(self) -> Database:
        """Return an empty database."""
        name = f"chaos_{secrets.token_hex(6)}"
        if self.store == "sqlite":
            return SQLiteFile(self.folder / f"{name}.db")
        self._schemas.append(PostgresSchema(self.dsn, name))
        return self._schemas[-1]

    def drop_schemas(self) -> None:
        """Drop the schemas that were created in a server that was given."""
        for schema in self._schemas:
            schema.drop()

    def details(self) -> dict[str, Any]:
        """Return the details of `ProcessSettings` that faults use."""
        return {} if self.proxy is None else {"proxied": self.proxy.dsn(self.dsn)}


@contextmanager
def environment(store: str, folder: Path, dsn: str = "") -> Generator[Environment]:
    """Yield the environment for a kind of store; start a server unless one is given."""
    given = dsn or os.environ.get("BGJOBS_TEST_POSTGRES", "")
    if store == "sqlite":
        yield Environment(store, folder)
    elif given:
        given_server = Environment(store, folder, given)
        try:
            yield given_server
        finally:
            given_server.drop_schemas()
    else:
        with running_server() as server, Proxy(server.socket) as proxy:
            yield Environment(store, folder, server.dsn, server, proxy)


def database_damage(settings: ProcessSettings) -> Sequence[str]:
    """Return what is corrupt in the database of these settings, one text for each finding."""
    if settings.schema:
        return damage(settings.location)
    connection = sqlite3.connect(settings.location)
    try:
        found = [row[0] for row in connection.execute("pragma integrity_check")]
    finally:
        connection.close()
    return [] if found == ["ok"] else found


STORES = ("sqlite", "postgres")


@contextmanager
def database_on(store: str, folder: Path) -> Generator[Database]:
    """Yield a new file in the folder, or a new schema, which is dropped afterwards."""
    if store == "sqlite":
        yield SQLiteFile(folder / f"{secrets.token_hex(6)}.db")
        return
    with ExitStack() as stack:
        given = os.environ.get("BGJOBS_TEST_POSTGRES")
        dsn = given or stack.enter_context(started_postgres())
        schema = PostgresSchema(dsn, f"chaos_{secrets.token_hex(6)}")
        stack.callback(schema.drop)
        yield schema


@contextmanager
def new_folder() -> Generator[Path]:
    """Yield a temporary folder for databases and journals."""
    with tempfile.TemporaryDirectory(prefix="bgjobs-chaos-") as folder:
        yield Path(folder)
