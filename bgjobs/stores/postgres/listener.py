"""Whether and where a store listens for other processes' news."""

import logging
from functools import partial
from typing import final

from attrs import define

from bgjobs._core.text import visible
from bgjobs.stores.postgres.connections import Connections
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.sessions import looking
from bgjobs.stores.postgres.statements import Dialect
from bgjobs.stores.postgres.watcher import PostgresWatcher, channel_of

_log = logging.getLogger("bgjobs.stores.postgres")

_ROUNDS = 3
"""How often two connections are asked whether they have changed sessions."""
OFF = "listening is switched off"
_POOLER = (
    "the connection leads through a pooler, and in transaction mode LISTEN hears nothing; give "
    "listen_dsn=..., which leads past it, or listen=False"
)
_SHARED = (
    "listen_dsn leads to a pooler in transaction mode, where LISTEN hears nothing; give one "
    "that leads past it"
)


@final
@define(eq=False)
class Listening:
    """Opens watchers where a session stays with its connection.

    In transaction mode a pooler would lend the session that listens to its other clients: they
    would be sent the news.
    """

    sql: Dialect
    wanted: bool
    dsn: str | None
    """Where to listen; None for where the pool leads."""
    off_because: str | None = None
    """Why the last call of `open` opened nothing."""

    def open(self, live: Connections) -> PostgresWatcher | None:
        """Open a watcher on a connection of its own; None where queues have to poll."""
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
                    watcher = PostgresWatcher(connection, self.sql.label, channel, close)
                    live.follow(connection)
                    return watcher
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
            keep_apart = self._keep_apart(live, connection, other)
        finally:
            other.close()
        return None if keep_apart else _SHARED

    def _keep_apart(self, live: Connections, *connections: AnyConnection) -> bool:
        """Whether each connection has a session of its own, as in a pooler's session mode."""
        seen: list[set[int]] = [set() for _ in connections]
        for _ in range(_ROUNDS):
            for connection, processes in zip(connections, seen, strict=True):
                with live.limited(connection):
                    step = looking(connection, ours=False)
                    [[_, _, process]] = self.sql.run(connection, *step)
                processes.add(process)
        different = set[int]().union(*seen)
        return len(different) == len(connections) == sum(map(len, seen))

    def _explain(self, obstacle: str | None) -> None:
        if obstacle is not None and obstacle != self.off_because:
            _log.warning("%s: queues poll: %s", visible(self.sql.label), visible(obstacle))
        self.off_because = obstacle
