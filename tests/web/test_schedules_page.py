"""The page of the scheduled jobs, on both stores."""

import re
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from attrs import frozen

import bgjobs
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs._core.outcomes import Cancelled
from bgjobs.errors import StoreError
from bgjobs.schedules import every, from_cron
from bgjobs.testing.contract.steps import ask, fail, put, start, succeed, take
from tests.fixtures.databases import Database, SQLiteFile
from tests.fixtures.stores import operator_of
from tests.web.lists import HOSTILE, prepared, refusing, rows, shown, text_of

pytestmark = pytest.mark.anyio
NIGHTLY = from_cron("30 2 * * *", "Europe/Paris")
BEGAN = datetime(2030, 1, 1, tzinfo=UTC)


@frozen
class StillClock:
    """Before the clocks of Paris are changed."""

    inline: bool = False

    def now(self) -> datetime:
        return datetime(2030, 3, 30, tzinfo=UTC)

    def store_now(self) -> datetime | None:
        return None

    def monotonic(self) -> float:
        return time.monotonic()


@bgjobs.worker
async def backup() -> None: ...


@bgjobs.worker
async def tidy() -> None: ...


def config_of(store: bgjobs.Store, *jobs: bgjobs.ScheduledJob) -> bgjobs.Config:
    return bgjobs.Config(
        store=store, scheduled_jobs=jobs, enqueue_only=[backup], clock=StillClock()
    )


def plan(
    store: bgjobs.Store, name: str, worker: str = "backup", *, schedule: str = NIGHTLY.text
) -> None:
    """Store the waiting row of a scheduled job of another process."""
    recurrence = Recurrence(name=name, schedule=schedule)
    occurrence = Occurrence(recurrence=recurrence, at=BEGAN)
    key = recurrence.unique_key
    put(store, ask(worker, unique_key=key, available_at=BEGAN, occurrence=occurrence))


def run_once(store: bgjobs.Store, number: int, *, fails: bool, name: str = "backup") -> None:
    """Store a run of a scheduled job that has ended, and an ordinary job that has."""
    at = BEGAN + timedelta(hours=number)
    recurrence = Recurrence(name=name, schedule=NIGHTLY.text)
    put(store, ask(name, occurrence=Occurrence(recurrence=recurrence, at=at)), now=at)
    put(store, ask(name), now=at)
    for job in take(store, start(store, now=at, queue=name), [name], now=at):
        store.write(settle=[fail(job) if fails else succeed(job)], now=at)


def cancel_one(store: bgjobs.Store, at: datetime) -> None:
    """Cancel a run before it begins, which four nights without one precede."""
    recurrence = Recurrence(name="backup", schedule=NIGHTLY.text)
    occurrence = Occurrence(recurrence=recurrence, at=at, previous=BEGAN)
    [job] = put(store, ask("backup", occurrence=occurrence), now=at)
    operator_of(store).cancel([job.id], Cancelled("no stock"), now=at)


async def test_a_schedule_is_shown_in_words_with_its_runs(database: Database) -> None:
    with prepared(database) as store:
        for number, fails in enumerate([False, True, False, False]):
            run_once(store, number, fails=fails)
        cancel_one(store, BEGAN + timedelta(days=4))
        plan(store, "backup")
    config = config_of(database.store(), bgjobs.ScheduledJob(backup, NIGHTLY))
    answer = await shown(config, "/schedules")
    [row] = rows(answer)

    assert row[:3] == ["backup", "backup", "waiting"]
    assert row[3].startswith("at 02:30 every day (Europe/Paris) Next runs Sat 2030-03-30")
    assert "Sun 2030-03-31 03:00 CEST" in row[3]
    assert "02:30 does not exist: moved to 03:00" in row[3]
    assert row[3].count("UTC)") == 10
    assert row[4] == "2030-01-01 00:00:00 UTC 88 d ago"
    assert row[5] == "cancelled 84 d ago"
    assert "Last runs of backup: 3 succeeded, 1 failed, 1 cancelled, 4 missed; " in answer.text
    assert "state=failed&amp;name=backup&amp;queue=backup" in answer.text


async def test_a_paused_schedule_is_marked(database: Database) -> None:
    config = config_of(database.store(), bgjobs.ScheduledJob(tidy, every(minutes=5)))
    with prepared(database) as store:
        plan(store, "tidy", "tidy", schedule=every(minutes=5).text)
    async with bgjobs.connect(config_of(database.store())) as client:
        await client.admin.schedule("tidy").pause()
    answer = await shown(config, "/schedules")
    [row] = rows(answer)
    assert row[2] == "paused"
    assert "None of them happens while it is paused." in row[3]
    assert "An interval counts from the end of the last run" in row[3]
    assert row[5] == "none"


async def test_scheduled_jobs_of_others_are_listed_though_they_are_hostile(
    database: Database,
) -> None:
    with prepared(database) as store:
        plan(store, HOSTILE, HOSTILE)
        plan(store, "unknown", schedule="lunar phase=full")
    answer = await shown(config_of(database.store()), "/schedules")
    [hostile, unknown] = rows(answer)
    assert "not in this configuration" in hostile[0]
    assert unknown[3] == "This version of bgjobs cannot read it."
    assert "&lt;script&gt;alert(1)" in answer.text
    assert "\"'" not in answer.text
    assert all("<" not in one for one in re.findall(r'href="([^"]*)"', answer.text))


async def test_a_name_that_no_database_can_look_up_has_no_runs(
    sqlite_file: SQLiteFile,
) -> None:
    with prepared(sqlite_file) as store:
        plan(store, "odd")
    with closing(sqlite_file.connect()) as connection, connection:
        connection.execute(
            "update bgjobs_jobs set unique_key = 'schedule:a' || char(0) || 'b', "
            "occurrence = replace(occurrence, '\"odd\"', '\"a\\u0000b\"')"
        )
    [row] = rows(await shown(config_of(sqlite_file.store()), "/schedules"))
    assert (row[0], row[5]) == ("a\\x00b not in this configuration", "none")


async def test_a_system_without_scheduled_jobs_says_so(sqlite_file: SQLiteFile) -> None:
    with prepared(sqlite_file):
        pass
    answer = await shown(config_of(sqlite_file.store()), "/schedules")
    assert "There are no scheduled jobs." in answer.text


async def test_many_scheduled_jobs_are_shown_in_portions(sqlite_file: SQLiteFile) -> None:
    with prepared(sqlite_file) as store:
        for number in range(45):
            plan(store, f"s{number:02}")
    answer = await shown(config_of(sqlite_file.store()), "/schedules?page=3")
    assert [row[0][:3] for row in rows(answer)] == [f"s{number}" for number in range(40, 45)]
    assert "41 to 45 of 45." in text_of(answer.text)


async def test_a_refused_part_of_the_schedules_costs_that_part_only(
    database: Database,
) -> None:
    with prepared(database) as store:
        plan(store, "backup")
    unseen = refusing(database.store(), "get_occurrences")
    answer = await shown(config_of(unseen), "/schedules")
    assert "What is scheduled cannot be read" in answer.text
    unlisted = refusing(database.store())
    unlisted.faults["list"] = [StoreError("permission denied for table jobs_failed")]
    [row] = rows(await shown(config_of(unlisted), "/schedules"))
    assert row[5] == "cannot be read"
    assert row[3].startswith("at 02:30 every day")
