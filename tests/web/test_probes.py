"""`web.health`: what it answers to an orchestrator, on each event loop."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

import bgjobs
from bgjobs import web
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import QueueStarted, StoreFailed
from bgjobs.testing import Recorder
from tests.fixtures.faulty_store import FaultyStore
from tests.web.browser import Browser
from tests.web.test_opened import Server

pytestmark = pytest.mark.anyio

NO_LEASE = "a queue or a scheduled job has no lease\n"


def asking(app: ASGIApp) -> Browser:
    """Return an orchestrator, which asks an address."""
    return Browser(app, host="10.0.0.7:8080")


async def test_it_is_ready_while_the_application_runs(config: bgjobs.Config) -> None:
    recorder = Recorder()
    config = with_listener(config, recorder)
    async with bgjobs.run(config) as bg:
        orchestrator = asking(web.health(bg))
        starting = await orchestrator.get("/ready")
        await recorder.wait_for(QueueStarted)
        running = await orchestrator.get("/ready")
        bg.stop()
        stopping = await orchestrator.get("/ready")
        alive = await orchestrator.get("/live")

    assert (starting.status, starting.text) == (503, NO_LEASE)
    assert (running.status, running.text) == (200, "ok\n")
    assert (stopping.status, stopping.text) == (503, "the application is stopping\n")
    assert (alive.status, alive.text) == (200, "ok\n")
    assert (await orchestrator.get("/ready")).status == 503


def with_listener(config: bgjobs.Config, recorder: Recorder, **more: Any) -> bgjobs.Config:
    settings = {"store": config.store, "queues": config.queues, **more}
    return bgjobs.Config(listeners=[recorder], **settings)


async def test_it_is_alive_and_not_ready_while_the_store_is_away(config: bgjobs.Config) -> None:
    recorder, store = Recorder(), FaultyStore(config.store)
    config = with_listener(config, recorder, store=store, heartbeat_interval=0.1)
    async with bgjobs.run(config) as bg:
        orchestrator = asking(web.health(bg))
        await recorder.wait_for(QueueStarted)
        store.faults["heartbeat"] = [StoreUnavailableError("postgresql://a:b@c/d")] * 100_000
        await recorder.wait_for(StoreFailed)
        ready = await orchestrator.get("/ready")
        live = await orchestrator.get("/live")

    assert (ready.status, ready.text) == (503, "the store did not answer the last heartbeat\n")
    assert (live.status, live.text) == (200, "ok\n")


@pytest.mark.parametrize("path", ["/live", "/ready"])
async def test_no_answer_is_cached_and_head_has_no_body(
    path: str, config: bgjobs.Config
) -> None:
    async with bgjobs.run(config) as bg:
        orchestrator = asking(web.health(bg))
        answer = await orchestrator.get(path)
        head = await orchestrator.send("HEAD", path)

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert (head.status, head.text) == (answer.status, "")
    assert head.headers == answer.headers


@pytest.mark.parametrize("path", ["/", "", "/live/", "/ready/x", "/LIVE", "//live", "/login"])
async def test_other_paths_are_not_found(path: str, config: bgjobs.Config) -> None:
    async with bgjobs.run(config) as bg:
        answer = await asking(web.health(bg)).get(path)

    assert (answer.status, answer.text) == (404, "There is no such page.\n")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_other_methods_are_refused(method: str, config: bgjobs.Config) -> None:
    async with bgjobs.run(config) as bg:
        answer = await asking(web.health(bg)).send(method, "/live")

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_it_can_be_mounted(config: bgjobs.Config) -> None:
    async with bgjobs.run(config) as bg:
        app = Starlette(routes=[Mount("/health", web.health(bg))])
        orchestrator = asking(app)
        assert (await orchestrator.get("/health/live")).status == 200
        assert (await orchestrator.get("/health/ready")).text == NO_LEASE
        assert (await orchestrator.get("/health")).status in (307, 404)


async def test_a_server_may_run_its_lifespan(config: bgjobs.Config) -> None:
    server = Server()
    server.stop.set()
    async with bgjobs.run(config) as bg:
        await web.health(bg)({"type": "lifespan"}, server.receive, server.send)

    assert [one["type"] for one in server.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_a_web_socket_is_closed(config: bgjobs.Config) -> None:
    server = Server()
    async with bgjobs.run(config) as bg:
        await web.health(bg)({"type": "websocket"}, server.receive, server.send)

    assert server.sent == [{"type": "websocket.close", "code": 1008}]


async def test_only_a_running_application_has_a_health(config: bgjobs.Config) -> None:
    async with bgjobs.connect(config) as client:
        with pytest.raises(TypeError) as caught:
            web.health(client)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - the error is tested

    assert str(caught.value) == "health: bg: expected BgJobs, found Client"
