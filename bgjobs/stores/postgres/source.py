"""Where connections come from: a connection string, or a pool of the caller's.

The driver quotes in its errors the part of a connection string that it could not read. A
password with an unescaped character ends up in the host or the database name, and so in labels
and logs. Strings that look like that are refused before the driver reads them.
"""

import re
from collections.abc import Mapping
from typing import Any, Protocol, final

import psycopg
from attrs import field, frozen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

from bgjobs._core.arguments import (
    LONGEST_WAIT,
    check_flag,
    check_seconds,
    check_text,
    check_type,
    check_whole,
)
from bgjobs.errors import StoreError
from bgjobs.stores.postgres.errors import translated
from bgjobs.stores.postgres.pool import AnyConnection, OwnConnections, Pool
from bgjobs.stores.sql import check_identifier

AnyPool = ConnectionPool[Any]
"""A pool of any connections: the type of one without a type argument is not narrower."""

CONNECT_TIMEOUT = 5
"""Seconds to wait for a new connection."""
_DEFAULTS: Mapping[str, Any] = {
    "application_name": "bgjobs",
    "connect_timeout": CONNECT_TIMEOUT,
    # A peer that vanished is noticed after about a minute.
    # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}
"""Parameters that the connection string may override."""
PREPARE_AFTER = 2
"""Runs of a statement on one connection after which it is prepared there.

Planning a reservation takes longer than running it.
"""
_WRITABLE = ("read-write", "primary")
"""Values of `target_session_attrs` that ask for a server that takes writes."""
_ENCODING = {"client_encoding": "UTF8"}
"""Overrides the connection string and PGCLIENTENCODING: another encoding would change text."""
_LARGEST_POOL = 10_000
"""The largest concurrency of a queue."""
_UNLIMITED = 4
"""How many connections are used of a pool without a limit."""
_URL = re.compile(r"postgres(?:ql)?://")
_NESTED = re.compile(rf"{_URL.pattern}|\w+\s*=")
"""A connection string in place of a database name."""
_PORTS = re.compile(r"[0-9, ]*")


class Source(Protocol):
    """Makes connections and the pool of an open store."""

    @property
    def label(self) -> str:
        """Which server and schema, without secrets."""
        ...

    @property
    def is_ours(self) -> bool:
        """Whether the pool and its sessions are used by the store alone."""
        ...

    @property
    def wants_writes(self) -> bool:
        """Whether a session that stopped taking writes must not be used for reads either."""
        ...

    @property
    def size(self) -> int:
        """The largest number of connections of the pool."""
        ...

    def open_pool(self) -> Pool:
        """Return an open pool."""
        ...

    def connect(self, dsn: str | None = None) -> AnyConnection:
        """Open a connection in autocommit mode outside the pool, by `dsn` if it is given."""
        ...


@final
@frozen
class OwnPool:
    """A pool that the store opens and closes."""

    label: str
    size: int
    _conninfo: str = field(repr=False)
    is_ours = True

    @property
    def wants_writes(self) -> bool:
        """Whether the connection string asks for a server that takes writes."""
        return parts_of(self._conninfo).get("target_session_attrs") in _WRITABLE

    def open_pool(self) -> OwnConnections:
        """Return a pool that connects when a connection is needed."""
        return OwnConnections(self._new_connection, self.size)

    def _new_connection(self) -> AnyConnection:
        # Behind a pooler, the setting is overridden while the connection is in use.
        connection: AnyConnection = psycopg.connect(
            self._conninfo, autocommit=True, prepare_threshold=PREPARE_AFTER
        )
        ignore_notifications(connection)
        return connection

    def connect(self, dsn: str | None = None) -> AnyConnection:
        """Open a connection."""
        with translated(self.label):
            return psycopg.connect(dsn or self._conninfo, autocommit=True)


@final
@frozen
class CallersPool:
    """A pool that the application opens and closes."""

    label: str
    _pool: AnyPool = field(repr=False)
    is_ours = False
    wants_writes = False

    @property
    def size(self) -> int:
        """The limit of the caller's pool, if it has one."""
        return self._pool.max_size or _UNLIMITED

    def open_pool(self) -> Pool:
        """Return the caller's pool, which must be open."""
        if self._pool.closed:
            raise StoreError(f"{self.label}: your ConnectionPool is not open; open it first")
        return self._pool

    def connect(self, dsn: str | None = None) -> AnyConnection:
        """Open a connection as the pool does."""
        with translated(self.label):
            if dsn is not None:
                return psycopg.connect(dsn, autocommit=True)
            conninfo, settings = self._resolved()
            kind: type[AnyConnection] = self._pool.connection_class
            return kind.connect(conninfo, **settings)

    def _resolved(self) -> tuple[str, dict[str, Any]]:
        pool = self._pool
        conninfo = (pool.conninfo() if callable(pool.conninfo) else pool.conninfo) or ""
        settings = (pool.kwargs() if callable(pool.kwargs) else pool.kwargs) or {}
        try:
            parts_of(conninfo, settings)
        except ValueError as error:
            raise StoreError(f"{self.label}: {error}") from error
        return conninfo, {**settings, "autocommit": True, **_ENCODING}


def ignore_notifications(connection: AnyConnection) -> None:
    """Drop notifications, which the driver would keep until they are read.

    Behind a pooler, a session may be listening for another client.
    """
    connection.add_notify_handler(_drop)


def _drop(_notification: psycopg.Notify) -> None:
    pass


def check_settings(
    pool_size: object,
    call_timeout: object,
    listen: object,
    listen_dsn: object,
    prepared_statements: object,
) -> None:
    """Check the settings of a store, except for where it connects."""
    check_whole("pool_size", pool_size, least=1, most=_LARGEST_POOL)
    check_seconds("call_timeout", call_timeout, above_0=True, most=LONGEST_WAIT)
    check_flag("listen", listen)
    check_text("listen_dsn", listen_dsn, optional=True)
    check_flag("prepared_statements", prepared_statements, optional=True)


def source_of(given: str | AnyPool, size: int, schema: str) -> OwnPool | CallersPool:
    """Return the source for a connection string or for the caller's pool."""
    check_identifier("schema", schema)  # it is part of the label
    if isinstance(given, str):
        conninfo = with_defaults(given)
        return OwnPool(label_of(parts_of(conninfo), schema), size, conninfo)
    wanted = "a connection string or a psycopg_pool.ConnectionPool"
    check_type("conninfo_or_pool", given, ConnectionPool, wanted)
    return CallersPool(_pool_label(given, schema), given)


def with_defaults(conninfo: str, what: str = "conninfo") -> str:
    """Return the connection string with our defaults; `what` names it in errors."""
    parts = parts_of(conninfo, what=what)
    defaults = dict(_DEFAULTS)
    if "," in str(parts.get("host") or parts.get("hostaddr")):
        # One of several servers takes writes. On a standby that lags, live leases look expired.
        defaults["target_session_attrs"] = "read-write"
    return make_conninfo(**defaults | parts | _ENCODING)


def _pool_label(pool: AnyPool, schema: str) -> str:
    fallback = f"PostgreSQL pool {pool.name} schema {schema}"
    if callable(pool.conninfo) or callable(pool.kwargs):
        return fallback
    try:
        return label_of(parts_of(pool.conninfo or "", pool.kwargs), schema)
    except ValueError:
        return fallback  # the pool raises the error when it is opened


def parts_of(
    text: str, settings: Mapping[str, Any] | None = None, *, what: str = "conninfo"
) -> dict[str, Any]:
    """Return the parameters of a connection string, overridden by `settings`.

    Raise `ValueError` if it cannot be read, or if a part of it may be a password.
    """
    read = _read(text)
    parts = {**(read or {}), **(settings or {})}
    if read is None or _has_stray_at(text) or not _is_plausible(parts):
        raise ValueError(
            f"{what}: expected a PostgreSQL connection string or URL; in a URL, write @ / ? # "
            f"and % of a password as %40 %2F %3F %23 and %25"
        ) from None
    return parts


def label_of(parts: Mapping[str, Any], schema: str) -> str:
    """Return the name of server, database and schema."""
    host = parts.get("host") or parts.get("hostaddr") or "localhost"
    port = parts.get("port") or 5432
    database = parts.get("dbname") or parts.get("user") or ""
    return f"postgresql://{host}:{port}/{database} schema {schema}"


def _read(text: str) -> dict[str, Any] | None:
    # None instead of an exception: the driver's error must not be the context of another one.
    try:
        return None if "\0" in text else conninfo_to_dict(text)
    except (psycopg.ProgrammingError, UnicodeEncodeError):
        return None


def _is_plausible(parts: Mapping[str, Any]) -> bool:
    host, port, database = (str(parts.get(key) or "") for key in ("host", "port", "dbname"))
    return (
        "@" not in host
        and _PORTS.fullmatch(port) is not None
        and _NESTED.match(database.lstrip()) is None
    )


def _has_stray_at(text: str) -> bool:
    """Whether the path of a URL has an @; the / before it is then part of a password."""
    begin = _URL.match(text)
    path = text[begin.end() :].partition("?")[0].partition("/")[2] if begin else ""
    return "@" in path
