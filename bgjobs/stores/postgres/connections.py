"""The connections of an open store, and how its statements reach the server.

There is a pool for the calls, and one connection for the heartbeat alone.
"""

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from math import inf
from threading import Lock
from time import monotonic
from typing import Any, TypeVar, final
from weakref import WeakSet

import psycopg
from attrs import define
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus

from bgjobs.errors import ForkedStoreError, StoreError, StoreUnavailableError
from bgjobs.stores.postgres.codec import Parameters, Row
from bgjobs.stores.postgres.deadlines import Deadlines, is_alive, is_quiet, shut
from bgjobs.stores.postgres.errors import (
    is_read_only,
    lost_prepared,
    retry_rolled_back,
    translated,
)
from bgjobs.stores.postgres.pool import AnyConnection, OwnConnections, Pool
from bgjobs.stores.postgres.sessions import SessionInfo, Sessions, is_utf8, takes_no_writes
from bgjobs.stores.postgres.source import Source, ignore_notifications
from bgjobs.stores.postgres.statements import JIT_OFF, ONE_PLAN, Dialect, Step

T = TypeVar("T")

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
_FAILOVER_PAUSE = 5.0
"""Seconds after a failover in which no other one is assumed.

As long as no server takes writes, each refused write would otherwise close all connections.
"""
_inherited: list["Connections"] = []
"""Those of the parent process after a fork. Finalizing them could write to its sockets."""


@final
class Connections:
    """Lends connections in autocommit mode, from its creation until `close`."""

    def __init__(self, source: Source, sessions: Sessions, call_timeout: float) -> None:
        self._source = source
        self._call_timeout = call_timeout
        self._pid = os.getpid()
        self.sessions = sessions
        self._deadlines = Deadlines(source.label)
        self._heart_lock = Lock()
        self._heart: AnyConnection | None = None
        self._wants_writes = source.wants_writes
        self._failed_over_at = -inf
        self._followed_lock = Lock()
        self._followed: WeakSet[AnyConnection] = WeakSet()
        try:
            self._pool: Pool = source.open_pool()
            if source.is_ours:
                self._check()
        except BaseException:
            self._deadlines.close()
            raise

    def _check(self) -> None:
        """Connect once, so that errors are raised when the store is opened."""
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
        """Open a connection in autocommit mode outside the pool, by `dsn` if it is given."""
        connection = self._source.connect(dsn)
        try:
            self._set_up(connection, ours=True, seconds=seconds)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up(self, connection: AnyConnection, *, ours: bool, seconds: float = inf) -> None:
        """Apply the settings for its session; finding them out always has a time limit."""
        if self.sessions.knows(connection):
            session = self.sessions.of(connection, ours=ours)
        else:
            with self._deadlines.limit(connection, min(seconds, self._call_timeout)):
                session = self.sessions.of(connection, ours=ours)
        _apply(connection, session.settings)

    def check_process(self) -> None:
        """Raise `ForkedStoreError` in a fork of the process that opened the store."""
        if os.getpid() != self._pid:
            raise ForkedStoreError(self._source.label, self._pid, os.getpid())

    @contextmanager
    def borrowed(
        self, *, extra: float = 0.0, to_users: bool = False
    ) -> Generator[AnyConnection]:
        """Lend a connection of the pool.

        `extra` is by how many seconds the time limit is longer than that of other calls. The
        settings of a connection of the user's own pool, and of one that is lent `to_users`, are
        restored afterwards; only their code changes those of the others.
        """
        seconds = self._call_timeout + extra
        with translated(self._source.label):
            connection = self._take()
        try:
            with self._deadlines.limit(connection, seconds):
                if to_users or not self._source.is_ours:
                    with self._restored(connection), self._lent(connection):
                        yield connection
                else:
                    with self._lent(connection):
                        yield connection
        except StoreError as error:
            if self._spoils(error):
                connection.close()
            raise
        finally:
            if to_users and self._source.is_ours and not is_utf8(connection):
                connection.close()  # the work of `complete` has changed the session's encoding
            if self._wants_writes and takes_no_writes(connection):
                connection.close()
                self._fail_over()
            self._pool.putconn(connection)

    @contextmanager
    def _lent(self, connection: AnyConnection) -> Generator[None]:
        try:
            _apply(connection, _PLAIN)
            self._set_up(connection, ours=self._source.is_ours)
            yield
        finally:
            with suppress(psycopg.Error):  # it is broken, and the pool replaces it
                if connection.info.transaction_status != TransactionStatus.IDLE:
                    connection.rollback()

    @contextmanager
    def _restored(self, connection: AnyConnection) -> Generator[None]:
        before = {name: getattr(connection, name) for name in _SETTINGS}
        try:
            yield
        finally:
            with suppress(psycopg.Error):  # it is broken, and the pool replaces it
                _apply(connection, before)

    def _spoils(self, error: StoreError) -> bool:
        """Whether the connection must not be used again after this error."""
        if lost_prepared(error):
            self.sessions.stop_preparing()
            return True
        if is_read_only(error):  # the session stays on the server that became a standby
            self._fail_over()
            return True
        return False

    def _fail_over(self) -> None:
        """Close all sessions: their server still answers, but is no longer the primary."""
        with self._followed_lock:
            if monotonic() - self._failed_over_at < _FAILOVER_PAUSE:
                return
            self._failed_over_at = monotonic()
            for connection in self._followed:
                shut(connection)  # its listener wakes up and opens another one
            self._followed.clear()
        if isinstance(self._pool, OwnConnections):
            self._pool.renew()

    def follow(self, connection: AnyConnection) -> None:
        """Shut a connection that only listens when the server fails over."""
        with self._followed_lock:
            self._followed.add(connection)

    def end(self, connection: AnyConnection) -> None:
        """Close a connection that was followed."""
        with self._followed_lock:
            self._followed.discard(connection)
            connection.close()

    def _take(self) -> AnyConnection:
        # After a failover all idle connections are broken. psycopg_pool's own check would sleep
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
        if is_quiet(connection):
            return True
        with self.limited(connection):
            return is_alive(connection)

    def limited(self, connection: AnyConnection) -> AbstractContextManager[None]:
        """Limit how long the block may use a connection."""
        return self._deadlines.limit(connection, self._call_timeout)

    @contextmanager
    def transaction(self, *, extra: float = 0.0) -> Generator[AnyConnection]:
        """Lend a connection inside a transaction, which an exception rolls back.

        Only errors of beginning and ending it are translated, since the block may be the user's
        code. Both have a time limit even if `extra` is infinite.
        """
        with self.borrowed(extra=extra, to_users=True) as connection:
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
        """Lend the connection of the heartbeat, which is replaced when it is broken."""
        with self._heart_lock:
            if self._heart is None or not self._is_alive(self._heart):
                self._drop_heart()
                self._heart = self.connect(seconds=seconds)
                ignore_notifications(self._heart)
            try:
                with self._deadlines.limit(self._heart, min(seconds, self._call_timeout)):
                    self._set_up(self._heart, ours=True)  # again after prepared ones were lost
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
        """Close what was opened here; in a fork, close nothing."""
        if os.getpid() != self._pid:
            _inherited.append(self)
            return
        self._deadlines.close()
        with self._heart_lock:
            self._drop_heart()
        if isinstance(self._pool, OwnConnections):
            self._pool.close()


