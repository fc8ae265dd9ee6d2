"""Errors of `enqueue_in` for connections on which jobs cannot be stored."""

from bgjobs.errors import StoreError

_BEFORE_THE_FIRST_QUERY = (
    "; Django's connection.connection is None before the first query: open "
    "transaction.atomic() first, which connects"
)
_SQLALCHEMY = {
    "Session": "session.connection().connection.driver_connection",
    "scoped_session": "session.connection().connection.driver_connection",
    "Connection": "connection.connection.driver_connection",
    "AsyncSession": "(await (await session.connection()).get_raw_connection())"
    ".driver_connection",
    "async_scoped_session": "(await (await session.connection()).get_raw_connection())"
    ".driver_connection",
    "AsyncConnection": "(await connection.get_raw_connection()).driver_connection",
}


def wrong_connection(verb: str, wanted: str, found: object) -> TypeError:
    """Return the error for a value that is not a connection of the database driver."""
    if found is None:
        return TypeError(f"{verb}: expected a {wanted}, found None{_BEFORE_THE_FIRST_QUERY}")
    kind = type(found)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    return TypeError(f"{verb}: expected a {wanted}, found {name}{_advice(kind)}")


def _advice(kind: type) -> str:
    package = kind.__module__.partition(".")[0]
    if package == "sqlalchemy":
        way = _SQLALCHEMY.get(kind.__name__, "its driver_connection")
    elif package == "django":
        way = "connection.connection"
    elif package == "psycopg":
        return "; enqueue_in takes a Connection, enqueue_in_async an AsyncConnection"
    else:
        return ""
    return f"; pass the driver's own connection: {way}"


def no_transaction(label: str, verb: str, begin: str) -> StoreError:
    """Return the error for a connection in autocommit mode without a transaction."""
    return StoreError(
        f"{label}: {verb}: expected an open transaction, found none on a connection in "
        f"autocommit mode, which would commit the jobs apart from your own rows: begin one "
        f"with {begin}, in Django with transaction.atomic()"
    )
