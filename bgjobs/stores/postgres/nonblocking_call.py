"""One call at a time that does not block, on a connection of its own.

There is no such connection behind a pooler, nor where statements may not be prepared.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from math import inf
from threading import Lock
from time import monotonic
from typing import NoReturn

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.postgres.connections import Connections, PostgresDatabase
from bgjobs.stores.postgres.deadlines import shut
from bgjobs.stores.postgres.errors import translated
from bgjobs.stores.postgres.pipelined import PipelinedConnection
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.statements import KEEP_ONE_PLAN, numbered

CONNECT_PAUSE = 60.0
"""Seconds from a failed attempt to connect until the next one."""
_UNUSABLE = (b"26", b"0A")
"""The classes of errors that say that a prepared statement is missing, or no longer fits.

See https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

Values = Sequence[bytes | None]
"""The parameters of a statement in binary format."""
_inherited: list[PipelinedConnection | None] = []
"""Those of the parent process after a fork. Finalizing them could write to their sockets."""


class PostgresNonBlockingCall(ABC):
    """Connects, and sends the statements of a call; a subclass makes and reads them."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._sql = database.sql
        self._label = database.sql.label
        self._lock = Lock()
        """Held while it connects, and from `begin` to `end`."""
        self._line: PipelinedConnection | None = None
        self._sent: PipelinedConnection | None = None
        """The connection of the call in progress."""
        self._limit: AbstractContextManager[None] | None = None
        """Ends the wait for its answer, by ending the connection."""
        self._connects_from = 0.0
        self._is_wanted = False
        self._pid = os.getpid()

    @abstractmethod
    def _statements(self) -> Mapping[bytes, bytes]:
        """Return the statements to prepare, by the names that they get."""

    @property
    def is_wanted(self) -> bool:
        """Whether `connect` would connect."""
        return self._is_wanted

    def connect(self) -> None:
        """Connect if `begin` had no connection, unless that has failed a short time ago."""
        # It does not wait: the event loop releases the lock, and may wait for this thread.
        if not self._is_wanted or not self._lock.acquire(blocking=False):
            return
        try:
            self._is_wanted = False
            if self._line is None:  # else another thread has connected meanwhile
                self._connect()
        finally:
            self._lock.release()

    def _connect(self) -> None:
        with suppress(StoreError):  # it is not open; the next call in a thread raises it
            connections = self._database.live
            try:
                self._line = self._connected(connections)
            except StoreError:  # the next call in a thread raises it, if it goes on
                self._connects_from = monotonic() + CONNECT_PAUSE
            if not self._is_current(connections):
                self.close()  # the store was closed meanwhile, and perhaps opened again

    def _is_current(self, connections: Connections) -> bool:
        try:
            return self._database.live is connections
        except StoreError:  # it is not open
            return False

    def _connected(self, connections: Connections) -> PipelinedConnection | None:
        connection = connections.connect()
        try:
            with connections.limited(connection), translated(self._label):
                if not self._may_prepare(connection):
                    self._connects_from = inf
                    connection.close()
                    return None
                self._sql.execute(connection, *KEEP_ONE_PLAN)
                for name, statement in self._statements().items():
                    self._prepare(connection.pgconn, name, statement)
                connection.pgconn.nonblocking = 1
                connection.pgconn.enter_pipeline_mode()
        except BaseException:
            connection.close()
            raise
        connections.follow(connection)
        return PipelinedConnection(connection, connections)

    def _may_prepare(self, connection: AnyConnection) -> bool:
        is_direct = self._database.session(connection).is_direct
        allowed = connection.prepare_threshold is not None
        return is_direct and allowed and psycopg.Pipeline.is_supported()

    def _prepare(self, pgconn: PGconn, name: bytes, statement: bytes) -> None:
        result = pgconn.prepare(name, numbered(statement)[0])
        if result.status != ExecStatus.COMMAND_OK:
            raise StoreError(f"{self._label}: {result.error_message.decode(errors='replace')}")

    def _open_line(self) -> PipelinedConnection | None:
        """Return the connection; if there is none, it may be wanted."""
        line = self._line  # another thread may close the store
        if line is None:
            self._is_wanted = monotonic() >= self._connects_from
            return None
        line.connections.check_process()
        return line

    def _begin(self, line: PipelinedConnection, *calls: tuple[bytes, Values]) -> bool:
        """Send statements by their names, and return whether they were sent.

        The answer to the first of them is that of the call.
        """
        if not self._lock.acquire(blocking=False):
            return False
        if not self._is_ready(line):
            self._is_wanted = self._line is None
            self._lock.release()
            return False
        self._sent, self._limit = line, line.connections.limited(line.connection)
        self._limit.__enter__()
        try:
            for place, (statement, values) in enumerate(calls):
                line.send(statement, values, is_awaited=place == 0)
            line.flush()
        except psycopg.Error:
            self._drop(line)  # so that `fileno` raises it: the server may have the call
        return True

    def _is_ready(self, line: PipelinedConnection) -> bool:
        try:
            if not line.is_outdated:
                return line.is_free()
        except psycopg.Error:  # the connection was lost, and nothing is sent yet
            pass
        self._drop(line)
        return False

    def fileno(self) -> int:
        """Return the socket."""
        line = self._in_progress
        try:
            return line.connection.fileno()
        except psycopg.Error as error:
            self._lose(line, error)

    def _received(self, line: PipelinedConnection) -> PGresult | None:
        """Return the answer to the last call, which may be an error of the server."""
        try:
            result = line.receive()
        except psycopg.Error as error:
            self._lose(line, error)
        if result is None:
            return None
        if (result.error_field(DiagnosticField.SQLSTATE) or b"").startswith(_UNUSABLE):
            self._drop(line)
        return result

    @property
    def _in_progress(self) -> PipelinedConnection:
        if self._sent is None:
            raise StoreError(f"{self._label}: no call was begun")
        return self._sent

    def _lose(self, line: PipelinedConnection, cause: psycopg.Error) -> NoReturn:
        self._drop(line)
        error = StoreUnavailableError(f"{self._label}: connection lost")
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.__exit__(type(error), error, None)  # raises another error if the time is over
        raise error from cause

    def abort(self) -> None:
        """End the connection."""
        shut(self._in_progress.connection)

    def end(self) -> None:
        """End the wait for the answer."""
        line = self._in_progress
        limit, self._limit, self._sent = self._limit, None, None
        if limit is not None:
            limit.__exit__(None, None, None)
        if line is not self._line:
            self._drop(line)  # it was closed meanwhile
        self._lock.release()

    def _drop(self, line: PipelinedConnection) -> None:
        if self._line is line:
            self._line = None
        line.connections.end(line.connection)

    def close(self) -> None:
        """End the connection of a closed store; a wait for an answer ends with an error.

        In a fork of the process that has connected, that one keeps its connection.
        """
        line, self._line = self._line, None
        self._connects_from, self._is_wanted = 0.0, False
        if os.getpid() != self._pid:
            _inherited.append(line)
            self._pid, self._lock = os.getpid(), Lock()  # no thread here will release the other
            self._sent, self._limit = None, None
            return
        if line is None:
            return
        shut(line.connection)
        if self._sent is None:  # else `end` closes it
            self._drop(line)
