"""The overview: what was done, what fails, what comes next, what needs attention."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import web
from bgjobs._core.activity import DURATIONS, LENGTH, activity_of
from bgjobs.web.pages.overview import SPANS, ShownTime, buckets
from bgjobs.web.present.charts import MOST_COLUMNS
from tests.fixtures.databases import Database
from tests.web.browser import Browser

pytestmark = pytest.mark.anyio
HOSTILE = "<script>alert(1)</script>"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;"
NOON = datetime(2031, 5, 17, 12, 0, 30, tzinfo=UTC)
HOUR, DAY, WEEK = SPANS


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@bgjobs.worker(name=HOSTILE)
async def send(to: str) -> None:
    if to == "gone":
        raise bgjobs.Discard(f"{HOSTILE}\u202e 17 is unknown")


@bgjobs.worker
async def tidy() -> None:
    """Run once a day."""


def config_of(database: Database, **more: Any) -> bgjobs.Config:
    return bgjobs.Config(
        store=database.store(),
        queues=[bgjobs.Queue(f"mail {HOSTILE}", workers=[send], max_retries=0)],
        scheduled_jobs=[bgjobs.ScheduledJob(tidy, bgjobs.every(days=1), name=f"t {HOSTILE}")],
        **more,
    )


async def shown(config: bgjobs.Config, client: bgjobs.Client, target: str = "/") -> str:
    page = web.app(config, auth=lambda _: web.User("ada"))
    async with page.opened(client):
        return (await Browser(page).get(target)).text


def section(text: str, name: str) -> str:
    """Return a section as text with single spaces, without its markup."""
    found = re.search(rf'<h2 id="{name}">.*?</section>', text, re.DOTALL)
    assert found is not None, name
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


async def test_what_queues_have_done_is_shown_by_worker(database: Database) -> None:
    config = config_of(database)
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many([send.request(to) for to in ("ada", "ida", "gone")])
        await bg.drain()
    async with bgjobs.connect(config) as client:
        texts = [await shown(config, client, f"/?span={span.name}") for span in SPANS]
    for text, span in zip(texts, SPANS, strict=True):
        runs = section(text, "runs")
        assert f"Runs that ended in {span.title}" in runs
        assert f"99 % within {SHOWN} 2 1 0 0 " in runs
        assert "All workers: 3 runs, " in runs
        assert text.count(f'aria-current="true">{span.title}</a>') == 1


async def test_failures_are_grouped_by_their_errors(database: Database) -> None:
    config = config_of(database)
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many([send.request("gone") for _ in range(3)])
        await bg.drain()
        text = await shown(config, bg)
    failures = section(text, "failures")
    pattern = SHOWN.replace("1", "&lt;number&gt;")
    assert rf"{pattern} \u202e &lt;number&gt; is unknown 3 " in failures
    assert HOSTILE not in text
    assert "<script>alert" not in text
    [failed] = re.findall(r'<th scope="row"><a href="/jobs/([^"]+)"', text)
    assert failed in [str(job.id) for job in await _failed(database)]


async def _failed(database: Database) -> bgjobs.Listing[bgjobs.FailedJob[object]]:
    async with bgjobs.connect(config_of(database)) as client:
        return await client.list(bgjobs.JobFilter("failed"))


async def test_the_runs_of_one_worker_are_shown(database: Database) -> None:
    config = config_of(database, enqueue_only=[tidy])
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many([send.request("ada"), send.request("ida")])
        await bg.drain()
    async with bgjobs.connect(config) as client:
        whole = await shown(config, client, "/?span=24h")
        [address] = re.findall(r'<th scope="row"><a href="(/\?span=24h[^"]*)"', whole)
        found = await shown(config, client, html.unescape(address))
        other = await shown(config, client, "/?span=24h&worker=tidy")
    assert f"Only runs of {SHOWN} ." in section(found, "runs")
    assert "2 runs, &lt; 0.1 per minute." in section(found, "runs")
    assert "Runs that ended in the last 24 hours, in parts of 15 minutes: 2 succeeded" in found
    assert "No run has ended in the last 24 hours." in section(other, "runs")
    assert 'href="/?span=7d&amp;worker=tidy"' in other
    assert 'href="/?span=24h">All workers</a>' in other


async def test_queues_and_next_runs_are_shown(database: Database) -> None:
    config = config_of(database)
    async with bgjobs.run(config) as bg:
        await bg.admin.pause_queue(f"mail {HOSTILE}")
        while await bg.scheduled_job(f"t {HOSTILE}").occurrence() is None:
            await anyio.sleep(0.01)
        while f"mail {HOSTILE}" not in [one.name for one in await bg.admin.owners()]:
            await anyio.sleep(0.01)
        text = await shown(config, bg)
    assert section(text, "queues").endswith(f"mail {SHOWN} paused 0 10")
    assert f"t {SHOWN} in " in section(text, "next")
    assert f"mail {SHOWN} : is paused in all processes" in section(text, "concerns")
    assert re.search(r'<li><a href="/queues"><bdi[^>]*>mail &lt;script', text)


async def test_a_queue_that_no_process_runs_is_told(database: Database) -> None:
    config = config_of(database)
    with_schema = database.store()
    with_schema.open()
    with_schema.migrate()
    with_schema.close()
    async with bgjobs.connect(config) as client:
        await client.enqueue(send.request("ada"))
        text = await shown(config, client)
    assert "runs in no process 0 0" in section(text, "queues")
    assert "The first due job has waited for" in section(text, "jobs")
    assert "job waits" in section(text, "concerns")
    assert "No run has ended in the last hour." in section(text, "runs")
    assert "No failed job is stored." in section(text, "failures")


@pytest.mark.parametrize("target", ["/?span=", "/?span=2h", "/?span=%3Cscript%3E"])
async def test_an_unknown_time_is_the_last_hour(database: Database, target: str) -> None:
    config = config_of(database)
    async with bgjobs.run(config) as bg:
        text = await shown(config, bg, target)
    assert "No run has ended in the last hour." in text


def test_parts_without_runs_are_shown_as_empty() -> None:
    part = activity_of("a", NOON.replace(second=0), [3, 2, 1, 4, *[0] * (LENGTH - DURATIONS)])
    found = buckets([part, part], HOUR, NOON)
    assert len(found) == 61
    assert [one.at for one in found[:2]] == [
        NOON.replace(second=0) - timedelta(hours=1),
        NOON.replace(second=0) - timedelta(minutes=59),
    ]
    last = found[-1]
    assert (last.succeeded, last.failed, last.retried, last.cancelled) == (6, 4, 2, 8)
    assert [one.total for one in found[:-1]] == [0] * 60
    assert len(buckets([], DAY, NOON)) == 97
    assert len(buckets([], WEEK, NOON)) == 85


@pytest.mark.parametrize("span", SPANS, ids=lambda span: span.name)
def test_a_chart_has_a_column_for_each_part(span: ShownTime) -> None:
    assert len(buckets([], span, NOON + timedelta(seconds=30))) <= MOST_COLUMNS
