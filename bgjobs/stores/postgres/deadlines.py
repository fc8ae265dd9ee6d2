"""Gives up calls that the server does not answer.

A peer that vanished is noticed by the kernel; one that is frozen, or a middlebox that swallows
everything, is not: their silence would hold a thread for ever. libpq knows no timeout for a
statement, but a socket that is shut down ends every wait for it.
"""

import os
import select
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from math import inf
from threading import Event, Lock, Thread
from time import monotonic
from typing import final

import psycopg
from attrs import define
from psycopg.pq import PollingStatus
from psycopg.pq.abc import PGcancelConn

from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.postgres.pool import AnyConnection

_LONGEST_PAUSE = 1.0
"""Seconds between two looks at what is overdue."""
_CANCELLING = 2.0
"""Seconds for telling the server that nobody waits any more."""


_EVENTS: dict[int, int] = {
    PollingStatus.READING: select.POLLIN,
    PollingStatus.WRITING: select.POLLOUT,
}


@define(eq=False)
class _Call:
    connection: AnyConnection
    ends_at: float
    given_up: bool = False


@final
class Deadlines:
    """Watches calls from a thread of its own, from the first call until `close`."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._lock = Lock()
        self._calls: list[_Call] = []
        self._pause = _LONGEST_PAUSE
        self._stop = Event()
        self._thread: Thread | None = None

    @contextmanager
    def limit(self, connection: AnyConnection, seconds: float) -> Generator[None]:
        """Bound what the block does on this connection; infinity sets no bound.

        Too late, the connection is lost and `StoreUnavailableError` is raised.
        """
        if seconds == inf:
            yield
            return
        call = self._begin(connection, seconds)
        try:
            yield
        except (psycopg.Error, StoreError) as error:
            if not call.given_up:
                raise
            text = f"{self._label}: no answer within {seconds:g} s"
            raise StoreUnavailableError(text) from error
        finally:
            with self._lock:
                self._calls.remove(call)

    def close(self) -> None:
        """Give up all calls that go on, and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._give_up(until=inf)

    def _begin(self, connection: AnyConnection, seconds: float) -> _Call:
        call = _Call(connection, monotonic() + seconds)
        with self._lock:
            self._calls.append(call)
            self._pause = min(self._pause, seconds / 4)
            if self._thread is None:
                self._thread = Thread(target=self._watch, name="bgjobs-deadlines", daemon=True)
                self._thread.start()
        return call

    def _watch(self) -> None:
        while not self._stop.wait(self._pause):
            self._give_up(until=monotonic())

    def _give_up(self, until: float) -> None:
        with self._lock:  # so that no connection is given back, and lent anew, meanwhile
            for call in self._calls:
                if call.ends_at < until and not call.given_up:
                    call.given_up = True
                    _end(call.connection)


def _end(connection: AnyConnection) -> None:
    """End the wait for an answer, and on the server what it is about, as far as that goes."""
    handle = None
    with suppress(psycopg.Error):  # closed already, or libpq is too old
        handle = connection.pgconn.cancel_conn()
    shut(connection)
    if handle is not None:
        # The way to the server may be a hole: nothing here waits for it.
        Thread(target=_cancel, args=[handle], name="bgjobs-cancel", daemon=True).start()


def _cancel(handle: PGcancelConn) -> None:
    # Else the server goes on, for as long as it waits for a lock, with nobody to tell it to.
    ends_at = monotonic() + _CANCELLING
    with suppress(psycopg.Error, OSError):
        handle.start()
        while (wanted := handle.poll()) in _EVENTS and monotonic() < ends_at:
            looking = select.poll()
            looking.register(handle.socket, _EVENTS[wanted])
            looking.poll(100)


def shut(connection: AnyConnection) -> None:
    """End all waits on a connection; its owner has to close it."""
    with (
        suppress(psycopg.Error, OSError),  # then it is closed already
        # A descriptor of our own: closing it leaves libpq's open.
        socket.socket(fileno=os.dup(connection.fileno())) as ours,
    ):
        ours.shutdown(socket.SHUT_RDWR)
