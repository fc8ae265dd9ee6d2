"""A process that serves the web page: ``python -m benchmarks.processes.web_server PARAMETERS``.

It sends the message ``ready`` with its port, and ``call`` for each call of the store.
"""

import logging
import os
import socket
import sys
from collections.abc import Sequence

import anyio

from benchmarks.processes.child import stop_at_signal
from benchmarks.processes.messages import exit_with_parent, send
from benchmarks.processes.parameters import Parameters
from benchmarks.systems.bgjobs import make
from benchmarks.systems.site import application
from bgjobs import web
from bgjobs.cli import server
from bgjobs.events import Event, StoreCalled

HOST = "127.0.0.1"


def main(arguments: Sequence[str]) -> None:
    """Serve the page of a store until a signal."""
    exit_with_parent()
    logging.getLogger("bgjobs.stores.sqlite").setLevel(logging.ERROR)
    system = make(Parameters.from_json(arguments[0]))
    config = application(system.store(), _send_call)
    page = web.app(config, auth=lambda _: web.User("operator"), read_only=True)
    with server.listening(HOST, 0) as listener:
        anyio.run(_serve, page, system.backend, listener, backend=system.backend)
    os._exit(0)


async def _serve(page: web.WebApp, backend: str, listener: socket.socket) -> None:
    stop, port = anyio.Event(), listener.getsockname()[1]
    async with anyio.create_task_group() as tasks, page.opened():
        await tasks.start(stop_at_signal, stop)
        send("ready", port=port)
        await server.serve(page, backend, listener, stop)
        tasks.cancel_scope.cancel()


def _send_call(event: Event) -> None:
    if isinstance(event, StoreCalled):
        send("call", verb=event.verb)


if __name__ == "__main__":
    main(sys.argv[1:])
