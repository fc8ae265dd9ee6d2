"""What is behind a connection, found out once for each, and how it is used because of that.

Every connection that a store opens or borrows comes by here: the pool's, the heartbeat's, the
listener's, and those of the caller.
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

_LOOK = b"""
select
    answering.is_direct,
    -- Compiling takes longer than any statement of a store runs. In a session that a pooler
    -- lends to others, and in one of the caller's, nothing is set.
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
AnyPsycopg = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]


@final
@frozen
class Session:
    """What is known of the session that a connection leads to."""

    is_direct: bool
    """Whether the server itself answers. A pooler names a process of its own making, and the
    statements of one transaction may meet another process than those of the next.
    """
    compiles: bool
    """Whether the server may compile (JIT) what it takes for costly."""
    settings: Mapping[str, Any]
    """Attributes of the connection while the store uses it."""


@final
class Sessions:
    """Knows the session behind each connection of one store."""

    def __init__(self, sql: Dialect, *, prepared: bool | None) -> None:
        # What it asks comes before it is known whether anything may be prepared.
        self._sql = sql.unprepared()
        self._prepared = prepared
        self._known: WeakKeyDictionary[AnyConnection, Session] = WeakKeyDictionary()

    def knows(self, connection: AnyConnection) -> bool:
        """Whether it was looked at."""
        return connection in self._known

    def of(self, connection: AnyConnection, *, ours: bool) -> Session:
        """Return what is behind a connection in autocommit mode; the first time, look.

        In a session of `ours`, JIT is switched off. Raise `StoreError` where text would change.
        """
        session = self._known.get(connection)
        if session is None:
            check_encodings(self._sql.label, connection)
            session = self._known[connection] = self._look(connection, ours=ours)
        else:
            check_client_encoding(self._sql.label, connection)
        return session

    def _look(self, connection: AnyConnection, *, ours: bool) -> Session:
        statement, values = looking(connection, ours=ours)
        [[is_direct, jit, _]] = self._sql.run(connection, statement, values)
        prepares = is_direct if self._prepared is None else self._prepared
        if not prepares:
            settings: dict[str, Any] = {"prepare_threshold": None}
        else:
            settings = {"prepare_threshold": PREPARE_AFTER} if ours else {}
        return Session(is_direct, jit == "on", settings)

    def stop_preparing(self) -> None:
        """Prepare nothing from now on: what was prepared is not there."""
        if self._prepared is not False:
            _log.warning(
                "%s: a prepared statement is not where it was made, as behind a pooler in "
                "transaction mode; no statement is prepared from now on",
                visible(self._sql.label),
            )
        self._prepared = False
        self._known.clear()


def looking(connection: AnyPsycopg, *, ours: bool) -> Step:
    """Return the statement that finds out who answers on this connection."""
    return _LOOK, {"pid": connection.info.backend_pid, "ours": ours}


def is_direct(found: Sequence[Row]) -> bool:
    """Whether the answer to `looking` came from the process that was connected to."""
    direct: bool = found[0][0]
    return direct


def is_utf8(connection: AnyPsycopg) -> bool:
    """Whether text goes over this connection in UTF-8; so does none over a closed one."""
    return _encoding(connection, b"client_encoding") == "UTF8"


def takes_no_writes(connection: AnyPsycopg) -> bool:
    """Whether the session said, with its last answer, that it takes no writes."""
    # PostgreSQL 14 and newer tell it like the encoding; older ones only by refusing a write.
    said = (b"in_hot_standby", b"default_transaction_read_only")
    try:
        return any(connection.pgconn.parameter_status(name) == b"on" for name in said)
    except psycopg.OperationalError:  # it is closed
        return False


def check_encodings(label: str, connection: AnyPsycopg) -> None:
    """Raise `StoreError` where text could not come back as it was stored."""
    server = _encoding(connection, b"server_encoding")
    if server != "UTF8":
        raise StoreError(
            f"{label}: the database's encoding is {server}, in which not every text can be "
            "stored; use one that was made with encoding 'UTF8' template template0"
        )
    check_client_encoding(label, connection)


def check_client_encoding(label: str, connection: AnyPsycopg) -> None:
    """Raise `StoreError` where the server would take text for other text."""
    client = _encoding(connection, b"client_encoding")
    if client != "UTF8":
        raise StoreError(
            f"{label}: the connection's client_encoding is {client}, so other text would be "
            "stored than was given; connect with client_encoding=UTF8, or set it so before"
        )


def _encoding(connection: AnyPsycopg, name: bytes) -> str:
    # The server tells it when a session begins and when it changes: nothing is asked here.
    try:
        found = connection.pgconn.parameter_status(name)
    except psycopg.OperationalError:  # it is closed, as the next statement will say
        return "UTF8"
    if found is None or found == b"UTF8":
        return "UTF8"
    text = found.decode("ascii", "replace").upper()
    return "UTF8" if text.replace("-", "") in {"UTF8", "UNICODE"} else text
