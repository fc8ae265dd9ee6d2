"""Bringing a schema up to date, and finding out whether it is."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from bgjobs.errors import SchemaMismatchError
from bgjobs.stores.port import SCHEMA_VERSION
from bgjobs.stores.postgres.errors import run_again
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.statements import Dialect, lock_wait

# By their full names: where others may create functions in a schema of the search path, one of
# theirs whose arguments fit better would be called, with the rights of the migrator.
_ONE_AT_A_TIME = b"select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext(%(lock)s))"
_HAS_SCHEMA = b"select pg_catalog.to_regnamespace(%(schema)s) is not null"

_LOCK_WAIT = 2.0
"""Seconds to wait for a table; whoever wants to use it waits behind us meanwhile."""

Transaction = Callable[[], AbstractContextManager[AnyConnection]]


def migrate(sql: Dialect, transaction: Transaction) -> list[str]:
    """Apply what is missing, each in its own transaction, and return the names.

    `StoreUnavailableError` where a table is in use for long; that migration is undone.
    """

    def once() -> str | None:
        with transaction() as connection:
            return _apply_next(sql, connection)

    applied: list[str] = []
    # Again after a deadlock: others take the tables in orders of their own.
    while (name := run_again(once)) is not None:
        applied.append(name)
    return applied


def _apply_next(sql: Dialect, connection: AnyConnection) -> str | None:
    sql.run(connection, _ONE_AT_A_TIME, {"lock": f"bgjobs {sql.schema}"})
    found = found_version(sql, connection)
    if found > SCHEMA_VERSION:
        raise SchemaMismatchError(sql.label, found, SCHEMA_VERSION)
    missing = pending(sql, found)
    if not missing:
        return None
    # Not before: another process that migrates is waited for as long as it takes.
    sql.run(connection, *lock_wait(_LOCK_WAIT))
    _make_schema(sql, connection)
    return _apply(sql, connection, missing[0])


def _make_schema(sql: Dialect, connection: AnyConnection) -> None:
    # A role that may not create schemas can use one that was made for it.
    if not sql.run(connection, _HAS_SCHEMA, {"schema": sql.schema})[0][0]:
        sql.execute(connection, f'create schema if not exists "{sql.schema}"'.encode())


def _apply(sql: Dialect, connection: AnyConnection, file: str) -> str:
    for statement in sql.migration(file):
        sql.execute(connection, statement)
    name = file.removesuffix(".sql")
    values = {"version": number_of(file), "name": name, "now": None}
    sql.execute(connection, sql["record_migration"], values)
    return name


def pending(sql: Dialect, found: int) -> list[str]:
    """Give the files that lead on from this version."""
    return [file for file in sql.migrations() if found < number_of(file) <= SCHEMA_VERSION]


def number_of(file: str) -> int:
    """Give the version to which a migration leads."""
    return int(file.partition("_")[0])


def found_version(sql: Dialect, connection: AnyConnection) -> int:
    """Give the version of the schema, 0 when there is none."""
    table = {"table": f'"{sql.schema}"."migrations"'}
    if not sql.run(connection, sql.part("schema_version", 0), table)[0][0]:
        return 0
    version: int = sql.run(connection, sql.part("schema_version", 1), {})[0][0]
    return version


def check_schema(sql: Dialect, connection: AnyConnection) -> None:
    """Raise `SchemaMismatchError` unless the schema is the one we know."""
    found = found_version(sql, connection)
    if found != SCHEMA_VERSION:
        raise SchemaMismatchError(sql.label, found, SCHEMA_VERSION)
