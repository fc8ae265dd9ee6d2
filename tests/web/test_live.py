"""The live part of a page: what is sent, when, and to whom."""

import re
from contextlib import aclosing
from itertools import count
from math import ceil
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import web
from bgjobs.errors import NotRunningError
from bgjobs.testing import virtual_backend
from bgjobs.web.live import AWAY, CHECKED, INTERVAL, LONGEST, SIGN_OF_LIFE, event_of, events
from bgjobs.web.refusals import NOT_READABLE, RefusedError
from tests.web.browser import Browser
from tests.web.conftest import Open, greet

pytestmark = pytest.mark.anyio
virtual_time = pytest.mark.parametrize("anyio_backend", ["virtual"], indirect=True)


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_backend("trio") if request.param == "virtual" else request.param


on_both = pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"], indirect=True)


async def admitted() -> None:
    """The user may go on reading."""


@virtual_time
async def test_a_part_is_sent_now_and_when_it_has_changed() -> None:
    texts = iter(["a", "a", "b", "b", "c"])

    async def read() -> str:
        return next(texts, "c")

    found: list[tuple[float, str]] = []
    began = anyio.current_time()
    async with aclosing(events(read, admitted)) as stream:
        async for text in stream:
            found.append((anyio.current_time() - began, text))
            if len(found) == 4:
                break
    assert [text for _, text in found] == [event_of("a"), event_of("b"), event_of("c"), ":\n\n"]
    assert [at for at, _ in found[:3]] == [0, 2 * INTERVAL, 4 * INTERVAL]
    assert found[3][0] - found[2][0] >= SIGN_OF_LIFE


@virtual_time
async def test_a_stream_ends_after_a_time_or_when_nothing_can_be_read() -> None:
    async def same() -> str:
        return "same"

    began = anyio.current_time()
    sent = [one async for one in events(same, admitted)]
    assert set(sent) == {event_of("same"), ":\n\n"}
    assert sent.count(event_of("same")) == 1
    assert anyio.current_time() - began == LONGEST

    async def closed() -> str:
        raise NotRunningError

    assert [one async for one in events(closed, admitted)] == []


@virtual_time
async def test_a_stream_ends_when_its_user_may_not_read_any_more() -> None:
    texts = count()

    async def read() -> str:
        return f"{next(texts)}"

    async def refuse() -> None:
        raise RefusedError(NOT_READABLE)

    sent = [one async for one in events(read, refuse)]
    assert len(sent) == ceil(CHECKED / INTERVAL)


@virtual_time
async def test_a_database_that_does_not_answer_is_away() -> None:
    answers = iter([0.0, 1000.0, 0.0])

    async def read() -> str:
        await anyio.sleep(next(answers))
        return "text"

    async with aclosing(events(read, admitted)) as stream:
        assert [await anext(stream) for _ in range(3)] == [
            event_of("text"),
            AWAY,
            event_of("text"),
        ]


def test_an_event_has_all_lines_of_a_text() -> None:
    assert event_of("<p>\nid: 7\n\r\n</p>") == "data: <p>\ndata: id: 7\ndata: \ndata: </p>\n\n"


async def first_event(browser: Browser, target: str) -> tuple[int, dict[str, str], str]:
    """Return the status, the headers and the first event of a stream, and leave it."""
    sent: list[Any] = []
    with anyio.CancelScope() as scope:

        async def receive() -> Any:
            await anyio.sleep_forever()

        async def send(message: Any) -> None:
            sent.append(message)
            if message.get("body") or message.get("more_body") is False:
                scope.cancel()

        cookies = "; ".join(f"{k}={v}" for k, v in browser.cookies.items())
        headers = [("host", browser.host), ("cookie", cookies)]
        await browser.page(browser._scope("GET", target, headers), receive, send)
    start, *parts = sent
    names = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], names, b"".join(one["body"] for one in parts).decode()


@on_both
async def test_the_overview_is_followed(opened: Open) -> None:
    """Under the same rules as the page itself."""
    async with opened() as browser:
        assert (await browser.get("/live")).status == 403
        await browser.log_in()
        page = (await browser.get("/?span=7d")).text
        [address] = re.findall(r'data-live="([^"]*)"', page)
        assert address == "/live?span=7d"
        status, headers, text = await first_event(browser, address)
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert headers["content-type"].startswith("text/event-stream")
    shown = "\n".join(line.removeprefix("data: ") for line in text.splitlines()).strip()
    assert "the last 7 days" in shown
    assert "<html" not in shown
    assert shown.split("<h2")[1:] == page[: page.rindex("</div>")].rstrip().split("<h2")[1:]


@on_both
async def test_a_running_job_is_followed(config: bgjobs.Config) -> None:
    """Until it is deleted; each address has a part of its own."""
    page = web.app(config, auth=lambda _: web.User("ada"))
    async with bgjobs.connect(config) as client, page.opened(client):
        one, other = [await client.enqueue(greet.request(who)) for who in ("Ada", "Ida")]
        browser = Browser(page)
        text = (await browser.get(f"/jobs/{one.id}")).text
        assert re.findall(r'data-live="([^"]*)"', text) == [f"/jobs/{one.id}/live"]
        sent = {
            job.id: await first_event(browser, f"/jobs/{job.id}/live") for job in (one, other)
        }
        await client.admin.delete(one.id, other.id)
        gone = await browser.get(f"/jobs/{one.id}/live?again")
    for job_id, (status, _, event) in sent.items():
        assert status == 200
        assert f"{job_id}" in event
    assert gone.status == 404


@on_both
async def test_many_browsers_share_what_is_read(
    config: bgjobs.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = 0

    class Counting(bgjobs.Client):
        async def count(self, *args: Any, **options: Any) -> bgjobs.Counts:
            nonlocal counted
            counted += 1
            return await super().count(*args, **options)

    page = web.app(config, auth=lambda _: web.User("ada"))
    async with bgjobs.connect(config) as client:
        monkeypatch.setattr(client, "__class__", Counting)
        await client.enqueue(greet.request("Ada"))
        async with page.opened(client), anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(first_event, Browser(page), "/live")
    assert counted == 1
