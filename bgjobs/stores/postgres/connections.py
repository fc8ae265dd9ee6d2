"""The connections of an open store: a pool, and one that is only for the heartbeat."""

import os
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from math import inf
from threading import Lock
from time import monotonic
from typing import Any, final
from weakref import WeakSet

import psycopg
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus

from bgjobs.errors import ForkedStoreError, StoreError, StoreUnavailableError
from bgjobs.stores.postgres.deadlines import Deadlines, shut
from bgjobs.stores.postgres.errors import is_read_only, lost_prepared, translated
from bgjobs.stores.postgres.pool import AnyConnection, OwnConnections, Pool
from bgjobs.stores.postgres.sessions import Sessions, is_utf8, takes_no_writes
from bgjobs.stores.postgres.sockets import is_alive
from bgjobs.stores.postgres.source import Source, ignore_notifications

_PLAIN: Mapping[str, Any] = {
    "autocommit": True,
    "isolation_level": IsolationLevel.READ_COMMITTED,
}
_SETTINGS = (
    "autocommit",
    "isolation_level",
    "read_only",
    "deferrable",
    "row_factory",
    "cursor_factory",
    "prepare_threshold",
)
_MOVING = 5.0
"""Seconds for which one move of the server to elsewhere is assumed to be the last.

While there is no server that takes writes, each refusal would make all connections anew.
"""
_inherited: list["Connections"] = []
"""What a fork left in this process: kept, because finalizing it could speak to the server."""


