"""Bringing the schema to the version that this bgjobs knows."""

import sqlite3
from collections.abc import Sequence

from bgjobs.errors import SchemaMismatchError
from bgjobs.stores.port import SCHEMA_VERSION
from bgjobs.stores.sql import Statements
from bgjobs.stores.sqlite.connection import Connection, Parameters, run
from bgjobs.stores.sqlite.errors import translated


def found_version(raw: sqlite3.Connection, sql: Statements, table: str) -> int:
    """Give the version of the schema, 0 when there is none; `table` is the migrations' name."""
    exists, newest = sql["schema_version"]
    if not run(raw, exists, {"table": table}):
        return 0
    version: int | None = run(raw, newest, {})[0][0]
    return version or 0


def migrate(connection: Connection, sql: Statements, table: str, now: int) -> Sequence[str]:
    """Apply what is missing, each migration in a transaction of its own that records it."""
    applied: list[str] = []
    while (name := _apply_next(connection, sql, table, now)) is not None:
        applied.append(name)
    return applied


def _apply_next(connection: Connection, sql: Statements, table: str, now: int) -> str | None:
    with connection.writing() as raw, translated(connection.label):
        # Looked up inside the transaction: another process may have migrated just before.
        found = found_version(raw, sql, table)
        if found > SCHEMA_VERSION:
            raise SchemaMismatchError(connection.label, found, SCHEMA_VERSION)
        if found == SCHEMA_VERSION:
            return None
        file = sql.migrations()[found]
        for statement in sql.migration(file):
            run(raw, statement, {})
        name = file.removesuffix(".sql")
        record: Parameters = {"version": found + 1, "name": name, "now": now}
        for statement in sql["record_migration"]:
            run(raw, statement, record)
        return name
