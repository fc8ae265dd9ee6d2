"""Where connections come from: a connection string, or a pool of the caller's."""

from collections.abc import Mapping
from typing import Any, Protocol, final

import psycopg
from attrs import field, frozen
from psycopg.conninfo import make_conninfo
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
from bgjobs.stores.postgres.conninfo import label_of, parts_of
from bgjobs.stores.postgres.errors import translated
from bgjobs.stores.postgres.pool import AnyConnection, OwnConnections, Pool
from bgjobs.stores.sql import check_identifier

AnyPool = ConnectionPool[Any]
"""Of whatever connections; a pool that was made without saying fits nothing narrower."""

CONNECT_TIMEOUT = 5
"""Seconds to wait for a new connection."""
_DEFAULTS: Mapping[str, Any] = {
    "application_name": "bgjobs",
    "connect_timeout": CONNECT_TIMEOUT,
    # A peer that went away without a word is noticed after about a minute.
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}
"""What a connection string may say otherwise."""
PREPARE_AFTER = 2
"""Runs of a statement on one connection after which the server prepares it there.

It saves the server the planning, for a claim more than all the rest of it.
"""
_WRITABLE = ("read-write", "primary")
"""Values of `target_session_attrs` that ask for a server which takes writes."""
_ENCODING = {"client_encoding": "UTF8"}
"""What it may not, nor PGCLIENTENCODING: in another encoding, text arrives as other text."""
_LARGEST_POOL = 10_000
"""As many as a queue has handlers at most."""
_UNLIMITED = 4
"""How many connections are used of a pool that opens as many as it is asked for."""


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
        """Whether a session that has come to take no writes must not be read from, either."""
        ...

    @property
    def size(self) -> int:
        """How many connections the pool has at most."""
        ...

    def open_pool(self) -> Pool:
        """Return an open pool; one of ours is an `OwnConnections`."""
        ...

    def connect(self, dsn: str | None = None) -> AnyConnection:
        """Make a connection outside the pool, in autocommit mode; `dsn` leads another way."""
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
        """Return a pool that connects when it is asked for a connection."""
        return OwnConnections(self._new, self.size)

    def _new(self) -> AnyConnection:
        # Behind a pooler that is taken back as long as a connection is lent.
        connection: AnyConnection = psycopg.connect(
            self._conninfo, autocommit=True, prepare_threshold=PREPARE_AFTER
        )
        ignore_notifications(connection)
        return connection

    def connect(self, dsn: str | None = None) -> AnyConnection:
        """Connect directly."""
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
        """How many connections the caller allows, where the pool has a limit."""
        return self._pool.max_size or _UNLIMITED

    def open_pool(self) -> Pool:
        """Return the caller's pool, which must be open."""
        if self._pool.closed:
            raise StoreError(f"{self.label}: your ConnectionPool is not open; open it first")
        return self._pool

    def connect(self, dsn: str | None = None) -> AnyConnection:
        """Connect in the way the pool does."""
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
    """Make the driver drop what it would keep until somebody asks for it.

    Behind a pooler, a session may listen for another client of it.
    """
    connection.add_notify_handler(_drop)


def _drop(_news: psycopg.Notify) -> None:
    """Do nothing with it."""


def check_settings(
    pool_size: object,
    call_timeout: object,
    listen: object,
    listen_dsn: object,
    prepared_statements: object,
) -> None:
    """Expect what a store is made with, beside where it leads."""
    check_whole("pool_size", pool_size, least=1, most=_LARGEST_POOL)
    check_seconds("call_timeout", call_timeout, above_0=True, most=LONGEST_WAIT)
    check_flag("listen", listen)
    check_text("listen_dsn", listen_dsn, optional=True)
    check_flag("prepared_statements", prepared_statements, optional=True)


def source_of(given: str | AnyPool, size: int, schema: str) -> OwnPool | CallersPool:
    """Choose by what the caller has."""
    check_identifier("schema", schema)  # it becomes part of the label
    if isinstance(given, str):
        conninfo = with_defaults(given)
        return OwnPool(label_of(parts_of(conninfo), schema), size, conninfo)
    wanted = "a connection string or a psycopg_pool.ConnectionPool"
    check_type("conninfo_or_pool", given, ConnectionPool, wanted)
    return CallersPool(_pool_label(given, schema), given)


def with_defaults(conninfo: str, what: str = "conninfo") -> str:
    """Add our defaults to what the connection string says; `what` names it in errors."""
    parts = parts_of(conninfo, what=what)
    defaults = dict(_DEFAULTS)
    if "," in str(parts.get("host") or parts.get("hostaddr")):
        # Of several servers one takes writes; on a standby that lags, the living look dead.
        defaults["target_session_attrs"] = "read-write"
    return make_conninfo(**defaults | parts | _ENCODING)


def _pool_label(pool: AnyPool, schema: str) -> str:
    fallback = f"PostgreSQL pool {pool.name} schema {schema}"
    if callable(pool.conninfo) or callable(pool.kwargs):
        return fallback
    try:
        return label_of(parts_of(pool.conninfo or "", pool.kwargs), schema)
    except ValueError:
        return fallback  # the pool itself says what is wrong, as soon as it is opened
