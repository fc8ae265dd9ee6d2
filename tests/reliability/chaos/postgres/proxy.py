"""A TCP proxy in front of a server, which injects network faults.

One thread serves all connections; a fault is in force when the call that injects it returns.
"""

import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from time import monotonic
from types import TracebackType
from typing import Any, final

from attrs import define, field
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with a timeout of 0: closing the socket sends RST, not FIN."""


@final
@define(eq=False)
class Pipe:
    """One direction of a connection: chunks of bytes, each with the time when it may pass."""

    source: socket.socket
    sink: socket.socket
    waiting: deque[tuple[float, bytes]] = field(factory=deque[tuple[float, bytes]])
    ended: bool = False
    """Whether the source has closed its end."""
    blocked: bool = False
    """Whether the buffer of the sink is full."""
    done: bool = False
    """Whether the end was passed on to the sink."""

    def receive(self, due: float) -> None:
        """Read a chunk from the source; an empty one marks the end."""
        data = self.source.recv(_CHUNK)
        self.ended = not data
        self.waiting.append((due, data))

    def send(self, now: float) -> None:
        """Send the chunks that may pass by now, as far as the sink accepts them."""
        self.blocked = False
        while self.waiting and self.waiting[0][0] <= now and not self.blocked:
            due, data = self.waiting.popleft()
            self.done = not data
            rest = data[self._sent(data) :]
            if rest:
                self.blocked = True
                self.waiting.appendleft((due, rest))

    def _sent(self, data: bytes) -> int:
        try:
            return self.sink.send(data)
        except BlockingIOError:
            return 0


@final
class Link:
    """A connection of a client, and the connection to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        for one in (client, server):
            one.setblocking(False)
        self._to_server, self._to_client = Pipe(client, server), Pipe(server, client)
        self._discards = False
        self._has_lost = False
        self.sockets = (client, server)
        self.is_closing = False
        """Whether both sockets have to be closed."""

    def discard(self) -> None:
        """Discard pending bytes, and all bytes that arrive from now on."""
        self._discards = True
        self._drop_pending()

    def heal(self) -> None:
        """Pass bytes on again; reset the connection if any were discarded."""
        self._discards = False
        if self._has_lost:
            self.reset()

    def read(self, source: socket.socket, due: float) -> None:
        """Read from one of the sockets."""
        pipe = self._to_server if source is self._to_server.source else self._to_client
        try:
            pipe.receive(due)
        except OSError:
            pipe.ended = True
            self._break()
        if self._discards:
            self._drop_pending()

    def pass_on(self, now: float) -> None:
        """Pass on the bytes that may pass by now."""
        try:
            self._to_server.send(now)
            self._to_client.send(now)
        except OSError:
            self._break()
        self.is_closing |= self._to_server.done or self._to_client.done

    @property
    def due(self) -> float | None:
        """When the next chunk may pass; None without one that only waits for its time."""
        pipes = (self._to_server, self._to_client)
        return min(
            (one.waiting[0][0] for one in pipes if one.waiting and not one.blocked),
            default=None,
        )

    def wanted(self, side: socket.socket) -> int:
        """Return the events of a selector to wait for at this socket."""
        incoming, outgoing = (self._to_server, self._to_client)
        if side is not incoming.source:
            incoming, outgoing = outgoing, incoming
        return (0 if incoming.ended else EVENT_READ) | (EVENT_WRITE if outgoing.blocked else 0)

    def reset(self) -> None:
        """Make both sockets send a reset when they are closed."""
        for one in self.sockets:
            reset_when_closed(one)
        self.is_closing = True

    def close(self) -> None:
        """Close both sockets."""
        for one in self.sockets:
            one.close()

    def _break(self) -> None:
        if not self._discards:
            self.reset()

    def _drop_pending(self) -> None:
        for one in (self._to_server, self._to_client):
            self._has_lost |= bool(one.waiting) or one.ended
            one.waiting.clear()
            one.blocked = False


