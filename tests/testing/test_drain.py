"""`drain`: what it reports, what it raises, and how it gives up."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest

import bgjobs
from bgjobs.errors import NotRunningError
from bgjobs.testing import VirtualClock, drain, run_virtual
from bgjobs.testing.clock import wait_limit
from tests.testing.conftest import real_time

pytestmark = pytest.mark.anyio

DAY = 86_400.0


@bgjobs.worker
async def visit(context: bgjobs.JobContext, page: str) -> None:
    match page:
        case "/moved":
            raise bgjobs.Discard("gone")
        case "/busy" if context.job.reservations == 1:
            raise bgjobs.Snooze(for_=60)
        case "/shaky" if context.attempt == 1:
            raise ConnectionError("reset")
        case "/broken":
            raise ValueError("no such page")
        case _:
            pass


def config(*workers: Any, **queue: Any) -> bgjobs.Config:
    store = bgjobs.SQLiteStore(":memory:")
    return bgjobs.Config(store=store, queues=[bgjobs.Queue("web", workers=workers, **queue)])


async def test_it_reports_how_each_job_ended() -> None:
    pages = ("/", "/moved", "/busy", "/shaky", "/broken")
    async with run_virtual(config(visit, max_retries=1)) as bg:
        jobs = await bg.enqueue_many([visit.request(page) for page in pages])
        first = await drain(bg)
        second = await drain(bg, with_delayed=True)
    plain, moved, busy, shaky, broken = ([job.id] for job in jobs)

    def ids(found: Sequence[bgjobs.Job]) -> list[UUID]:
        return [job.id for job in found]

    assert ids(first.succeeded) == plain
    assert ids(first.discarded) == moved
    assert ids(first.snoozed) == busy
    assert sorted(ids(first.retried)) == sorted(shaky + broken)
    assert (first.failed, first.runs) == ([], 5)
    assert sorted(ids(second.succeeded)) == sorted(busy + shaky)
    assert ids(second.failed) == broken
    assert second.runs == 3


async def test_it_waits_for_jobs_that_jobs_enqueue() -> None:
    apps: list[bgjobs.BgJobs] = []

    @bgjobs.worker
    async def count_down(left: int) -> None:
        if left:
            await apps[0].enqueue(count_down.request(left - 1))

    async with run_virtual(config(count_down)) as bg:
        apps.append(bg)
        assert (await drain(bg)).runs == 0
        await bg.enqueue(count_down.request(4))
        assert (await drain(bg)).runs == 5


async def test_check_raises_what_handlers_raised() -> None:
    async with run_virtual(config(visit, max_retries=0)) as bg:
        await bg.enqueue_many([visit.request("/"), visit.request("/moved")])
        assert (await drain(bg)).check().runs == 2
        await bg.enqueue(visit.request("/broken"))
        drained = await drain(bg)
    with pytest.raises(AssertionError) as caught:
        drained.check()
    text = str(caught.value)
    assert text.startswith("1 attempt raised\n\n'visit': ValueError: no such page\n")
    assert "Traceback" in text


async def test_jobs_of_enqueue_in_are_run_at_once(tmp_path: Path) -> None:
    """No event announces the job; a poll would find it an hour later."""
    clock = VirtualClock()
    store = bgjobs.SQLiteStore(tmp_path / "jobs.db", clock=clock.now)
    async with run_virtual(config(visit), store=store, clock=clock) as bg:
        await drain(bg)
        with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection, connection:
            store.enqueue_in(connection, [visit.request("/")])
        assert (await drain(bg)).runs == 1
        assert clock.now() == clock.start


async def test_a_job_that_enqueues_itself_does_not_hang_the_test() -> None:
    apps: list[bgjobs.BgJobs] = []

    @bgjobs.worker
    async def for_ever() -> None:
        await apps[0].enqueue(for_ever.request())

    async with run_virtual(config(for_ever)) as bg:
        apps.append(bg)
        await bg.enqueue(for_ever.request())
        with pytest.raises(AssertionError, match="more than 20 attempts; does a job enqueue"):
            await drain(bg, most_runs=20)


async def test_jobs_that_never_end_are_named() -> None:
    @bgjobs.worker
    async def stuck() -> None:
        await anyio.sleep_forever()

    async with run_virtual(config(stuck, visit, concurrency=1)) as bg:
        await bg.enqueue_many([stuck.request(), visit.request("/"), visit.request("/")])
        with pytest.raises(AssertionError) as caught:
            await drain(bg, within=timedelta(days=3))
        bg.stop(grace=0)
    assert str(caught.value) == (
        "drain: jobs are left after 3 days, 0:00:00; running: 1 of 'stuck'; "
        "waiting: 2 of 'visit'; paused queues: none"
    )


async def test_a_paused_queue_is_named() -> None:
    async with run_virtual(config(visit)) as bg:
        bg.queue("web").pause()
        await bg.enqueue(visit.request("/"))
        with pytest.raises(
            AssertionError, match=r"waiting: 1 of 'visit'; paused.*: 1 of 'web'"
        ):
            await drain(bg, within=DAY)


async def test_the_limit_in_virtual_time_is_a_year() -> None:
    assert wait_limit(None) == 366 * DAY
    assert wait_limit(timedelta(minutes=1)) == wait_limit(60) == 60


@real_time
async def test_the_limit_in_real_time_is_30_seconds() -> None:
    assert wait_limit(None) == 30


async def test_jobs_that_an_operator_cancels_are_reported() -> None:
    apps: list[bgjobs.BgJobs] = []

    @bgjobs.worker
    async def cancel_itself(context: bgjobs.JobContext) -> None:
        await apps[0].admin.cancel(context.job.id, reason="not today")
        await anyio.sleep_forever()

    async with run_virtual(config(cancel_itself)) as bg:
        apps.append(bg)
        job = await bg.enqueue(cancel_itself.request())
        drained = await drain(bg)
    assert [one.id for one in drained.cancelled] == [job.id]
    assert drained.runs == 1


@real_time
async def test_it_works_in_real_time() -> None:
    async with bgjobs.run(config(visit)) as bg:
        await bg.enqueue_many([visit.request("/"), visit.request("/moved")])
        drained = await drain(bg)
    assert (len(drained.succeeded), len(drained.discarded)) == (1, 1)
    with pytest.raises(NotRunningError):
        await drain(bg)


@real_time
async def test_arguments_are_checked() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"most_runs": "x"}, "most_runs: expected int, found str"),
        ({"with_delayed": "x"}, "with_delayed: expected True or False, found str"),
        ({"within": "x"}, "within: expected seconds, found str"),
    ]
    async with bgjobs.run(config(visit)) as bg:
        for settings, text in cases:
            with pytest.raises(TypeError, match=f"^{text}$"):
                await drain(bg, **settings)
