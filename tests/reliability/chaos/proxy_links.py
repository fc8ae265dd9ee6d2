"""One connection through the proxy: two sockets, and the bytes on their way between them."""

import socket
import struct
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE
from typing import final

from attrs import define, field

_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)
"""Linger for no time: what is closed so sends no good-bye, but a reset."""


@final
@define(eq=False)
class Pipe:
    """Bytes on their way in one direction, each with the instant from which it may pass."""

    source: socket.socket
    sink: socket.socket
    waiting: deque[tuple[float, bytes]] = field(factory=deque[tuple[float, bytes]])
    ended: bool = False
    """Nothing more comes in."""
    blocked: bool = False
    """The sink takes nothing right now."""
    done: bool = False
    """The end has come through."""

    def take(self, due: float) -> None:
        """Read what has come in; an empty chunk stands for the end."""
        data = self.source.recv(_CHUNK)
        self.ended = not data
        self.waiting.append((due, data))

    def give(self, now: float) -> None:
        """Send what may pass by now, as far as the sink takes it."""
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
    """A connection of a client, and the one that was made to the server for it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        for one in (client, server):
            one.setblocking(False)
        self._there, self._back = Pipe(client, server), Pipe(server, client)
        self._swallows = False
        self._has_lost = False
        self.sockets = (client, server)
        self.over = False
        """Both sides shall be closed."""

    def swallow(self) -> None:
        """Lose what is on its way, and all that comes."""
        self._swallows = True
        self._lose()

    def heal(self) -> None:
        """Pass on again what comes; it is over if anything was lost."""
        self._swallows = False
        if self._has_lost:
            self.reset()

    def read(self, source: socket.socket, due: float) -> None:
        """Take in what one side has sent."""
        pipe = self._there if source is self._there.source else self._back
        try:
            pipe.take(due)
        except OSError:
            pipe.ended = True
            self._break()
        if self._swallows:
            self._lose()

    def pass_on(self, now: float) -> None:
        """Send on what may pass by now."""
        try:
            self._there.give(now)
            self._back.give(now)
        except OSError:
            self._break()
        self.over |= self._there.done or self._back.done

    @property
    def due(self) -> float | None:
        """When the next bytes may pass that nothing but time holds up."""
        pipes = (self._there, self._back)
        return min(
            (one.waiting[0][0] for one in pipes if one.waiting and not one.blocked),
            default=None,
        )

    def wanted(self, side: socket.socket) -> int:
        """Say what to wait for at this side, as a selector's mask."""
        come, go = (self._there, self._back)
        if side is not come.source:
            come, go = go, come
        return (0 if come.ended else EVENT_READ) | (EVENT_WRITE if go.blocked else 0)

    def reset(self) -> None:
        """Let both sides see a reset when they are closed."""
        for one in self.sockets:
            reset_when_closed(one)
        self.over = True

    def close(self) -> None:
        """Close both sides."""
        for one in self.sockets:
            one.close()

    def _break(self) -> None:
        if not self._swallows:
            self.reset()

    def _lose(self) -> None:
        for one in (self._there, self._back):
            self._has_lost |= bool(one.waiting) or one.ended
            one.waiting.clear()
            one.blocked = False


def reset_when_closed(end: socket.socket) -> None:
    """Let the other end see a reset, where there is such a thing."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def next_due(links: Collection[Link]) -> float | None:
    """Give the earliest instant at which something may pass."""
    return min((one.due for one in links if one.due is not None), default=None)
