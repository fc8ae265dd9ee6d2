"""Serves an ASGI application beside other tasks of a command, with Hypercorn."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import anyio

from bgjobs.cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_REQUIRED = ("starlette", "jinja2", "hypercorn")


def check_extra(what: str) -> None:
    """Raise `CommandError` if what `what` needs is not installed."""
    missing = [name for name in _REQUIRED if find_spec(name) is None]
    if missing:
        needed = " and ".join(missing)
        raise CommandError(
            f"{what} needs {needed}: pip install 'bgjobs[web]'", ExitCode.NOT_DONE
        )


@contextmanager
def listening(host: str, port: int) -> Generator[socket.socket]:
    """Listen on the first address of a host."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
    except (OSError, UnicodeError) as error:
        raise _no_listener(host, port, error) from error
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen()
        except OSError as error:
            raise _no_listener(host, port, error) from error
        yield listener


def _no_listener(host: str, port: int, error: OSError | UnicodeError) -> CommandError:
    reason = error.strerror if isinstance(error, OSError) else "not a host name"
    text = f"cannot listen on {host}, port {port}: {reason}"
    return CommandError(text, ExitCode.NOT_DONE)


def url_of(host: str, listener: socket.socket) -> str:
    """Return the address at which a browser reaches a listener, without a path."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"


async def serve(
    app: "ASGIApp", event_loop: str, listener: socket.socket, stop: anyio.Event
) -> None:
    """Serve an application until `stop` is set, on the event loop of the caller."""
    from hypercorn.config import Config as Server  # noqa: PLC0415 - `check_extra` comes first

    server = Server.from_mapping(
        bind=[f"fd://{listener.detach()}"], loglevel="WARNING", include_server_header=False
    )
    served: Any = app  # Hypercorn and Starlette have different types for the same protocol
    if event_loop == "trio":
        from hypercorn.trio import serve as serve_on_trio  # noqa: PLC0415 - as above  # pyright: ignore[reportUnknownVariableType] - its WSGI part has no types

        await serve_on_trio(served, server, shutdown_trigger=stop.wait)
    else:
        from hypercorn.asyncio import serve as serve_on_asyncio  # noqa: PLC0415 - as above  # pyright: ignore[reportUnknownVariableType] - as above

        await serve_on_asyncio(served, server, shutdown_trigger=stop.wait)
