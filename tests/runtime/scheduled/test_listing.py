"""The list of scheduled jobs: configured, added at run time, or known from rows only."""

import sqlite3
from contextlib import closing
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import every
from bgjobs._runtime.admin import schedules
from bgjobs.events import JobUnreadable, OccurrencePlanned
from tests.fixtures.databases import SQLiteFile
from tests.fixtures.hostile_rows import HostileRows
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def tidy() -> None: ...


@bgjobs.worker
async def send() -> None: ...


def daily(worker: Any, name: str) -> bgjobs.ScheduledJob:
    return bgjobs.ScheduledJob(worker, every(days=1), name=name)


def shown(states: Any) -> list[tuple[str, str, bool]]:
    return [(one.name, one.worker, one.is_configured) for one in states]


async def test_an_added_schedule_is_listed_in_every_process(app: Harness) -> None:
    config = app.config(queues=[], enqueue_only=[send], scheduled_jobs=[daily(tidy, "b")])
    beside = app.config(queues=[], enqueue_only=[tidy, send])
    async with bgjobs.run(config) as bg, bgjobs.connect(beside) as client:
        admin = client.admin
        await bg.add_scheduled_job(daily(send, "a"))
        while len(app.recorder.of(OccurrencePlanned)) < 2:
            await anyio.sleep(0.01)
        await bg.scheduled_job("a").pause()

        assert shown(await bg.admin.schedules()) == [
            ("b", "tidy", True),
            ("a", "send", True),
        ]
        states = await admin.schedules()
        assert shown(states) == [("a", "send", False), ("b", "tidy", False)]
        assert [one.paused for one in states] == [True, False]
        assert [one.schedule for one in states] == [every(days=1)] * 2
        assert not any(one.running for one in states)


async def test_a_schedule_that_cannot_be_read_here_is_still_listed(
    sqlite_app: Harness, sqlite_file: SQLiteFile
) -> None:
    config = sqlite_app.config(queues=[], scheduled_jobs=[daily(tidy, "a")])
    async with bgjobs.run(config):
        await sqlite_app.recorder.wait_for(OccurrencePlanned)
    with closing(sqlite3.connect(sqlite_file.path)) as raw, raw:
        raw.execute(
            "update bgjobs_jobs set occurrence = json_set(occurrence, '$.schedule', 'moon 3')"
        )
    async with bgjobs.connect(sqlite_app.config(queues=[], enqueue_only=[tidy])) as client:
        admin = client.admin
        [state] = await admin.schedules()
    assert (state.name, state.schedule, state.is_configured) == ("a", None, False)


@pytest.fixture
def rows(app: Harness) -> HostileRows:
    with closing(app.open_store()) as store:
        store.migrate()
    return HostileRows(app.database, "tidy")


def planned(name: str) -> str:
    return f'{{"name":"{name}","schedule":"every 1 minutes","at":0}}'


async def test_rows_that_are_no_schedules_are_not_listed_and_hide_no_schedule(
    app: Harness, rows: HostileRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "MOST_ROWS", 2)
    async with bgjobs.connect(app.config(queues=[], enqueue_only=[tidy])) as client:
        admin = client.admin
        for number in range(5):
            rows.insert(occurrence=planned("a"))
            rows.insert(occurrence=planned("a"), unique_key=f"k{number}")
            rows.insert(occurrence=planned("a"), unique_key=f"schedule:b{number}")
            rows.insert(unique_key=f"schedule:c{number}")
        rows.insert(occurrence=planned("z"), unique_key="schedule:z")
        rows.insert(occurrence=planned("y"), unique_key="schedule:y")
        assert shown(await admin.schedules()) == [("y", "tidy", False), ("z", "tidy", False)]


async def test_an_unreadable_row_is_set_apart_and_the_others_are_listed(
    app: Harness, rows: HostileRows
) -> None:
    async with bgjobs.connect(app.config(queues=[], enqueue_only=[tidy])) as client:
        admin = client.admin
        bad = rows.insert(occurrence="{", unique_key="schedule:x")
        rows.insert(occurrence=planned("z"), unique_key="schedule:z")
        assert shown(await admin.schedules()) == [("z", "tidy", False)]
        assert [one.id for one in await client.list(bgjobs.JobFilter("unreadable"))] == [bad]
        assert [one.job.id for one in app.recorder.of(JobUnreadable)] == [bad]
