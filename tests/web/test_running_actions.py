"""Actions that take a while: they are stopped, go on, fail, and end with the page."""

import html
import re
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import web
from bgjobs.errors import StoreUnavailableError
from bgjobs.web.pages import job_actions
from tests.fixtures.databases import Database, SQLiteFile
from tests.fixtures.faulty_store import FaultyStore
from tests.web.actors import ACTOR, FAILED, jobs_in, sent
from tests.web.browser import Browser
from tests.web.stored import config_of, rows_of, seen

pytestmark = pytest.mark.anyio


@pytest.fixture
def silent(failed: Database) -> Any:
    """A store whose database does not take a retry."""
    store: Any = FaultyStore(failed.store())
    store.operations = FaultyStore(store.operations)
    store.operations.faults["retry"] = [StoreUnavailableError("away")] * 10_000
    return store


async def test_an_action_that_the_database_ends_tells_so(silent: Any) -> None:
    config = config_of(silent, store_timeout=1.0)
    page = web.app(config, auth=lambda _: ACTOR)
    async with bgjobs.connect(config) as client, page.opened(client):
        answer = await sent(Browser(page), FAILED)
        while "Running:" in (text := seen(answer)):
            [path] = re.findall(r'data-live="([^"]*)/live"', answer.text)
            answer = await Browser(page).get(path)
            await anyio.sleep(0.05)
        assert "Failed after 0 changed jobs: The database of the jobs cannot be reached" in text
        assert "Go on with the jobs that are left" in text
        assert len(await jobs_in(client, "failed")) == 3


async def test_an_action_is_stopped_and_can_go_on(
    silent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_actions, "PATIENCE", 0.01)
    config = config_of(silent)
    page = web.app(config, auth=lambda _: ACTOR)
    async with bgjobs.connect(config) as client, page.opened(client):
        browser = Browser(page)
        running = await sent(browser, FAILED)
        assert "Running: 0 of 3 jobs changed." in seen(running)
        [path] = re.findall(r'<form method="post" action="(/actions/[^"]+)"', running.text)
        stopped = await sent(browser, path)
        assert "Stopped: 0 jobs changed, the others are as they were." in seen(stopped)
        assert '<form method="post" action="/actions' not in stopped.text
        [again] = re.findall(r'<a href="([^"]+)">Go on with the jobs', stopped.text)
        silent.operations.faults.clear()
        monkeypatch.setattr(job_actions, "PATIENCE", 60)
        assert "Done: 3 jobs changed." in seen(await sent(browser, html.unescape(again)))


async def test_an_action_goes_on_without_its_browser_and_ends_with_the_page(
    silent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_actions, "PATIENCE", 0.01)
    config = config_of(silent)
    page = web.app(config, auth=lambda _: ACTOR)
    async with bgjobs.connect(config) as client:
        async with page.opened(client):
            await sent(Browser(page), FAILED)
        [entry] = await client.admin.audit()
        assert (entry.action, entry.author, entry.changed) == ("retry_all", "ada", 0)
        assert len(await jobs_in(client, "failed")) == 3


async def test_an_error_of_the_block_is_raised_as_it_is(sqlite_file: SQLiteFile) -> None:
    rows_of(sqlite_file)
    page = web.app(config_of(sqlite_file.store()), auth=lambda _: ACTOR)
    cause = ValueError("the cause")
    with pytest.raises(KeyError, match="mine") as caught:
        async with page.opened():
            raise KeyError("mine") from cause
    assert caught.value.__cause__ is cause
