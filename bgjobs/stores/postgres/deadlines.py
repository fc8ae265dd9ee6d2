"""Gives up calls that the server does not answer.

A peer that vanished is noticed by the kernel; one that is frozen, or a middlebox that swallows
everything, is not: their silence would hold a thread for ever. libpq knows no timeout for a
statement, but a socket that is shut down ends every wait for it.
"""

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from time import monotonic
from typing import final

import psycopg
from attrs import define

from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.postgres.source import AnyConnection

_LONGEST_PAUSE = 1.0
"""Seconds between two looks at what is overdue."""


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
    def limit(self, connection: AnyConnection, seconds: float | None) -> Generator[None]:
        """Bound what the block does on this connection; None sets no bound.

        Too late, the connection is lost and `StoreUnavailableError` is raised.
        """
        if seconds is None:
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
        """End the thread; calls that go on have no deadline any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

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
            now = monotonic()
            with self._lock:  # so that no connection is given back, and lent anew, meanwhile
                for call in self._calls:
                    if call.ends_at < now and not call.given_up:
                        call.given_up = True
                        _shut(call.connection)


def _shut(connection: AnyConnection) -> None:
    with (
        suppress(psycopg.Error, OSError),  # then it is closed already
        # A descriptor of our own: closing it leaves libpq's open.
        socket.socket(fileno=os.dup(connection.fileno())) as ours,
    ):
        ours.shutdown(socket.SHUT_RDWR)
