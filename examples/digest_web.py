"""The web page of the digest: `python examples/digest.py --web` shows it while the jobs run."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import hypercorn
import trio
from hypercorn.trio import serve

import bgjobs
from bgjobs import web


@asynccontextmanager
async def page_beside(
    config: bgjobs.Config, bg: bgjobs.BgJobs, address: str
) -> AsyncGenerator[None]:
    """Serve the page of a running application for the length of a block."""
    password = secrets.token_urlsafe(9)
    users = {"you": web.hash_password(password)}
    everything = {"may_act": ["you"], "may_see_arguments": ["you"]}
    page = web.app(config, auth=web.BasicAuth(users, **everything))
    server = hypercorn.Config.from_mapping(bind=[address], loglevel="WARNING")
    ended = trio.Event()
    async with page.opened(bg), trio.open_nursery() as nursery:
        # Hypercorn has a type of its own for ASGI applications.
        nursery.start_soon(lambda: serve(page, server, shutdown_trigger=ended.wait))  # type: ignore[arg-type]
        print(f"page   http://{address}/ (name: you, password: {password})", flush=True)
        yield
        ended.set()
