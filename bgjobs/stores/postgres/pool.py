"""The store's own pool: it connects when a connection is wanted, in the caller's thread.

So a server that is back is used by the next call, and one that is away is an error at once,
with what the driver said. A pool that connects by itself waits longer from try to try, and
cannot be told that the server is back.
"""

from collections.abc import Callable
from threading import Condition
from time import monotonic
from typing import Any, Protocol, final
from weakref import WeakKeyDictionary

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout

AnyConnection = psycopg.Connection[Any]
"""A caller's pool may hold connections with any row factory, hence Any."""

LONGEST_WAIT = 3.0
"""Seconds that a call waits while all connections are lent."""
LONGEST_IDLE = 600.0
"""Seconds after which an idle connection is closed."""
LONGEST_LIFE = 3600.0
"""Seconds after which a connection is replaced, so that processes spread over new servers."""


class Pool(Protocol):
    """Lends connections; each is given back."""

    def getconn(self) -> AnyConnection:
        """Lend a connection; whether it still leads to the server is for the caller to see."""
        ...

    def putconn(self, conn: AnyConnection) -> None:
        """Take it back, closed or not."""
        ...


@final
class OwnConnections:
    """At most `size` connections, made by `connect`; the last one used is lent first."""

    def __init__(self, connect: Callable[[], AnyConnection], size: int) -> None:
        self._connect = connect
        self._size = size
        self._changed = Condition()
        self._idle: list[tuple[float, AnyConnection]] = []
        """Since when, the longest first."""
        self._made: WeakKeyDictionary[AnyConnection, float] = WeakKeyDictionary()
        self._count = 0
        """Those that are idle, lent, or being made."""
        self._renewed_at = 0.0
        self._closed = False

    def getconn(self) -> AnyConnection:
        """See `Pool.getconn`; raise what the driver says when it cannot connect."""
        idle = self._idle_or_room()
        if idle is not None:
            return idle
        began = monotonic()
        try:
            connection = self._connect()
        except BaseException:
            with self._changed:
                self._leave()
            raise
        with self._changed:
            self._made[connection] = began
        return connection

    def putconn(self, conn: AnyConnection) -> None:
        """See `Pool.putconn`."""
        now = monotonic()
        with self._changed:
            if conn.closed or self._closed or self._is_outdated(conn, now):
                self._leave()
                conn.close()
                return
            self._idle.append((now, conn))
            since, longest = self._idle[0]
            if now - since > LONGEST_IDLE:
                del self._idle[0]
                self._leave()
                longest.close()
            self._changed.notify()

    def renew(self) -> None:
        """Close what is idle, and what is lent when it comes back."""
        with self._changed:
            self._renewed_at = monotonic()
            self._close_idle()

    def close(self) -> None:
        """Close what is idle, and what is lent when it comes back; lend nothing from now on."""
        with self._changed:
            self._closed = True
            self._close_idle()

    def _idle_or_room(self) -> AnyConnection | None:
        """Return an idle connection, or None when there is room to make one."""
        ends_at = monotonic() + LONGEST_WAIT
        with self._changed:
            while True:
                if self._closed:
                    raise PoolClosed("the pool is closed")
                if self._idle:
                    return self._idle.pop()[1]
                if self._count < self._size:
                    self._count += 1
                    return None
                left = ends_at - monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise PoolTimeout(f"no connection was free within {LONGEST_WAIT:g} s")

    def _is_outdated(self, connection: AnyConnection, now: float) -> bool:
        made = self._made.get(connection, 0.0)
        return made < self._renewed_at or now - made > LONGEST_LIFE

    def _close_idle(self) -> None:
        idle, self._idle = self._idle, []
        for _, connection in idle:
            self._leave()
            connection.close()

    def _leave(self) -> None:
        self._count -= 1
        self._changed.notify()
