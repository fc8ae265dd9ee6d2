"""A proxy in front of a server, on a port of this machine, that can be told to misbehave.

One thread serves all connections; what it is told is in force when the call returns.
"""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from types import TracebackType
from typing import Any, final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.reliability.chaos.proxy_links import Link, next_due, reset_when_closed

_HOST = "127.0.0.1"
_POSTGRES = 5432
_PATIENCE = 60.0
"""Seconds to wait for the proxy's own thread, and for the server; a safety net."""


@final
class Proxy:
    """Passes bytes on, until it is told to be slow, to break connections or to lose bytes.

    `target` is the path of a Unix socket, or a host and a port. A `with` block runs it.
    """

    def __init__(self, target: str | tuple[str, int]) -> None:
        self._target = target
        self._links: set[Link] = set()
        self._delay = 0.0
        self._swallows = False
        self._stopping = False
        self.is_healthy = True
        """Whether nothing is wrong since `heal`."""
        self._orders = SimpleQueue[tuple[Callable[[], None], Future[None]]]()
        self._thread = threading.Thread(target=self._serve, name="proxy")

    def __enter__(self) -> "Proxy":
        self._selector = DefaultSelector()
        self._hear, self._call = socket.socketpair()
        self._selector.register(self._hear, EVENT_READ, self._obey)
        # Bound but not listening, it keeps the port ours while connections are refused.
        self._holder = _bound(0)
        self.port: int = self._holder.getsockname()[1]
        self._listener: socket.socket | None = None
        self._listen()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._order(self._stop)
        self._thread.join()
        for one in (self._holder, self._hear, self._call):
            one.close()
        self._selector.close()

    def dsn(self, dsn: str) -> str:
        """Give a connection string that leads through here and else says what `dsn` does."""
        said: dict[str, Any] = {**conninfo_to_dict(dsn), "host": _HOST, "port": self.port}
        return make_conninfo("", **said)

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._links)

    def delay(self, seconds: float) -> None:
        """Hold up every byte that comes from now on, in each direction, for so long."""

        def obey() -> None:
            self._delay, self.is_healthy = seconds, False

        self._order(obey)

    def drop(self) -> None:
        """Reset all connections and refuse new ones."""

        def obey() -> None:
            self.is_healthy = False
            self._refuse()
            for link in self._links:
                link.reset()

        self._order(obey)

    def swallow(self, *, new: bool = True) -> None:
        """Lose all bytes of the connections that there are, which stay up.

        New ones are accepted and lose everything too, unless `new` is False: then they pass.
        """

        def obey() -> None:
            self._swallows, self.is_healthy = new, False
            for link in self._links:
                link.swallow()

        self._order(obey)

    def heal(self) -> None:
        """Pass on everything again; connections that have lost something are reset."""

        def obey() -> None:
            self._delay, self._swallows, self.is_healthy = 0.0, False, True
            for link in self._links:
                link.heal()
            self._listen()

        self._order(obey)

    def _order(self, obey: Callable[[], None]) -> None:
        done = Future[None]()
        self._orders.put((obey, done))
        self._call.send(b"!")
        done.result(_PATIENCE)

    def _obey(self) -> None:
        self._hear.recv(1)
        obey, done = self._orders.get()
        obey()
        self._tidy()
        done.set_result(None)

    def _serve(self) -> None:
        while not self._stopping:
            due = next_due(self._links)
            wait = None if due is None else max(0.0, due - monotonic())
            for key, events in self._selector.select(wait):
                if events & EVENT_READ:
                    key.data()
            self._tidy()

    def _tidy(self) -> None:
        """Send on what may pass, close what is over, and wait for what comes next."""
        now = monotonic()
        for link in tuple(self._links):
            if not link.over:
                link.pass_on(now)
            self._watch(link)
            if link.over:
                self._links.remove(link)
                link.close()

    def _watch(self, link: Link) -> None:
        registered = self._selector.get_map()
        for side in link.sockets:
            wanted = 0 if link.over else link.wanted(side)
            before = registered.get(side)
            if before is None and wanted:
                self._selector.register(side, wanted, partial(self._read, link, side))
            elif before is not None and not wanted:
                self._selector.unregister(side)
            elif before is not None and before.events != wanted:
                self._selector.modify(side, wanted, before.data)

    def _read(self, link: Link, side: socket.socket) -> None:
        if not link.over:
            link.read(side, monotonic() + self._delay)

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = _bound(self.port)
            self._listener.setblocking(False)
            self._listener.listen(128)
            self._selector.register(self._listener, EVENT_READ, self._accept)

    def _refuse(self) -> None:
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        if self._listener is None:
            return
        with suppress(BlockingIOError):  # it went away before it was accepted
            client, _ = self._listener.accept()
            self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = _nowhere() if self._swallows else _reached(self._target)
        except OSError:
            reset_when_closed(client)
            client.close()
            return
        link = Link(client, server)
        if self._swallows:
            link.swallow()
        self._links.add(link)

    def _stop(self) -> None:
        self._refuse()
        for link in self._links:
            link.over = True
        self._stopping = True


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((_HOST, port))
    return bound


def _nowhere() -> socket.socket:
    """Give an end whose other end is closed."""
    end, other = socket.socketpair()
    other.close()
    return end


def _reached(target: str | tuple[str, int]) -> socket.socket:
    if not isinstance(target, str):
        return socket.create_connection(target, _PATIENCE)
    server = socket.socket(socket.AF_UNIX)
    try:
        server.settimeout(_PATIENCE)
        server.connect(target)
    except BaseException:
        server.close()
        raise
    return server


def target_of(dsn: str) -> str | tuple[str, int]:
    """Give what a proxy in front of this server leads to."""
    said = conninfo_to_dict(dsn)
    host, port = str(said.get("host") or _HOST), int(said.get("port") or _POSTGRES)
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
