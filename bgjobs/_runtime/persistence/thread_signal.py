"""Signals that a thread sends to the event loop.

On Linux a signal is an eventfd, which takes less time than the two sockets of other systems:
https://man7.org/linux/man-pages/man2/eventfd.2.html.
"""

import os
import socket
from typing import Protocol, final

from anyio import wait_readable


class ThreadSignal(Protocol):
    """Ends the wait of one task. What is sent while no task waits ends the next wait."""

    def send(self) -> None:
        """Send the signal, from any thread."""
        ...

    async def receive(self) -> None:
        """Wait until the signal was sent, once or several times."""
        ...

    def close(self) -> None:
        """Release the descriptors; no thread may be about to send."""
        ...


def new_signal() -> ThreadSignal:
    """Return the fastest signal that the system has."""
    return EventFdSignal() if hasattr(os, "eventfd") else SocketSignal()


@final
class EventFdSignal:
    """A signal of the Linux kernel: a counter that is readable while it is not zero."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def send(self) -> None:
        """Send the signal, from any thread."""
        os.eventfd_write(self._descriptor, 1)

    async def receive(self) -> None:
        """Wait until the signal was sent, once or several times."""
        await wait_readable(self._descriptor)
        os.eventfd_read(self._descriptor)

    def close(self) -> None:
        """Close the descriptor. Sending raises an error from now on."""
        closing, self._descriptor = self._descriptor, -1
        os.close(closing)


@final
class SocketSignal:
    """A pair of sockets: on Windows, an event loop waits for nothing else."""

    def __init__(self) -> None:
        self._sender, self._receiver = socket.socketpair()
        self._sender.setblocking(False)

    def send(self) -> None:
        """Send the signal, from any thread."""
        self._sender.send(b"\0")

    async def receive(self) -> None:
        """Wait until the signal was sent, once or several times."""
        await wait_readable(self._receiver)
        self._receiver.recv(4096)

    def close(self) -> None:
        """Close the sockets. Sending raises an error from now on."""
        self._sender.close()
        self._receiver.close()
