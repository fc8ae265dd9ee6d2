"""What is known of the session behind each connection, and the checks that follow from it.

Every connection that a store opens or borrows is examined once: those of the pool, the
heartbeat, the listener and the caller.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, final
from weakref import WeakKeyDictionary

import psycopg
from attrs import frozen

from bgjobs._core.text import visible
from bgjobs.errors import StoreError
from bgjobs.stores.postgres.codec import Row
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.source import PREPARE_AFTER
from bgjobs.stores.postgres.statements import Dialect, Step

_log = logging.getLogger("bgjobs.stores.postgres")

_IDENTIFY = b"""
select
    answering.is_direct,
    case
        when answering.is_direct and %(ours)s then pg_catalog.set_config('jit', 'off', false)
        else pg_catalog.current_setting('jit', true)
    end,
    answering.pid
from (
    select process.pid, process.pid = %(pid)s as is_direct
    from pg_catalog.pg_backend_pid() as process (pid)
) as answering
"""
"""JIT is switched off, since compiling takes longer than any statement of a store.

Sessions of the caller, and those that a pooler lends to other clients, keep their settings.
"""
AnyPsycopg = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]


@final
@frozen
class SessionInfo:
    """What is known of the session that a connection leads to."""

    is_direct: bool
    """Whether the server itself answers. A pooler reports a process id of its own, and each
    transaction may run in another server process.
    """
    compiles: bool
    """Whether the server may compile (JIT) statements that it considers costly."""
    settings: Mapping[str, Any]
    """Attributes of the connection while the store uses it."""


@final
class Sessions:
    """Remembers the session behind each connection of one store."""

    def __init__(self, sql: Dialect, *, prepared: bool | None) -> None:
        # The first statement runs before it is known whether statements may be prepared.
        self._sql = sql.unprepared()
        self._prepared = prepared
        self._known: WeakKeyDictionary[AnyConnection, SessionInfo] = WeakKeyDictionary()

    def knows(self, connection: AnyConnection) -> bool:
        """Whether this connection was examined."""
        return connection in self._known

    def of(self, connection: AnyConnection, *, ours: bool) -> SessionInfo:
        """Return the session behind a connection in autocommit mode.

        The first time it is examined; if it is `ours`, JIT is switched off. Raise `StoreError`
        if an encoding would change text.
        """
        session = self._known.get(connection)
        if session is None:
            check_encodings(self._sql.label, connection)
            session = self._known[connection] = self._examine(connection, ours=ours)
        else:
            check_client_encoding(self._sql.label, connection)
        return session

    def _examine(self, connection: AnyConnection, *, ours: bool) -> SessionInfo:
        statement, values = identify(connection, ours=ours)
        [[is_direct, jit, _]] = self._sql.run(connection, statement, values)
        prepares = is_direct if self._prepared is None else self._prepared
        if not prepares:
            settings: dict[str, Any] = {"prepare_threshold": None}
        else:
            settings = {"prepare_threshold": PREPARE_AFTER} if ours else {}
        return SessionInfo(is_direct, jit == "on", settings)

    def stop_preparing(self) -> None:
        """Prepare no statements from now on, since a prepared one was missing."""
        if self._prepared is not False:
            _log.warning(
                "%s: a prepared statement is missing, as behind a pooler in transaction mode; "
                "no statement is prepared from now on",
                visible(self._sql.label),
            )
        self._prepared = False
        self._known.clear()


def identify(connection: AnyPsycopg, *, ours: bool) -> Step:
    """Return the statement that asks which process answers on this connection."""
    return _IDENTIFY, {"pid": connection.info.backend_pid, "ours": ours}


def is_direct(found: Sequence[Row]) -> bool:
    """Whether the answer to `identify` came from the process that accepted the connection."""
    direct: bool = found[0][0]
    return direct


def is_utf8(connection: AnyPsycopg) -> bool:
    """Whether text is sent in UTF-8 on this connection; true of a closed one."""
    return _encoding(connection, b"client_encoding") == "UTF8"


def takes_no_writes(connection: AnyPsycopg) -> bool:
    """Whether the session has reported that it takes no writes."""
    # PostgreSQL 14 and newer report these parameters; older versions only refuse a write.
    # https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-ASYNC
    reported = (b"in_hot_standby", b"default_transaction_read_only")
    try:
        return any(connection.pgconn.parameter_status(name) == b"on" for name in reported)
    except psycopg.OperationalError:  # it is closed
        return False


def check_encodings(label: str, connection: AnyPsycopg) -> None:
    """Raise `StoreError` if the database or the connection has another encoding than UTF-8."""
    server = _encoding(connection, b"server_encoding")
    if server != "UTF8":
        raise StoreError(
            f"{label}: the database's encoding is {server}, in which some texts cannot be "
            "stored; use a database that was created with encoding 'UTF8' template template0"
        )
    check_client_encoding(label, connection)


def check_client_encoding(label: str, connection: AnyPsycopg) -> None:
    """Raise `StoreError` if text is not sent in UTF-8 on this connection."""
    client = _encoding(connection, b"client_encoding")
    if client != "UTF8":
        raise StoreError(
            f"{label}: the connection's client_encoding is {client}, so the server would store "
            "other text than it was sent; connect with client_encoding=UTF8"
        )


def _encoding(connection: AnyPsycopg, name: bytes) -> str:
    # The server reports it when a session begins and when it changes, so this sends nothing.
    try:
        found = connection.pgconn.parameter_status(name)
    except psycopg.OperationalError:  # it is closed, and the next statement fails
        return "UTF8"
    if found is None or found == b"UTF8":
        return "UTF8"
    text = found.decode("ascii", "replace").upper()
    return "UTF8" if text.replace("-", "") in {"UTF8", "UNICODE"} else text
