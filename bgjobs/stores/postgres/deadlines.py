"""Whether a connection is alive, and time limits for calls that the server does not answer.

The kernel notices a peer that vanished, but not a peer that is frozen, nor a middlebox that
drops every packet: a thread would wait for them without end. libpq has no timeout for a
statement, but shutting the socket down ends every wait for it.
"""

import os
import select
import socket
from contextlib import AbstractContextManager, nullcontext, suppress
from math import inf
from threading import Event, Lock, Thread
from time import monotonic
from typing import final

import psycopg
from attrs import define
from psycopg.pq import ExecStatus, PollingStatus
from psycopg.pq.abc import PGcancelConn

from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.postgres.pool import AnyConnection

_LONGEST_PAUSE = 1.0
"""Seconds between two checks for overdue calls."""
_CANCELLING = 2.0
"""Seconds for asking the server to cancel the statement."""

_EVENTS: dict[int, int] = {
    PollingStatus.READING: select.POLLIN,
    PollingStatus.WRITING: select.POLLOUT,
}


@final
@define(eq=False)
class _Limit:
    """The block of one call."""

    deadlines: "Deadlines"
    connection: AnyConnection
    seconds: float
    ends_at: float = inf
    given_up: bool = False

    def __enter__(self) -> None:
        self.ends_at = monotonic() + self.seconds
        self.deadlines.add(self)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.deadlines.remove(self)
        if self.given_up and isinstance(error, psycopg.Error | StoreError):
            text = f"{self.deadlines.label}: no answer within {self.seconds:g} s"
            raise StoreUnavailableError(text) from error


@final
class Deadlines:
    """Ends overdue calls from a thread, which runs from the first call until `close`."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._lock = Lock()
        self._calls: list[_Limit] = []
        self._pause = _LONGEST_PAUSE
        self._stop = Event()
        self._thread: Thread | None = None

    def limit(self, connection: AnyConnection, seconds: float) -> AbstractContextManager[None]:
        """Limit how long the block may use this connection; infinity sets no limit.

        Once the time is over, the connection is lost and `StoreUnavailableError` is raised.
        """
        return nullcontext() if seconds == inf else _Limit(self, connection, seconds)

    def close(self) -> None:
        """End all calls in progress, and the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._give_up(until=inf)

    def add(self, call: _Limit) -> None:
        """End a call when it is overdue."""
        with self._lock:
            self._calls.append(call)
            self._pause = min(self._pause, call.seconds / 4)
            if self._stop.is_set():  # the store was closed before the connection was made
                _give_up(call)
            elif self._thread is None:
                self._thread = Thread(target=self._watch, name="bgjobs-deadlines", daemon=True)
                self._thread.start()

    def remove(self, call: _Limit) -> None:
        """Leave a call alone, which has ended."""
        with self._lock:
            self._calls.remove(call)

    def _watch(self) -> None:
        while not self._stop.wait(self._pause):
            self._give_up(until=monotonic())

    def _give_up(self, until: float) -> None:
        with self._lock:  # so that no connection goes back to the pool meanwhile
            for call in self._calls:
                if call.ends_at < until and not call.given_up:
                    _give_up(call)


def _give_up(call: _Limit) -> None:
    """End the wait for an answer, and ask the server to cancel the statement."""
    call.given_up = True
    connection, handle = call.connection, None
    with suppress(psycopg.Error):  # closed already, or libpq is too old
        handle = connection.pgconn.cancel_conn()
    shut(connection)
    if handle is not None:
        # The server may not be reachable; this thread must not wait for it.
        Thread(target=_cancel, args=[handle], name="bgjobs-cancel", daemon=True).start()


def _cancel(handle: PGcancelConn) -> None:
    # Otherwise the server goes on, for as long as it waits for a lock.
    # https://www.postgresql.org/docs/current/libpq-cancel.html
    ends_at = monotonic() + _CANCELLING
    with suppress(psycopg.Error, OSError):
        handle.start()
        while (wanted := handle.poll()) in _EVENTS and monotonic() < ends_at:
            poller = select.poll()
            poller.register(handle.socket, _EVENTS[wanted])
            poller.poll(100)


def shut(connection: AnyConnection) -> None:
    """End all waits on a connection; its owner has to close it."""
    with (
        suppress(psycopg.Error, OSError),  # it is closed already
        # A duplicate of the descriptor: closing it leaves libpq's open.
        socket.socket(fileno=os.dup(connection.fileno())) as ours,
    ):
        ours.shutdown(socket.SHUT_RDWR)


def is_quiet(connection: AnyConnection) -> bool:
    """Whether an idle connection is open, and no data has arrived unasked.

    Such data may be the server's message that it closes the connection.
    """
    return not (connection.closed or _has_data(connection.fileno()))


def is_alive(connection: AnyConnection) -> bool:
    """Whether an idle connection still leads to the server, by a round trip."""
    if connection.closed:
        return False
    try:
        # By libpq: the driver's cursors would prepare a statement that runs often.
        answer = connection.pgconn.exec_(b"")
    except psycopg.Error:
        return False
    return answer.status == ExecStatus.EMPTY_QUERY


def _has_data(descriptor: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))
