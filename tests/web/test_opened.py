"""Who opens the clients of a page, and what it answers while it is closed."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.types import Message

import bgjobs
from bgjobs import web
from bgjobs.errors import SchemaMismatchError
from tests.web.browser import Browser
from tests.web.clocks import JumpingClock
from tests.web.conftest import config_of, greet

pytestmark = pytest.mark.anyio


def page_of(config: Any) -> web.WebApp:
    return web.app(config, auth=lambda _: web.User("ada"))


async def test_a_page_that_is_not_open_says_what_to_do(config: bgjobs.Config) -> None:
    page = page_of(config)
    before = await Browser(page).get("/")
    async with page.opened():
        within = await Browser(page).get("/")
    after = await Browser(page).get("/")

    assert (before.status, within.status, after.status) == (503, 200, 503)
    assert "enter &#39;async with page.opened():&#39; in its own lifespan" in before.text
    assert (await Browser(page).get("/static/style.css")).status == 200


async def test_a_page_uses_a_running_application(config: bgjobs.Config) -> None:
    page = page_of(config)
    async with bgjobs.run(config) as bg, page.opened(bg):
        await bg.enqueue(greet.request("Ada"))
        await bg.drain()
        answer = await Browser(page).get("/")

    assert '>succeeded</a></dt><dd><span class="number">1</span></dd>' in answer.text


async def test_a_page_is_opened_once_at_a_time(config: bgjobs.Config) -> None:
    page = page_of(config)
    async with page.opened():
        with pytest.raises(RuntimeError) as caught:
            async with page.opened():
                pass
    async with page.opened():
        assert (await Browser(page).get("/")).status == 200

    assert str(caught.value) == "opened: the page is open: enter its block once"


async def test_a_client_that_has_ended_is_a_page_that_says_so(config: bgjobs.Config) -> None:
    page = page_of(config)
    async with bgjobs.connect(config) as client:
        pass
    async with page.opened(client):
        answer = await Browser(page).get("/")

    assert answer.status == 503
    assert "has stopped, or is stopping" in answer.text


class Server:
    """The side of a server in the lifespan protocol of ASGI."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.stop = anyio.Event()
        self.answered = anyio.Event()
        self._is_started = False

    async def receive(self) -> Message:
        if self._is_started:
            await self.stop.wait()
            return {"type": "lifespan.shutdown"}
        self._is_started = True
        return {"type": "lifespan.startup"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.answered.set()


async def test_a_server_opens_the_page_by_its_lifespan(config: bgjobs.Config) -> None:
    page, server = page_of(config), Server()
    async with anyio.create_task_group() as group:
        group.start_soon(page, {"type": "lifespan"}, server.receive, server.send)
        await server.answered.wait()
        within = await Browser(page).get("/")
        server.stop.set()
    after = await Browser(page).get("/")

    assert (within.status, after.status) == (200, 503)
    assert [one["type"] for one in server.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_a_lifespan_leaves_a_page_alone_that_its_host_has_opened(
    config: bgjobs.Config,
) -> None:
    page, server = page_of(config), Server()
    async with page.opened():
        server.stop.set()
        await page({"type": "lifespan"}, server.receive, server.send)
        assert (await Browser(page).get("/")).status == 200

    assert len(server.sent) == 2


async def test_a_start_that_fails_is_reported(tmp_path: Path) -> None:
    store = bgjobs.SQLiteStore(tmp_path / "empty.db")
    config = bgjobs.Config(store=store, enqueue_only=[greet])
    server = Server()

    with pytest.raises(SchemaMismatchError):
        await page_of(config)({"type": "lifespan"}, server.receive, server.send)

    [failed] = server.sent
    assert failed["type"] == "lifespan.startup.failed"
    assert failed["message"].startswith("SchemaMismatchError: ")


async def test_several_systems_have_their_own_pages(
    tmp_path: Path, clock: JumpingClock
) -> None:
    shop, mail = config_of(tmp_path / "shop.db", clock), config_of(tmp_path / "mail.db", clock)
    page = page_of({"shop": shop, "mail": mail})
    async with bgjobs.connect(mail) as client, page.opened({"mail": client}):
        await client.enqueue(greet.request("Ada"))
        first = await Browser(page).get("/")
        in_shop = await Browser(page).get("/shop/")
        in_mail = await Browser(page).get("/mail/")
        statuses = [(await Browser(page).get(path)).status for path in ("/shop", "/other/")]

    assert statuses == [404, 404]
    assert 'href="/shop/"' in first.text
    assert 'href="/mail/"' in first.text
    assert '>waiting</a></dt><dd><span class="number">0</span></dd>' in in_shop.text
    assert '>waiting</a></dt><dd><span class="number">1</span></dd>' in in_mail.text


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("Shop", "found 'Shop'"),
        ("", "found ''"),
        ("static", "found 'static'"),
        ("a/b", "found 'a/b'"),
        ("../x", "found '../x'"),
        ("a\n", "found 'a\\n'"),
    ],
)
def test_the_name_of_a_system_is_part_of_an_address(
    name: str, error: str, config: bgjobs.Config
) -> None:
    with pytest.raises(ValueError) as caught:
        page_of({name: config})

    wanted = "expected 1 to 63 of a-z, 0-9 and '-', and none of login, logout, static"
    assert str(caught.value) == f"app: config: name: {wanted}; {error}"


@pytest.mark.parametrize(
    ("config", "error"),
    [
        (None, "app: config: expected a Config or a mapping of names to Configs, found None"),
        ({}, "app: config: expected a Config, found an empty mapping"),
        ({"shop": None}, "app: config['shop']: expected a Config, found None"),
        ({5: None}, "app: config: name: expected str, found int"),
    ],
)
def test_what_is_no_configuration_is_refused(config: Any, error: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        page_of(config)
    assert str(caught.value) == error


def test_two_systems_cannot_share_a_store(config: bgjobs.Config) -> None:
    with pytest.raises(ValueError) as caught:
        page_of({"shop": config, "mail": config})
    assert str(caught.value) == (
        "app: config: 'shop' and 'mail' have the same store, which can be opened once: "
        "make a store for each"
    )


async def test_wrong_running_clients_are_refused(config: bgjobs.Config) -> None:
    several = page_of({"shop": config})
    async with bgjobs.connect(config) as client:
        errors = [
            await error_of(several, client),
            await error_of(several, {"shpo": client}),
            await error_of(several, {"shop": 5}),
            await error_of(page_of(config), {"": client}),
            await error_of(page_of(config), 5),
        ]

    assert errors == [
        "opened: running: expected a mapping of names to clients, as for app, found a client",
        "opened: running: no system 'shpo'; known systems: 'shop', did you mean 'shop'?",
        "opened: running['shop']: expected a client, found int",
        "opened: running: no system ''; there are no systems",
        "opened: running: expected a client or a mapping of names to clients, found int",
    ]


async def error_of(page: web.WebApp, running: Any) -> str:
    with pytest.raises((TypeError, ValueError)) as caught:
        async with page.opened(running):
            pass
    return str(caught.value)
