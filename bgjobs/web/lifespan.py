"""The protocols of ASGI other than HTTP: the lifespan of a server, and web sockets."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from starlette.types import Receive, Send

_POLICY_VIOLATION = 1008
"""The code with which a web socket is closed that is not wanted."""


async def serve_lifespan(
    receive: Receive,
    send: Send,
    opened: Callable[[], AbstractAsyncContextManager[None]] | None,
) -> None:
    """Keep the page open from the startup to the shutdown of the server.

    Args:
        receive: As ASGI defines it.
        send: As ASGI defines it.
        opened: What opens the page; None if it is open, because its host has opened it.
    """
    await receive()
    is_started = False
    try:
        async with nullcontext() if opened is None else opened():
            await send({"type": "lifespan.startup.complete"})
            is_started = True
            await receive()
    except Exception as error:
        what = "shutdown" if is_started else "startup"
        message = f"{type(error).__name__}: {error}"
        await send({"type": f"lifespan.{what}.failed", "message": message})
        raise
    await send({"type": "lifespan.shutdown.complete"})


async def refuse_socket(send: Send) -> None:
    """Close a web socket: the page has none."""
    await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
