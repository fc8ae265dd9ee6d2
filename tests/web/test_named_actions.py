"""Queues and scheduled jobs are paused and run from the page, and jobs are exported."""

import csv
import html
import io
import re

import pytest

import bgjobs
from bgjobs import web
from bgjobs.schedules import every
from tests.fixtures.databases import Database, SQLiteFile
from tests.web.actors import ACTOR, READER, hidden, sent
from tests.web.browser import Browser
from tests.web.clocks import JumpingClock
from tests.web.stored import fail, rows_of, seen, work

pytestmark = pytest.mark.anyio
HOSTILE = "<script>alert(1)</script> & co"


@bgjobs.worker
async def tidy() -> None: ...


def config_of(database: Database) -> bgjobs.Config:
    return bgjobs.Config(
        store=database.store(),
        queues=[bgjobs.Queue(HOSTILE, workers=[work])],
        scheduled_jobs=[bgjobs.ScheduledJob(tidy, every(hours=6), name="tidy & co")],
        clock=JumpingClock(),
    )


async def test_a_queue_is_paused_and_resumed(database: Database) -> None:
    config = config_of(database)
    page = web.app(config, auth=lambda _: ACTOR)
    async with bgjobs.run(config) as bg, page.opened(bg):
        browser = Browser(page)
        listed = await browser.get("/queues")
        [target] = _targets(listed.text, "Pause")
        asked = await browser.get(target)
        assert f"Pause {HOSTILE}?" in seen(asked)
        assert "<script>alert" not in asked.text
        paused = await sent(browser, target)
        assert await bg.admin.paused_queues() == {HOSTILE}
        [target] = _targets(paused.text, "Resume")
        await sent(browser, target)
        assert await bg.admin.paused_queues() == frozenset()
        audit = seen(await browser.get("/audit"))
    assert f"ada pause_queue {HOSTILE} 1" in audit
    assert f"ada resume_queue {HOSTILE} 1" in audit


async def test_a_scheduled_job_is_run_paused_and_resumed(database: Database) -> None:
    config = config_of(database)
    page = web.app(config, auth=lambda _: ACTOR)
    async with bgjobs.run(config) as bg, page.opened(bg):
        browser = Browser(page)
        await bg.drain()
        listed = await browser.get("/schedules")
        [target] = _targets(listed.text, "Run now")
        job = await sent(browser, target)
        assert "Worker tidy" in seen(job)
        [target] = _targets(listed.text, "Pause")
        paused = await sent(browser, target)
        [state] = await bg.admin.schedules()
        assert state.paused
        [target] = _targets(paused.text, "Resume")
        await sent(browser, target)
        [state] = await bg.admin.schedules()
        assert not state.paused
        audit = seen(await browser.get("/audit"))
    for verb in ("trigger", "pause", "resume"):
        assert f"ada {verb}_schedule tidy & co 1" in audit


def _targets(text: str, label: str) -> list[str]:
    """Return the addresses of the buttons with this text."""
    pattern = rf'<a class="button" href="([^"]+)">{label}</a>'
    return [html.unescape(one) for one in re.findall(pattern, text)]


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("/queues/change?do=pause&name=other", 404, "Nothing was changed: no queue 'other'"),
        ("/queues/change?do=drop&name=other", 404, "There is no such page."),
        ("/queues/change?do=pause", 404, "There is no such page."),
        ("/schedules/change?do=trigger&name=other", 404, "no scheduled job 'other'"),
        ("/schedules/change?do=trigger&name=a%00b", 404, "There is no such page."),
    ],
)
async def test_an_unknown_name_is_refused(
    target: str, status: int, text: str, sqlite_file: SQLiteFile
) -> None:
    rows_of(sqlite_file)
    page = web.app(config_of(sqlite_file), auth=lambda _: ACTOR)
    async with page.opened():
        browser = Browser(page)
        answer = await browser.get(target)
        if answer.status == 200:
            answer = await sent(browser, target)
    assert (answer.status, text in seen(answer)) == (status, True), seen(answer)


async def test_a_reader_cannot_pause_run_or_export(sqlite_file: SQLiteFile) -> None:
    rows_of(sqlite_file)
    page = web.app(config_of(sqlite_file), auth=lambda _: READER)
    targets = (
        f"/queues/change?do=pause&name={HOSTILE}",
        "/schedules/change?do=trigger&name=tidy & co",
        "/jobs/export?state=failed",
    )
    async with page.opened():
        browser = Browser(page)
        for target in targets:
            assert (await browser.get(target)).status == 403
            assert (await browser.post(target.partition("?")[0], {"do": "pause"})).status == 403
        for path in ("/queues", "/schedules", "/jobs"):
            assert 'class="button"' not in (await browser.get(path)).text


async def test_the_jobs_of_a_filter_are_exported(database: Database) -> None:
    fail(database, [(work.request(n), "=cmd|' /C calc'!A0") for n in range(450)])
    config = config_of(database)
    page = web.app(config, auth=lambda _: ACTOR)
    async with bgjobs.connect(config) as client, page.opened(client):
        browser = Browser(page)
        listed = await browser.get("/jobs?state=failed&name=work")
        assert 'href="/jobs/export?state=failed&amp;name=work">' in listed.text
        asked = await browser.get("/jobs/export?state=failed&name=work")
        assert "450 failed jobs as a file of comma-separated values" in seen(asked)
        answer = await browser.post("/jobs/export", hidden(asked))
        [entry] = await client.admin.audit()
        assert (entry.action, entry.author, entry.changed) == ("export_jobs", "ada", 450)
        assert (await browser.post("/jobs/export", hidden(asked))).status == 409
    assert answer.headers["content-disposition"] == 'attachment; filename="jobs-failed.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    [_, *lines] = csv.reader(io.StringIO(answer.text))
    assert len({line[0] for line in lines}) == 450
    assert {line[9] for line in lines} == {"'=cmd|' /C calc'!A0"}


@pytest.mark.parametrize(
    ("query", "status"), [("state=unreadable", 404), ("state=failed&before=noon", 400)]
)
async def test_what_cannot_be_exported_is_refused(
    query: str, status: int, sqlite_file: SQLiteFile
) -> None:
    rows_of(sqlite_file)
    page = web.app(config_of(sqlite_file), auth=lambda _: ACTOR)
    async with page.opened():
        assert (await Browser(page).get(f"/jobs/export?{query}")).status == status
