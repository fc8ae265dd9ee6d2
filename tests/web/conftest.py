"""Pages over a SQLite file, on each event loop."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import bgjobs
from bgjobs import web
from bgjobs.web.auth.passwords import PasswordHash
from tests.fixtures.databases import Database
from tests.web import stored
from tests.web.actors import ERROR
from tests.web.browser import Browser
from tests.web.clocks import JumpingClock

PASSWORD = "correct horse"


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@bgjobs.worker
async def greet(name: str) -> None: ...


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def config(tmp_path: Path, clock: JumpingClock) -> bgjobs.Config:
    return config_of(tmp_path / "jobs.db", clock)


def config_of(path: Path, clock: JumpingClock) -> bgjobs.Config:
    """Return a configuration over a file with the schema."""
    store = bgjobs.SQLiteStore(path)
    store.open()
    store.migrate()
    store.close()
    queues = [bgjobs.Queue("mail", workers=[greet])]
    return bgjobs.Config(store=store, queues=queues, clock=clock)


@pytest.fixture(scope="session")
def password_hash() -> str:
    """One that is cheap to compare, since tests compare many."""
    return PasswordHash(14, 8, 1, salt=bytes(16), digest=b"").of(PASSWORD).text()


@pytest.fixture
def basic(password_hash: str) -> web.BasicAuth:
    """Ada, who may do everything, and Grace, who may read."""
    everything = {"may_act": ["ada"], "may_see_arguments": ["ada"]}
    return web.BasicAuth({"ada": password_hash, "grace": password_hash}, **everything)


Open = Callable[..., AbstractAsyncContextManager[Browser]]


@pytest.fixture
def opened(config: bgjobs.Config, basic: web.BasicAuth) -> Open:
    """Open a page for the length of a block, and return a browser for it."""

    @asynccontextmanager
    async def open_page(auth: Any = basic, **options: Any) -> AsyncGenerator[Browser]:
        page = web.app(config, auth=auth, **options)
        async with page.opened():
            yield Browser(page)

    return open_page


@pytest.fixture
def failed(database: Database) -> Database:
    """Three failed jobs."""
    stored.fail(database, [(stored.work.request(n), ERROR) for n in range(3)])
    return database
