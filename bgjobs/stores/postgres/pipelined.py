"""A connection in libpq's pipeline mode: statements are sent on it, and answered later.

Each statement is followed by a synchronization point. The answer to the point arrives once the
transaction is committed; the answer to the statement may arrive before.
See https://www.postgresql.org/docs/current/libpq-pipeline-mode.html.
"""

from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import final

import psycopg
from attrs import define, field
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

from bgjobs.stores.postgres.connections import Connections
from bgjobs.stores.postgres.deadlines import is_quiet
from bgjobs.stores.postgres.pool import LONGEST_LIFE, AnyConnection


@final
@define(eq=False)
class PipelinedConnection:
    """The connection, and what was sent on it and has no answer yet."""

    connection: AnyConnection
    connections: Connections
    _points: deque[bool] = field(factory=deque[bool], init=False)
    """The synchronization points to come, and whether the answer before each is awaited."""
    _result: PGresult | None = field(default=None, init=False)
    """The answer to the statement before the next point."""
    _born: float = field(factory=monotonic, init=False)

    @property
    def pgconn(self) -> PGconn:
        """The connection of libpq."""
        return self.connection.pgconn

    @property
    def is_outdated(self) -> bool:
        """Whether it is to be replaced, because it is old."""
        return monotonic() - self._born > LONGEST_LIFE

    def is_free(self) -> bool:
        """Whether all awaited answers have arrived; those that were left are dropped.

        Raise `psycopg.OperationalError` if the server has sent something else.
        """
        if self._points:
            self.pgconn.consume_input()
        while self._points and self._reaches_point():
            self._points.popleft()
        if not self._points and not is_quiet(self.connection):
            raise psycopg.OperationalError("the server may have closed the connection")
        return True not in self._points

    def send(
        self, statement: bytes, values: Sequence[bytes | None], *, is_awaited: bool
    ) -> None:
        """Send a prepared statement by its name, and a point; `flush` has to follow."""
        # Text is sent in binary format, too: as text it would end at its first zero byte.
        formats = [Format.BINARY] * len(values)
        self.pgconn.send_query_prepared(statement, values, formats, Format.BINARY)
        self.pgconn.pipeline_sync()
        self._points.append(is_awaited)

    def flush(self) -> None:
        """Send what libpq has gathered, or raise `psycopg.OperationalError`."""
        if self.pgconn.flush():
            raise psycopg.OperationalError("the server does not read")

    def receive(self) -> PGresult | None:
        """Return the awaited answer, once the point after it is reached."""
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