def _apply(connection: AnyConnection, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        if getattr(connection, name) != value:
            setattr(connection, name, value)


@final
@define(eq=False)
class PostgresDatabase:
    """The statements of one store, and its connections while it is open."""

    source: Source
    sql: Dialect
    sessions: Sessions
    timeout: float
    """The time limit of a call in seconds."""
    _opened: Connections | None = None

    def open(self) -> None:
        """Connect; raise `StoreError` if it is open."""
        if self._opened is not None:
            self._opened.check_process()
            raise StoreError(f"{self.source.label}: open already")
        self._opened = Connections(self.source, self.sessions, self.timeout)

    def close(self) -> None:
        """Close the connections; harmless if it is not open."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @property
    def live(self) -> Connections:
        """The connections; raise `StoreError` if it is not open."""
        if self._opened is None:
            raise StoreError(f"{self.source.label}: not open; call open() first")
        self._opened.check_process()
        return self._opened

    def rows(self, name: str, values: Parameters) -> list[Row]:
        """Run the statement of this name and return its rows."""
        return self.read((self.sql[name], values))

    def execute(self, name: str, values: Parameters) -> None:
        """Run the statement of this name, which returns no rows."""
        statement = self.sql[name]

        def work(connection: AnyConnection) -> None:
            if self.session(connection).compiles:
                self.sql.run_all(connection, [JIT_OFF, (statement, values)])
            else:
                self.sql.execute(connection, statement, values)

        self.alone(work)

    def read(self, step: Step) -> list[Row]:
        """Run one statement in autocommit mode and return its rows."""
        return self.alone(lambda connection: self.run_all(connection, [step]))[0]

    def rows_by_one_plan(self, name: str, values: Parameters) -> list[Row]:
        """Run a statement whose plan is good for all values, and return its rows.

        Making a new plan for each call takes longer than running the statement.
        """

        def work(connection: AnyConnection) -> list[Row]:
            keeps_plans = connection.prepare_threshold is not None
            steps = [*([ONE_PLAN] if keeps_plans else []), (self.sql[name], values)]
            return self.run_all(connection, steps)[-1]

        return self.alone(work)

    def all_rows(self, steps: Sequence[Step]) -> list[list[Row]]:
        """Run statements in one transaction and one round trip, and return the rows of each."""
        return self.together(lambda connection: self.run_all(connection, steps))

    def run_all(self, connection: AnyConnection, steps: Sequence[Step]) -> list[list[Row]]:
        """Run statements whose cost grows with the tables, without JIT compilation."""
        if not self.session(connection).compiles:
            return self.sql.run_all(connection, steps)
        # Statements in one round trip share a transaction, so the setting applies to all.
        return self.sql.run_all(connection, [JIT_OFF, *steps])[1:]

    def session(self, connection: AnyConnection) -> SessionInfo:
        """Return what is known of the session behind a borrowed connection."""
        return self.sessions.of(connection, ours=self.source.is_ours)

    def alone(self, work: Callable[[AnyConnection], T], *, extra: float = 0.0) -> T:
        """Run `work` on a connection in autocommit mode."""

        def once() -> T:
            with self.live.borrowed(extra=extra) as connection:
                return work(connection)

        return retry_rolled_back(once)

    def together(self, work: Callable[[AnyConnection], T], *, extra: float = 0.0) -> T:
        """Run `work` in one transaction."""

        def once() -> T:
            with self.live.transaction(extra=extra) as connection:
                return work(connection)

        return retry_rolled_back(once)