@final
class Connections:
    """Lends connections in autocommit mode, from the moment it is made until `close`."""

    def __init__(self, source: Source, sessions: Sessions, call_timeout: float) -> None:
        self._source = source
        self._call_timeout = call_timeout
        self._pid = os.getpid()
        self.sessions = sessions
        self._deadlines = Deadlines(source.label)
        self._beating = Lock()
        self._heart: AnyConnection | None = None
        self._wants_writes = source.wants_writes
        self._moved_at = -inf
        self._following = Lock()
        self._followed: WeakSet[AnyConnection] = WeakSet()
        try:
            self._pool: Pool = source.open_pool()
            if source.is_ours:
                self._check()
        except BaseException:
            self._deadlines.close()
            raise

    def _check(self) -> None:
        """Learn what is wrong before anything is asked; the connection is the pool's first."""
        with translated(self._source.label):
            connection = self._pool.getconn()
        try:
            self._set_up(connection, ours=True)
        except BaseException:
            connection.close()
            raise
        finally:
            self._pool.putconn(connection)

    def connect(self, dsn: str | None = None, *, seconds: float = inf) -> AnyConnection:
        """Make a connection outside the pool, in autocommit mode; `dsn` leads another way."""
        connection = self._source.connect(dsn)
        try:
            self._set_up(connection, ours=True, seconds=seconds)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up(self, connection: AnyConnection, *, ours: bool, seconds: float = inf) -> None:
        """Use it as what is behind it asks for; it has to answer even where work may go on."""
        if self.sessions.knows(connection):
            session = self.sessions.of(connection, ours=ours)
        else:
            with self._deadlines.limit(connection, min(seconds, self._call_timeout)):
                session = self.sessions.of(connection, ours=ours)
        _apply(connection, session.settings)

    def check_process(self) -> None:
        """Refuse to work in a fork of the process that opened the store."""
        if os.getpid() != self._pid:
            raise ForkedStoreError(self._source.label, self._pid, os.getpid())

    @contextmanager
    def borrowed(self, *, extra: float = 0.0) -> Generator[AnyConnection]:
        """Lend a connection of the pool; it goes back as it was.

        `extra` is how many seconds longer than others this may take.
        """
        seconds = self._call_timeout + extra
        with translated(self._source.label):
            connection = self._taken()
        try:
            with self._deadlines.limit(connection, seconds), self._lent(connection):
                yield connection
        except StoreError as error:
            if self._spoils(error):
                connection.close()
            raise
        finally:
            if self._source.is_ours and not is_utf8(connection):
                connection.close()  # what the work of `complete` has set stays with the session
            if self._wants_writes and takes_no_writes(connection):
                connection.close()
                self._move()
            self._pool.putconn(connection)

    @contextmanager
    def _lent(self, connection: AnyConnection) -> Generator[None]:
        before = {name: getattr(connection, name) for name in _SETTINGS}
        try:
            _apply(connection, _PLAIN)
            self._set_up(connection, ours=self._source.is_ours)
            yield
        finally:
            with suppress(psycopg.Error):  # then it is broken, and the pool makes another one
                if connection.info.transaction_status != TransactionStatus.IDLE:
                    connection.rollback()
                _apply(connection, before)

    def _spoils(self, error: StoreError) -> bool:
        """Whether the connection on which a verb failed must not be used again."""
        if lost_prepared(error):
            self.sessions.stop_preparing()
            return True
        if is_read_only(error):  # the session stays with the standby that it ended on
            self._move()
            return True
        return False

    def _move(self) -> None:
        """Use no session of before: its server, though it answers, is not the primary now."""
        with self._following:
            if monotonic() - self._moved_at < _MOVING:
                return
            self._moved_at = monotonic()
            for connection in self._followed:
                shut(connection)  # what waits for it wakes up, and opens another one
            self._followed.clear()
        if isinstance(self._pool, OwnConnections):
            self._pool.renew()

    def follow(self, connection: AnyConnection) -> None:
        """End a connection that only listens when the server has moved elsewhere."""
        with self._following:
            self._followed.add(connection)

    def end(self, connection: AnyConnection) -> None:
        """Close a connection that was followed."""
        with self._following:
            self._followed.discard(connection)
            connection.close()

    def _taken(self) -> AnyConnection:
        # After a failover all that lie in the pool are dead, and its own check would sleep
        # after each of them.
        for _ in range(self._source.size):
            connection: AnyConnection = self._pool.getconn()
            if self._is_alive(connection):
                return connection
            connection.close()
            self._pool.putconn(connection)
        last: AnyConnection = self._pool.getconn()
        return last

    def _is_alive(self, connection: AnyConnection) -> bool:
        with self.limited(connection):
            return is_alive(connection)

    def limited(self, connection: AnyConnection) -> AbstractContextManager[None]:
        """Bound what a block does on a connection."""
        return self._deadlines.limit(connection, self._call_timeout)

    @contextmanager
    def transaction(self, *, extra: float = 0.0) -> Generator[AnyConnection]:
        """Lend a connection inside a transaction; an exception rolls back and goes on as it is.

        Only what the transaction itself says is translated: what is done inside may be the
        user's. Beginning and ending have a deadline whatever is `extra`.
        """
        with self.borrowed(extra=extra) as connection:
            block = connection.transaction()
            with self.limited(connection), translated(self._source.label):
                block.__enter__()
            try:
                yield connection
                self.check_uncommitted(connection)
            except BaseException as error:
                with self.limited(connection):
                    block.__exit__(type(error), error, error.__traceback__)
                raise
            with self.limited(connection), translated(self._source.label):
                block.__exit__(None, None, None)

    def check_uncommitted(self, connection: AnyConnection) -> None:
        """Raise unless the connection has an open transaction that can be committed."""
        # COMMIT of a failed transaction rolls back without an error, and on a lost connection
        # psycopg does not even send it.
        status = connection.info.transaction_status
        if connection.closed and not connection.broken:
            raise StoreError(f"{self._source.label}: do not close the connection yourself")
        if status == TransactionStatus.UNKNOWN:
            raise StoreUnavailableError(f"{self._source.label}: connection lost")
        if status != TransactionStatus.INTRANS:
            raise StoreError(
                f"{self._source.label}: expected an open transaction, found {status.name}; "
                "the job has not succeeded: do not end the transaction yourself, and use a "
                "savepoint (connection.transaction()) around a statement whose error you catch"
            )

    @contextmanager
    def heartbeat(self, seconds: float) -> Generator[AnyConnection]:
        """Lend the connection that no other verb uses; it is made anew when it is broken."""
        with self._beating:
            if self._heart is None or not self._is_alive(self._heart):
                self._drop_heart()
                self._heart = self.connect(seconds=seconds)
                ignore_notifications(self._heart)
            try:
                with self._deadlines.limit(self._heart, min(seconds, self._call_timeout)):
                    self._set_up(self._heart, ours=True)  # anew when prepared ones got lost
                    yield self._heart
            except StoreError as error:
                if self._spoils(error):
                    self._drop_heart()
                raise

    def _drop_heart(self) -> None:
        if self._heart is not None:
            self._heart.close()
        self._heart = None

    def close(self) -> None:
        """Close what was opened here; in a fork, touch nothing."""
        if os.getpid() != self._pid:
            _inherited.append(self)
            return
        self._deadlines.close()
        with self._beating:
            self._drop_heart()
        if isinstance(self._pool, OwnConnections):
            self._pool.close()


def _apply(connection: AnyConnection, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        if getattr(connection, name) != value:
            setattr(connection, name, value)
