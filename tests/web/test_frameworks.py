"""The page in the applications of other frameworks, as docs/operate/web.md mounts it."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from hypercorn.middleware.dispatcher import TrioDispatcherMiddleware
from quart_trio import QuartTrio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

import bgjobs
from bgjobs import web
from tests.web.browser import Browser
from tests.web.conftest import greet


def opening(
    config: bgjobs.Config, page: web.WebApp
) -> Any:  # each framework has a type of its own for a lifespan
    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None]:
        async with bgjobs.run(config) as bg, page.opened(bg):
            await bg.enqueue(greet.request("Ada"))
            await bg.drain()
            yield

    return lifespan


def fastapi(page: web.WebApp, lifespan: Any) -> ASGIApp:
    app = FastAPI(lifespan=lifespan)
    app.mount("/admin/jobs", page)
    return app


def starlette(page: web.WebApp, lifespan: Any) -> ASGIApp:
    inner = Mount("/jobs", page)
    return Starlette(routes=[Mount("/admin", routes=[inner])], lifespan=lifespan)


@pytest.mark.parametrize("framework", [fastapi, starlette])
def test_fastapi_and_starlette_serve_the_page_on_asyncio(
    framework: Any, config: bgjobs.Config, basic: web.BasicAuth
) -> None:
    page = web.app(config, auth=basic, allowed_hosts=["testserver"])
    with TestClient(framework(page, opening(config, page))) as client:
        form = client.get("/admin/jobs")
        assert (form.status_code, form.url.path) == (200, "/admin/jobs/login")
        fields = {"name": "ada", "password": "correct horse", "next": "/"}
        shown = client.post(
            "/admin/jobs/login", data=fields, headers={"sec-fetch-site": "same-origin"}
        )
        missing = client.get("/admin/jobs/nothing")

    assert (shown.status_code, shown.url.path) == (200, "/admin/jobs/")
    assert '>succeeded</a></dt><dd><span class="number">1</span></dd>' in shown.text
    assert (missing.status_code, "There is no such page." in missing.text) == (404, True)


@pytest.mark.parametrize("framework", [fastapi, starlette])
def test_a_mounted_page_that_the_lifespan_does_not_open_says_what_to_do(
    framework: Any, config: bgjobs.Config, basic: web.BasicAuth
) -> None:
    page = web.app(config, auth=basic, allowed_hosts=["testserver"])
    with TestClient(framework(page, None)) as client:
        answer = client.get("/admin/jobs/")

    assert answer.status_code == 503
    assert "enter &#39;async with page.opened():&#39; in its own lifespan" in answer.text


def test_the_handlers_of_the_application_do_not_see_the_errors_of_the_page(
    config: bgjobs.Config,
) -> None:
    seen: list[Exception] = []

    async def show(_: Request, error: Exception) -> PlainTextResponse:
        seen.append(error)
        return PlainTextResponse("shown")

    def fail(_: Request) -> web.User:
        raise RuntimeError("secret")

    page = web.app(config, auth=fail, allowed_hosts=["testserver"])
    app = Starlette(
        routes=[Mount("/jobs", page)],
        lifespan=opening(config, page),
        exception_handlers={404: show, RuntimeError: show},
    )
    with TestClient(app) as client:
        statuses = [client.get(path).status_code for path in ("/jobs/", "/jobs/nothing")]

    assert statuses == [500, 404]
    assert seen == []


class Signed:
    """A middleware of the application, which knows its users."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "user_name": "grace"}, receive, send)


def test_the_users_of_the_application_use_the_page(config: bgjobs.Config) -> None:
    page = web.app(
        config,
        auth=lambda request: web.User(request.scope["user_name"]),
        allowed_hosts=["testserver"],
    )
    app = Starlette(
        routes=[Mount("/jobs", page)],
        lifespan=opening(config, page),
        middleware=[Middleware(Signed)],
    )
    with TestClient(app) as client:
        assert '<bdi class="name">grace</bdi>' in client.get("/jobs/").text


@pytest.mark.trio
async def test_quart_serves_the_page_on_trio(
    config: bgjobs.Config, basic: web.BasicAuth
) -> None:
    page = web.app(config, auth=basic)
    shop = QuartTrio(__name__)

    @shop.get("/")
    async def start() -> str:
        return "the shop"

    app: Any = TrioDispatcherMiddleware({"/jobs": page, "": shop})  # type: ignore[dict-item]  # Hypercorn and Starlette have different types for ASGI
    lifespan: AbstractAsyncContextManager[None] = opening(config, page)(shop)
    async with lifespan:
        outside = await Browser(app).get("/")
        form = await Browser(app).get("/jobs/")
        browser = Browser(app)
        entered = await browser.post(
            "/jobs/login", {"name": "ada", "password": "correct horse", "next": "/"}
        )
        shown = await browser.get("/jobs/")

    assert outside.text == "the shop"
    assert (form.status, form.location) == (303, "/jobs/login?next=%2F")
    assert (entered.status, entered.location) == (303, "/jobs/")
    assert '>succeeded</a></dt><dd><span class="number">1</span></dd>' in shown.text
