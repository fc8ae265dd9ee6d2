"""Where connections come from: a connection string, or a pool of the caller's."""

from collections.abc import Mapping
from typing import Any, Protocol, final

import psycopg
from attrs import field, frozen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

from bgjobs.errors import StoreError
from bgjobs.stores.postgres.faults import translated

AnyConnection = psycopg.Connection[Any]
"""A caller's pool may hold connections with any row factory, hence Any."""
AnyPool = ConnectionPool[Any]
"""Of whatever connections; a pool that was made without saying fits nothing narrower."""

CONNECT_TIMEOUT = 10
"""Seconds to wait for a connection, new or out of the pool."""
_RECONNECT_TIMEOUT = 3
"""Seconds until a failed attempt to connect is given up; the next verb then tries at once.

The pool's own five minutes of backoff would let the store lie dead after a short outage.
"""
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


class Source(Protocol):
    """Makes connections and the pool of an open store."""

    @property
    def label(self) -> str:
        """Which server and schema, without secrets."""
        ...

    @property
    def size(self) -> int:
        """How many connections the pool has at most."""
        ...

    def open_pool(self) -> AnyPool:
        """Give an open pool."""
        ...

    def close_pool(self, pool: AnyPool) -> None:
        """Close the pool, if it is ours."""
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

    def open_pool(self) -> AnyPool:
        """Connect once to learn what is wrong, which a pool does not tell; then open it."""
        self.connect().close()
        pool: AnyPool = ConnectionPool(
            self._conninfo,
            kwargs={"autocommit": True},
            min_size=1,
            max_size=self.size,
            open=False,
            timeout=CONNECT_TIMEOUT,
            reconnect_timeout=_RECONNECT_TIMEOUT,
            name=f"bgjobs-{id(self):x}",
        )
        pool.open()
        return pool

    def close_pool(self, pool: AnyPool) -> None:
        """Close it, waiting for its threads."""
        pool.close()

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

    @property
    def size(self) -> int:
        """How many connections the caller allows."""
        return self._pool.max_size

    def open_pool(self) -> AnyPool:
        """Give the caller's pool, which must be open."""
        if self._pool.closed:
            raise StoreError(f"{self.label}: your ConnectionPool is not open; open it first")
        return self._pool

    def close_pool(self, pool: AnyPool) -> None:
        """Leave it open."""

    def connect(self, dsn: str | None = None) -> AnyConnection:
        """Connect in the way the pool does."""
        with translated(self.label):
            if dsn is not None:
                return psycopg.connect(dsn, autocommit=True)
            conninfo, settings = _resolved(self._pool)
            kind: type[AnyConnection] = self._pool.connection_class
            return kind.connect(conninfo, **settings)


def source_of(given: str | AnyPool, size: int, schema: str) -> OwnPool | CallersPool:
    """Choose by what the caller has."""
    if isinstance(given, str):
        conninfo = with_defaults(given)
        return OwnPool(_label(conninfo_to_dict(conninfo), schema), size, conninfo)
    return CallersPool(_pool_label(given, schema), given)


def with_defaults(conninfo: str) -> str:
    """Add our defaults to what the connection string says."""
    try:
        said: dict[str, Any] = conninfo_to_dict(conninfo)
        return make_conninfo(**dict(_DEFAULTS) | said)
    except psycopg.ProgrammingError:
        # The driver's message quotes the string, and with it the password.
        raise ValueError("conninfo: expected a PostgreSQL connection string or URL") from None


def _label(parts: Mapping[str, Any], schema: str) -> str:
    host = parts.get("host") or parts.get("hostaddr") or "localhost"
    port = parts.get("port") or 5432
    database = parts.get("dbname") or parts.get("user") or ""
    return f"postgresql://{host}:{port}/{database} schema {schema}"


def _pool_label(pool: AnyPool, schema: str) -> str:
    if callable(pool.conninfo) or callable(pool.kwargs):
        return f"PostgreSQL pool {pool.name} schema {schema}"
    return _label({**conninfo_to_dict(pool.conninfo or ""), **(pool.kwargs or {})}, schema)


def _resolved(pool: AnyPool) -> tuple[str, dict[str, Any]]:
    conninfo = pool.conninfo() if callable(pool.conninfo) else pool.conninfo
    settings = pool.kwargs() if callable(pool.kwargs) else pool.kwargs
    return conninfo or "", {**(settings or {}), "autocommit": True}