def reset_when_closed(end: socket.socket) -> None:
    """Make a socket send a reset when it is closed, if its protocol has one."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def next_due(links: Collection[Link]) -> float | None:
    """Return the earliest time at which a chunk may pass, or None."""
    return min((one.due for one in links if one.due is not None), default=None)


_HOST = "127.0.0.1"
_POSTGRES = 5432
_PATIENCE = 60.0
"""Seconds to wait for the thread of the proxy, and for the server."""


@final
class Proxy:
    """A proxy that passes bytes on, delays or discards them, or resets connections.

    `target` is the path of a Unix socket, or a host and a port. A `with` block runs the proxy.
    """

    def __init__(self, target: str | tuple[str, int]) -> None:
        self._target = target
        self._links: set[Link] = set()
        self._delay = 0.0
        self._discards = False
        self._stopping = False
        self.is_healthy = True
        """Whether no fault was injected since the start or since `heal`."""
        self._calls = SimpleQueue[tuple[Callable[[], None], Future[None]]]()
        self._thread = threading.Thread(target=self._serve, name="proxy")

    def __enter__(self) -> "Proxy":
        self._selector = DefaultSelector()
        self._wakeup_receiver, self._wakeup_sender = socket.socketpair()
        self._selector.register(self._wakeup_receiver, EVENT_READ, self._run_call)
        # Bound, but not listening: it keeps the port while connections are refused.
        self._port_reservation = _bound_socket(0)
        self.port: int = self._port_reservation.getsockname()[1]
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
        self._call(self._stop)
        self._thread.join()
        for one in (self._port_reservation, self._wakeup_receiver, self._wakeup_sender):
            one.close()
        self._selector.close()

    def dsn(self, dsn: str) -> str:
        """Return `dsn` with the host and the port of this proxy."""
        parsed: dict[str, Any] = {**conninfo_to_dict(dsn), "host": _HOST, "port": self.port}
        return make_conninfo("", **parsed)

    @property
    def connections(self) -> int:
        """The number of connections."""
        return len(self._links)

    def delay(self, seconds: float) -> None:
        """Delay every byte that arrives from now on, in each direction, by so many seconds."""

        def apply() -> None:
            self._delay, self.is_healthy = seconds, False

        self._call(apply)

    def drop(self) -> None:
        """Reset all connections and refuse new ones."""

        def apply() -> None:
            self.is_healthy = False
            self._refuse()
            for link in self._links:
                link.reset()

        self._call(apply)

    def discard(self, *, new: bool = True) -> None:
        """Discard all bytes of the existing connections, which stay open.

        New connections are accepted, and their bytes discarded too, unless `new` is False.
        """

        def apply() -> None:
            self._discards, self.is_healthy = new, False
            for link in self._links:
                link.discard()

        self._call(apply)

    def heal(self) -> None:
        """End all faults; reset the connections that have lost bytes."""

        def apply() -> None:
            self._delay, self._discards, self.is_healthy = 0.0, False, True
            for link in self._links:
                link.heal()
            self._listen()

        self._call(apply)

    def _call(self, apply: Callable[[], None]) -> None:
        done = Future[None]()
        self._calls.put((apply, done))
        self._wakeup_sender.send(b"!")
        done.result(_PATIENCE)

    def _run_call(self) -> None:
        self._wakeup_receiver.recv(1)
        apply, done = self._calls.get()
        apply()
        self._process_links()
        done.set_result(None)

    def _serve(self) -> None:
        while not self._stopping:
            due = next_due(self._links)
            wait = None if due is None else max(0.0, due - monotonic())
            for key, events in self._selector.select(wait):
                if events & EVENT_READ:
                    key.data()
            self._process_links()

    def _process_links(self) -> None:
        """Pass on due bytes, close finished connections, and update the selector."""
        now = monotonic()
        for link in tuple(self._links):
            if not link.is_closing:
                link.pass_on(now)
            self._update_interest(link)
            if link.is_closing:
                self._links.remove(link)
                link.close()

    def _update_interest(self, link: Link) -> None:
        registered = self._selector.get_map()
        for side in link.sockets:
            wanted = 0 if link.is_closing else link.wanted(side)
            before = registered.get(side)
            if before is None and wanted:
                self._selector.register(side, wanted, partial(self._read, link, side))
            elif before is not None and not wanted:
                self._selector.unregister(side)
            elif before is not None and before.events != wanted:
                self._selector.modify(side, wanted, before.data)

    def _read(self, link: Link, side: socket.socket) -> None:
        if not link.is_closing:
            link.read(side, monotonic() + self._delay)

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = _bound_socket(self.port)
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
        with suppress(BlockingIOError):  # the client closed the connection before
            client, _ = self._listener.accept()
            self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = _closed_socket() if self._discards else _connected(self._target)
        except OSError:
            reset_when_closed(client)
            client.close()
            return
        link = Link(client, server)
        if self._discards:
            link.discard()
        self._links.add(link)

    def _stop(self) -> None:
        self._refuse()
        for link in self._links:
            link.is_closing = True
        self._stopping = True


def _bound_socket(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((_HOST, port))
    return bound


def _closed_socket() -> socket.socket:
    """Return a socket whose other end is closed."""
    end, other = socket.socketpair()
    other.close()
    return end


def _connected(target: str | tuple[str, int]) -> socket.socket:
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
    """Return the target of a proxy in front of the server of `dsn`."""
    parsed = conninfo_to_dict(dsn)
    host, port = str(parsed.get("host") or _HOST), int(parsed.get("port") or _POSTGRES)
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
