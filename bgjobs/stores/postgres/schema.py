"""Migrations of the schema, and its version."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from bgjobs.errors import SchemaMismatchError
from bgjobs.stores.postgres.errors import retry_rolled_back
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.statements import Dialect, lock_timeout
from bgjobs.stores.types import SCHEMA_VERSION

# Functions are called by their full names. Otherwise a role that may create functions in a
# schema of the search path could have its own called with the migrator's rights.
# https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATTERNS
_ONE_AT_A_TIME = b"select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext(%(lock)s))"
_HAS_SCHEMA = b"select pg_catalog.to_regnamespace(%(schema)s) is not null"

_LOCK_TIMEOUT = 2.0
"""Seconds to wait for a table; other sessions that need it queue behind this wait."""

Transaction = Callable[[], AbstractContextManager[AnyConnection]]


def migrate(sql: Dialect, transaction: Transaction) -> list[str]:
    """Apply the missing migrations, each in its own transaction, and return their names.

    Raise `StoreUnavailableError` if a table stays locked; that migration is rolled back.
    """

    def once() -> str | None:
        with transaction() as connection:
            return _apply_next(sql, connection)

    applied: list[str] = []
    # Repeated after a deadlock: other programs may lock the tables in another order.
    while (name := retry_rolled_back(once)) is not None:
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
    # Set only now: the wait for another process that migrates has no limit.
    sql.run(connection, *lock_timeout(_LOCK_TIMEOUT))
    _make_schema(sql, connection)
    return _apply(sql, connection, missing[0])


def _make_schema(sql: Dialect, connection: AnyConnection) -> None:
    # A role without the right to create schemas can use one that exists.
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
    """Return the files of the migrations that follow this version."""
    return [file for file in sql.migrations() if found < number_of(file) <= SCHEMA_VERSION]


def number_of(file: str) -> int:
    """Return the version that a migration leads to."""
    return int(file.partition("_")[0])


def found_version(sql: Dialect, connection: AnyConnection) -> int:
    """Return the version of the schema, 0 if there is none."""
    table = {"table": f'"{sql.schema}"."migrations"'}
    if not sql.run(connection, sql["find_migrations_table"], table)[0][0]:
        return 0
    version: int = sql.run(connection, sql["schema_version"], {})[0][0]
    return version


def check_schema(sql: Dialect, connection: AnyConnection) -> None:
    """Raise `SchemaMismatchError` unless the schema has the version of this package."""
    found = found_version(sql, connection)
    if found != SCHEMA_VERSION:
        raise SchemaMismatchError(sql.label, found, SCHEMA_VERSION)
