"""What a browser may know of an error."""

import logging
import re
from typing import Any

import pytest

import bgjobs
from bgjobs import web
from bgjobs.errors import StoreUnavailableError
from tests.fixtures.faulty_store import FaultyStore
from tests.web.browser import Browser
from tests.web.conftest import Open, greet

pytestmark = pytest.mark.anyio
DSN = "postgresql://ada:pa55word@db.example.org/shop"


def failing(_: object) -> web.User:
    raise RuntimeError(f"cannot reach {DSN}")


async def test_an_unexpected_error_is_in_the_log_and_its_reference_on_the_page(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(auth=failing) as browser:
        answer = await browser.get("/?x=1")

    assert answer.status == 500
    assert "pa55word" not in answer.text
    assert "Traceback" not in answer.text
    assert "RuntimeError" not in answer.text
    [record] = [one for one in caplog.records if one.name == "bgjobs.web"]
    [reference] = re.findall(r"the reference (\w{8})\.", answer.text)
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"page /: error {reference}"
    assert record.exc_info is not None


async def test_a_path_forges_no_line_of_the_log(
    opened: Open, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("bgjobs.web.application.path_below", fail)
    async with opened() as browser:
        await browser.get("/a\nERROR b\x1b[31m")

    [record] = [one for one in caplog.records if one.name == "bgjobs.web"]
    assert record.getMessage().startswith("page /a\\nERROR b\\x1b[31m: error ")


async def test_an_unavailable_database_is_a_page_in_plain_words(
    config: bgjobs.Config, caplog: pytest.LogCaptureFixture
) -> None:
    store: Any = FaultyStore(config.store)
    faulty = bgjobs.Config(store=store, enqueue_only=[greet], store_timeout=0.01)
    page = web.app(faulty, auth=lambda _: web.User("ada"))
    async with page.opened():
        store.away = True
        answer = await Browser(page).get("/")
        store.away = False
        again = await Browser(page).get("/")

    assert (answer.status, again.status) == (503, 200)
    assert "The database of the jobs cannot be reached, or is busy." in answer.text
    assert "away" not in answer.text
    assert not [one for one in caplog.records if one.name == "bgjobs.web"]


async def test_an_error_in_a_group_is_recognised(opened: Open) -> None:
    def fail(_: object) -> web.User:
        raise ExceptionGroup("group", [StoreUnavailableError(DSN)])

    async with opened(auth=fail) as browser:
        answer = await browser.get("/")

    assert answer.status == 503
    assert "pa55word" not in answer.text
