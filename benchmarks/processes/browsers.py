"""Open browsers, in one process: ``python -m benchmarks.processes.browsers PORT COUNT``.

Each follows the live part of the overview. The process sends the message ``ready`` when each
has received something.
"""

import os
import sys
from collections.abc import Sequence

import anyio
from anyio.abc import TaskStatus

from benchmarks.processes.child import stop_at_signal
from benchmarks.processes.messages import exit_with_parent, send
from benchmarks.processes.web_server import HOST
from bgjobs.web.pages.overview import OVERVIEW


def main(arguments: Sequence[str]) -> None:
    """Keep the browsers open until a signal."""
    exit_with_parent()
    port, count = map(int, arguments)
    anyio.run(_browse, port, count, backend="trio")
    os._exit(0)


async def _browse(port: int, count: int) -> None:
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        await tasks.start(stop_at_signal, stop)
        for _ in range(count):
            await tasks.start(_follow, port)
        send("ready")
        await stop.wait()
        tasks.cancel_scope.cancel()


async def _follow(port: int, *, task_status: TaskStatus[None]) -> None:
    """Read a stream, whose end is an error: a measurement is shorter than a stream."""
    request = f"GET {OVERVIEW.live_path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n"
    async with await anyio.connect_tcp(HOST, port) as stream:
        await stream.send(request.encode())
        head = await stream.receive()
        if b" 200" not in head.partition(b"\r\n")[0]:
            raise RuntimeError(f"expected a stream, found {head[:100]!r}")
        task_status.started()
        while True:
            await stream.receive()


if __name__ == "__main__":
    main(sys.argv[1:])
