"""Rows that have the unique key of a scheduled job but were not planned by it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from anyio import fail_after, sleep

import bgjobs
from bgjobs import ScheduledJob, every
from bgjobs._core.ids import new_id
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs._core.recurrence import PARKED_UNTIL
from bgjobs._core.timestamps import to_microseconds
from bgjobs.stores.json_columns import dump_occurrence
from tests.fixtures.databases import Database, PostgresSchema
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio

PATIENCE = 60.0  # seconds; a safety net
HOUR = timedelta(hours=1)
FAR = datetime(2999, 1, 1, tzinfo=UTC)
COUNT = to_microseconds(FAR)
AGE = timedelta(days=34_700)
IN_AN_AGE = datetime.now(UTC) + AGE
RARELY = every(seconds=3_000_000_000)


@bgjobs.worker
async def tidy() -> None: ...


JOB = ScheduledJob(tidy, every(hours=1), poll_interval=0.05)

FOREIGN: dict[str, tuple[Mapping[str, Any] | None, datetime | None]] = {
    "no occurrence": (None, FAR),
    "the plan of another": ({"name": "other"}, None),
    "the pause of another": ({"name": "other", "paused": True}, PARKED_UNTIL),
    "a pause that nothing here has written": ({"paused": True}, FAR),
    "no schedule": ({"schedule": "whenever", "at": COUNT}, FAR),
    "an unknown zone": ({"schedule": "0 0 1 1 * Mars/Olympus", "at": COUNT}, FAR),
    "far away": ({"at": COUNT}, FAR),
    "far away, and what came before too": ({"at": COUNT, "previous": COUNT - 1}, FAR),
    "never run, and put off": ({}, FAR),
    "made up less than nothing": ({"made_up": -1, "catch_up": 5}, None),
    "made up for ever": ({"made_up": 1, "catch_up": 10**9}, None),
    "what came before comes later": ({"previous": COUNT}, None),
    "before all clocks": ({"at": to_microseconds(datetime.min.replace(tzinfo=UTC))}, FAR),
    "jitter without end": ({"jitter": to_microseconds(FAR) * 100, "at": COUNT}, FAR),
    "grace below nothing": ({"misfire_grace": -1}, None),
    "jitter of an age": ({"jitter": 36_000 * 86_400_000_000}, IN_AN_AGE),
    "once in an age": (
        {"schedule": RARELY.text, "at": to_microseconds(IN_AN_AGE)},
        IN_AN_AGE,
    ),
}


def soon() -> datetime:
    return datetime.now(UTC) + HOUR / 2


def text_of(changed: Mapping[str, Any] | None) -> str | None:
    if changed is None:
        return None
    as_planned = dump_occurrence(Occurrence(recurrence=JOB.recurrence, at=soon()))
    assert as_planned is not None
    return json.dumps({**json.loads(as_planned), **changed})


def _table(database: Database) -> str:
    if isinstance(database, PostgresSchema):
        return f'"{database.schema}".jobs'
    return "bgjobs_jobs"


def plant(database: Database, occurrence: str | None, available_at: datetime) -> None:
    """Replace the stored row by another one."""
    names = "id, name, priority, payload, created_at, available_at, unique_key, occurrence"
    is_postgres = isinstance(database, PostgresSchema)
    instants = [datetime.now(UTC), available_at]
    stamps = instants if is_postgres else [to_microseconds(one) for one in instants]
    row = [str(new_id()), "tidy", 0, "{}", *stamps, JOB.recurrence.unique_key, occurrence]
    marks = ", ".join(["%s" if is_postgres else "?"] * len(row))
    connection = database.connect()
    try:
        connection.execute(f"delete from {_table(database)}")
        connection.execute(f"insert into {_table(database)} ({names}) values ({marks})", row)
        connection.commit()
    finally:
        connection.close()


def empty(database: Database) -> None:
    connection = database.connect()
    try:
        connection.execute(f"delete from {_table(database)}")
        connection.commit()
    finally:
        connection.close()


def is_next(occurrence: Occurrence | None) -> bool:
    now = datetime.now(UTC)
    return occurrence is not None and now < occurrence.at <= now + HOUR


def is_first(occurrence: Occurrence | None) -> bool:
    """Whether it is planned by the settings, as the first occurrence."""
    if occurrence is None or not is_next(occurrence):
        return False
    return occurrence == Occurrence(recurrence=JOB.recurrence, at=occurrence.at)


async def until_planned(bg: bgjobs.BgJobs) -> None:
    with fail_after(PATIENCE):
        while not is_first(await bg.scheduled_job("tidy").occurrence()):
            await sleep(0.01)


def config_of(app: Harness, *jobs: ScheduledJob) -> bgjobs.Config:
    return app.config(queues=[], scheduled_jobs=jobs or [JOB])


async def test_a_row_that_the_schedule_has_not_planned_is_replaced_in_a_running_application(
    app: Harness,
) -> None:
    async with bgjobs.run(config_of(app)) as bg:
        for changed, due in FOREIGN.values():
            plant(app.database, text_of(changed), due or soon())
            await until_planned(bg)


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_row_that_the_schedule_has_not_planned_is_replaced_at_start(
    app: Harness, kind: str
) -> None:
    changed, due = FOREIGN[kind]
    app.migrate()
    plant(app.database, text_of(changed), due or soon())
    async with bgjobs.run(config_of(app)) as bg:
        await until_planned(bg)


async def test_a_row_that_was_deleted_is_planned_again(app: Harness) -> None:
    async with bgjobs.run(config_of(app)) as bg:
        for _ in range(3):
            await until_planned(bg)
            empty(app.database)
        await until_planned(bg)


async def test_a_pause_that_another_program_wrote_in_our_form_is_kept(app: Harness) -> None:
    """The row does not show whether an operator has asked for the pause."""
    async with bgjobs.run(config_of(app)) as bg:
        await until_planned(bg)
        await bg.scheduled_job("tidy").pause()
    async with bgjobs.run(config_of(app)) as bg:
        occurrence = await bg.scheduled_job("tidy").occurrence()
        assert occurrence is not None
        assert occurrence.paused
        plant(app.database, text_of({"paused": True, "at": COUNT}), PARKED_UNTIL)
        other = every(hours=2)
        await bg.scheduled_job("tidy").replace(other)  # reads the row, and keeps it paused
        occurrence = await bg.scheduled_job("tidy").occurrence()
        assert occurrence is not None
        assert (occurrence.paused, occurrence.recurrence.schedule) == (True, other.text)
        await bg.scheduled_job("tidy").resume()
        occurrence = await bg.scheduled_job("tidy").occurrence()
        assert occurrence is not None
        assert occurrence.at <= datetime.now(UTC) + 2 * HOUR


async def test_the_run_after_a_foreign_one_is_planned_by_the_schedule(
    app: Harness,
) -> None:
    """It was due before any process read it."""
    due = datetime.now(UTC) - HOUR
    occurrences: list[dict[str, Any]] = [
        {"made_up": -(10**9), "catch_up": 10**6, "at": to_microseconds(due)},
        {"schedule": "whenever", "at": COUNT},
        {"at": COUNT},
        {"misfire_grace": -(10**18), "at": to_microseconds(due)},
    ]
    for changed in occurrences:
        app.migrate()
        plant(app.database, text_of(changed), due)
        rarely = ScheduledJob(tidy, every(hours=1), poll_interval=3600.0)
        async with bgjobs.run(config_of(app, rarely)) as bg:
            with fail_after(PATIENCE):
                while not is_next(await bg.scheduled_job("tidy").occurrence()):
                    await sleep(0.01)


async def test_a_process_with_other_settings_does_not_undo_the_plan(
    app: Harness,
) -> None:
    daily = Recurrence(name="tidy", schedule=every(days=1).text)
    async with bgjobs.run(config_of(app)) as bg:
        await until_planned(bg)
        standing = Occurrence(recurrence=daily, at=datetime.now(UTC) + timedelta(hours=23))
        plant(app.database, dump_occurrence(standing), standing.at)
        await bg.scheduled_job("tidy").pause()
        found = await bg.scheduled_job("tidy").occurrence()
        assert found is not None
        assert found.recurrence == daily
