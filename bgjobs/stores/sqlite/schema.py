"""The version of the schema, and the migrations that bring it up to date."""

from collections.abc import Callable, Sequence

from bgjobs.errors import SchemaMismatchError
from bgjobs.stores.sqlite.connection import Parameters, Row, run
from bgjobs.stores.sqlite.executor import Executor
from bgjobs.stores.types import SCHEMA_VERSION


def found_version(read: Callable[[str, Parameters], list[Row]], table: str) -> int:
    """Return the version of the schema, or 0 when there is none.

    Args:
        read: Runs a named statement, inside a transaction or not.
        table: The name of the table of migrations.
    """
    if not read("find_migrations_table", {"table": table}):
        return 0
    version: int | None = read("schema_version", {})[0][0]
    return version or 0


def migrate(executor: Executor, table: str) -> Sequence[str]:
    """Apply what is missing, each migration in a transaction that also records it."""
    now = executor.microseconds(None)
    applied: list[str] = []
    while (name := _apply_next(executor, table, now)) is not None:
        applied.append(name)
    return applied


def _apply_next(executor: Executor, table: str, now: int) -> str | None:
    with executor.writing() as transaction:
        # Read inside the transaction: another process may have migrated just before.
        found = found_version(transaction.run, table)
        if found > SCHEMA_VERSION:
            raise SchemaMismatchError(executor.connections.label, found, SCHEMA_VERSION)
        if found == SCHEMA_VERSION:
            return None
        file = executor.sql.migrations()[found]
        for statement in executor.sql.migration(file):
            run(transaction.raw, statement, {})
        name = file.removesuffix(".sql")
        record: Parameters = {"version": found + 1, "name": name, "now": now}
        transaction.run("record_migration", record)
        return name
