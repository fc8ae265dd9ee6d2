"""Notifications of other processes, by LISTEN on a connection of their own.

See https://www.postgresql.org/docs/current/sql-listen.html. In transaction mode, a pooler would
lend the session that listens to its other clients, which would receive the notifications. So
nothing listens there, and queues poll.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, final

import psycopg
from attrs import define

from bgjobs._core.text import visible
from bgjobs.stores.postgres.connections import Connections
from bgjobs.stores.postgres.errors import translated
from bgjobs.stores.postgres.notices import notice_of
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.sessions import identify
from bgjobs.stores.postgres.statements import Dialect, channel_of
from bgjobs.stores.types import Notice

_log = logging.getLogger("bgjobs.stores.postgres")

_ROUNDS = 3
"""How often two connections are asked whether their sessions have changed."""
OFF = "listening is switched off"
_POOLER = (
    "the connection leads through a pooler, and in transaction mode LISTEN receives nothing; "
    "give listen_dsn=... that leads to the server itself, or listen=False"
)
_SHARED = (
    "listen_dsn leads to a pooler in transaction mode, where LISTEN receives nothing; give one "
    "that leads to the server itself"
)


@final
class PostgresChangeSource:
    """Receives what `notify` sends; `fileno` is readable when some of it arrived."""

    interval: float | None = None

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        label: str,
        channel: str,
        close: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._close = close
        self._label = label
        with translated(label):
            # The channel contains the checked name of a schema; quoting preserves its case.
            connection.execute(f'listen "{channel}"'.encode())

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        with translated(self._label):
            return self._connection.fileno()

    def poll(self) -> Notice:
        """Return what was received since the last call, without waiting."""
        with translated(self._label):
            return notice_of(one.payload for one in self._connection.notifies(timeout=0))

    def close(self) -> None:
        """Close the connection."""
        self._close()


@final
@define(eq=False)
class ListenConnector:
    """Listens if the session belongs to its connection alone."""

    sql: Dialect
    wanted: bool
    dsn: str | None
    """Where to listen; None for where the pool connects."""
    off_because: str | None = None
    """Why the last call of `open` did not listen."""

    def open(self, live: Connections) -> PostgresChangeSource | None:
        """Listen on a connection of its own; None if queues have to poll."""
        if not self.wanted:
            self.off_because = OFF
            return None
        connection = live.connect(self.dsn)
        try:
            self._explain(self._obstacle(live, connection))
            if self.off_because is None:
                with live.limited(connection):
                    channel = channel_of(self.sql.schema)
                    close = partial(live.end, connection)
                    source = PostgresChangeSource(connection, self.sql.label, channel, close)
                    live.follow(connection)
                    return source
        except BaseException:
            connection.close()
            raise
        connection.close()
        return None

    def _obstacle(self, live: Connections, connection: AnyConnection) -> str | None:
        if live.sessions.of(connection, ours=True).is_direct:
            return None
        if self.dsn is None:
            return _POOLER
        other = live.connect(self.dsn)
        try:
            is_own = self._have_own_sessions(live, connection, other)
        finally:
            other.close()
        return None if is_own else _SHARED

    def _have_own_sessions(self, live: Connections, *connections: AnyConnection) -> bool:
        """Whether each connection keeps a session of its own, as in a pooler's session mode."""
        seen: list[set[int]] = [set() for _ in connections]
        for _ in range(_ROUNDS):
            for connection, processes in zip(connections, seen, strict=True):
                with live.limited(connection):
                    step = identify(connection, ours=False)
                    [[_, _, process]] = self.sql.run(connection, *step)
                processes.add(process)
        different = set[int]().union(*seen)
        return len(different) == len(connections) == sum(map(len, seen))

    def _explain(self, obstacle: str | None) -> None:
        if obstacle is not None and obstacle != self.off_because:
            _log.warning("%s: queues poll: %s", visible(self.sql.label), visible(obstacle))
        self.off_because = obstacle
