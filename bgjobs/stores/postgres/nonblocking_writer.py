"""Writes of single jobs that do not block, on a connection of their own in pipeline mode.

Each write is one prepared statement, and a synchronization point after it. The answer to the
point arrives once the transaction is committed; the answer to the statement may arrive before.
See https://www.postgresql.org/docs/current/libpq-pipeline-mode.html.

There is no such connection behind a pooler, nor where statements may not be prepared.
"""

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from math import inf
from threading import Lock
from time import monotonic
from typing import NoReturn, final

import psycopg
from attrs import define, field
from psycopg.pq import DiagnosticField, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.postgres import codec
from bgjobs.stores.postgres.arrays import texts, timestamp_bytes
from bgjobs.stores.postgres.connections import Connections, PostgresDatabase
from bgjobs.stores.postgres.deadlines import is_quiet, shut
from bgjobs.stores.postgres.errors import as_store_error, translated
from bgjobs.stores.postgres.notices import payloads_of
from bgjobs.stores.postgres.pool import LONGEST_LIFE, AnyConnection
from bgjobs.stores.postgres.statements import NOTIFY, Dialect, channel_of, numbered
from bgjobs.stores.types import NewJob, Notice, Written
from bgjobs.stores.values import are_plain, stored_as

LARGEST_PAYLOAD = 8_000
"""Characters of a payload, so that the operating system takes a whole write at once."""
CONNECT_PAUSE = 60.0
"""Seconds from a failed attempt to connect until the next one."""
_ENQUEUE, _NOTIFY = b"bgjobs_enqueue", b"bgjobs_notify"
_UNUSABLE = (b"26", b"0A")
"""The classes of errors that say that a prepared statement is missing, or no longer fits.

See https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""


@final
@define(eq=False)
class _Line:
    """The connection, and what was sent on it and has no answer yet."""

    connection: AnyConnection
    connections: Connections
    _points: deque[bool] = field(factory=deque[bool], init=False)
    """The synchronization points to come, and whether each is that of a write."""
    _result: PGresult | None = field(default=None, init=False)
    """The answer to the statement before the next point."""
    _born: float = field(factory=monotonic, init=False)

    @property
    def pgconn(self) -> PGconn:
        return self.connection.pgconn

    @property
    def is_outdated(self) -> bool:
        return monotonic() - self._born > LONGEST_LIFE

    def is_free(self) -> bool:
        """Whether each write has its answer; those of writes that were left are dropped.

        Raise `psycopg.OperationalError` if the server has sent something else.
        """
        if self._points:
            self.pgconn.consume_input()
        while self._points and self._reaches_point():
            self._points.popleft()
        if not self._points and not is_quiet(self.connection):
            raise psycopg.OperationalError("the server may have closed the connection")
        return True not in self._points

    def send(self, statement: bytes, values: Sequence[bytes | None]) -> None:
        # Text is sent in binary format, too: as text it would end at its first zero byte.
        formats = [Format.BINARY] * len(values)
        self.pgconn.send_query_prepared(statement, values, formats, Format.BINARY)
        self.pgconn.pipeline_sync()
        self._points.append(statement is _ENQUEUE)

    def receive(self) -> PGresult | None:
        """Return the answer to the write, once the point after it is reached."""
        self.pgconn.consume_input()
        while self._points and self._reaches_point():
            result, self._result = self._result, None
            if self._points.popleft():
                return result
        return None

    def _reaches_point(self) -> bool:
        """Read what has arrived, up to the next point; whether that has arrived."""
        separators = 0
        while not self.pgconn.is_busy():
            result = self.pgconn.get_result()
            if result is None:
                separators += 1
                if separators > 1:  # one follows the answer to a statement; nothing is left
                    raise psycopg.OperationalError("the server closed the connection")
            elif result.status == ExecStatus.PIPELINE_SYNC:
                return True
            else:
                self._result = result
        return False


@final
class PostgresNonBlockingWriter:
    """Writes one job at a time to the tables of a store."""

    def __init__(self, database: PostgresDatabase, sql: Dialect) -> None:
        self._database = database
        self._sql = sql
        self._label = sql.label
        self._lock = Lock()
        """Held while it connects, and from `begin` to `end`."""
        self._line: _Line | None = None
        self._sent: tuple[_Line, NewJob] | None = None
        """The write in progress."""
        self._limit: AbstractContextManager[None] | None = None
        """Ends the wait for its answer, by ending the connection."""
        self._connects_from = 0.0
        self._is_wanted = False

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
                self._line = line = self._connected()
                if line is not None and self._database.live is not line.connections:
                    self.close()  # the store was closed meanwhile, and opened again
        except StoreError:  # the next write in a thread raises it, if it goes on
            self.close()
            self._connects_from = monotonic() + CONNECT_PAUSE
        finally:
            self._lock.release()

    def _connected(self) -> _Line | None:
        connections = self._database.live
        connection = connections.connect()
        try:
            with connections.limited(connection), translated(self._label):
                if not self._may_prepare(connection):
                    self._connects_from = inf
                    connection.close()
                    return None
                self._prepare(connection.pgconn, _ENQUEUE, self._sql["enqueue_one"])
                self._prepare(connection.pgconn, _NOTIFY, NOTIFY)
                connection.pgconn.nonblocking = 1
                connection.pgconn.enter_pipeline_mode()
        except BaseException:
            connection.close()
            raise
        connections.follow(connection)
        return _Line(connection, connections)

    def _may_prepare(self, connection: AnyConnection) -> bool:
        is_direct = self._database.session(connection).is_direct
        allowed = connection.prepare_threshold is not None
        return is_direct and allowed and psycopg.Pipeline.is_supported()

    def _prepare(self, pgconn: PGconn, name: bytes, statement: bytes) -> None:
        result = pgconn.prepare(name, numbered(statement)[0])
        if result.status != ExecStatus.COMMAND_OK:
            raise StoreError(f"{self._label}: {result.error_message.decode(errors='replace')}")

    def begin(self, new: NewJob, notice: Notice, *, now: datetime | None = None) -> bool:
        """Send a new job, and then a notice unless it is empty, without waiting."""
        if not are_plain([new]) or len(new.request.payload) > LARGEST_PAYLOAD:
            return False
        line, instant = self._line, codec.utc("now", now)
        if line is None:
            self._is_wanted = monotonic() >= self._connects_from
            return False
        line.connections.check_process()
        try:
            values = _values(new, instant)
        except UnicodeEncodeError as error:
            raise as_store_error(self._label, error) from error
        if not self._lock.acquire(blocking=False):
            return False
        if not self._is_ready(line):
            self._is_wanted = self._line is None
            self._lock.release()
            return False
        self._sent, self._limit = (line, new), line.connections.limited(line.connection)
        self._limit.__enter__()
        try:
            self._send(line, values, notice)
        except psycopg.Error:
            self._drop(line)  # so that `fileno` raises it: the server may have the job
        return True

    def _is_ready(self, line: _Line) -> bool:
        try:
            if not line.is_outdated:
                return line.is_free()
        except psycopg.Error:  # the connection was lost, and nothing is sent yet
            pass
        self._drop(line)
        return False

    def _send(self, line: _Line, values: Sequence[bytes | None], notice: Notice) -> None:
        line.send(_ENQUEUE, values)
        if notice:
            channel = channel_of(self._sql.schema).encode()
            line.send(_NOTIFY, [channel, texts(payloads_of(notice)).data])
        if line.pgconn.flush():
            raise psycopg.OperationalError("the server does not read")

    def fileno(self) -> int:
        """Return the socket."""
        line, _ = self._in_progress
        try:
            return line.connection.fileno()
        except psycopg.Error as error:
            self._lose(line, error)

    def receive(self) -> Written | None:
        """Return the answer to the last write, or None if it has not arrived."""
        line, new = self._in_progress
        try:
            result = line.receive()
        except psycopg.Error as error:
            self._lose(line, error)
        if result is None:
            return None
        if (result.error_field(DiagnosticField.SQLSTATE) or b"").startswith(_UNUSABLE):
            self._drop(line)
        if result.ntuples != 1:
            raise StoreError(f"{self._label}: the job was not stored")
        moment = codec.timestamp(int.from_bytes(result.get_value(0, 1) or b"", signed=True))
        return Written([stored_as(new, moment, moment)], ())

    @property
    def _in_progress(self) -> tuple[_Line, NewJob]:
        if self._sent is None:
            raise StoreError(f"{self._label}: no write was begun")
        return self._sent

    def _lose(self, line: _Line, cause: psycopg.Error) -> NoReturn:
        self._drop(line)
        error = StoreUnavailableError(f"{self._label}: connection lost")
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.__exit__(type(error), error, None)  # raises another error if the time is over
        raise error from cause

    def abort(self) -> None:
        """End the connection."""
        line, _ = self._in_progress
        shut(line.connection)

    def end(self) -> None:
        """End the wait for the answer."""
        line, _ = self._in_progress
        limit, self._limit, self._sent = self._limit, None, None
        if limit is not None:
            limit.__exit__(None, None, None)
        if line is not self._line:
            self._drop(line)  # it was closed meanwhile
        self._lock.release()

    def _drop(self, line: _Line) -> None:
        if self._line is line:
            self._line = None
        line.connections.end(line.connection)

    def close(self) -> None:
        """End the connection of a closed store; a wait for an answer ends with an error."""
        line, self._line = self._line, None
        self._connects_from, self._is_wanted = 0.0, False
        if line is None:
            return
        shut(line.connection)
        if self._sent is None:  # else `end` closes it
            self._drop(line)


def _values(new: NewJob, now: datetime | None) -> Sequence[bytes | None]:
    """Return the parameters of `enqueue_one` in binary format."""
    at = None if now is None else timestamp_bytes(now)
    return new.id.bytes, new.request.name.encode(), new.request.payload.encode(), at
