"""Export and import of failed jobs as lines of JSON, and malformed lines."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

import bgjobs
from bgjobs.errors import (
    ExportedLineError,
)
from bgjobs.events import JobFailed
from tests.runtime.admin.helpers import NO_RETRIES, broken, fail_some
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


DEEP = "[" * 100_000


async def exported(app: Harness) -> str:
    """Return the exported line of a failed job, and delete the job."""
    async with bgjobs.run(app.config(broken, queue={"max_retries": 0})) as bg:
        job = await bg.enqueue(broken.request("naïve café").with_metadata(trace="7"))
        await bg.wait_for(job)
        [line] = [line async for line in bg.admin.export_failed()]
        await bg.admin.prune(failed_for=timedelta(0))
    return line


async def test_a_failed_run_of_a_schedule_is_imported_and_retried(app: Harness) -> None:
    recurring = bgjobs.ScheduledJob(broken, bgjobs.every(milliseconds=50), name="nightly")
    config = app.config(queues=[], scheduled_jobs=[recurring])
    async with bgjobs.run(config):
        failed = (await app.recorder.wait_for(JobFailed))[0].job
    async with bgjobs.connect(config) as client:
        admin = client.admin
        before = await client.find(failed.id)
        assert isinstance(before, bgjobs.FailedJob)
        assert before.unique_key == "schedule:nightly"
        assert before.occurrence is not None
        lines = [line async for line in admin.export_failed()]
        await admin.prune(failed_for=timedelta(0))
        assert (await admin.import_failed(lines)).stored == len(lines)
        assert await client.find(failed.id) == before
        assert await admin.retry(failed.id) == [failed.id]
        again = await client.find(failed.id)
        assert isinstance(again, bgjobs.Job)
        assert (again.unique_key, again.occurrence) == (None, None)


HOSTILE: list[dict[str, Any]] = [
    {"reservations": 2**31 - 1},
    {"reservations": 2**63},
    {"attempts": -1},
    {"crashes": True},
    {"unique_key": ""},
    {"unique_key": "k" * 5_000},
    {"unique_key": "schedule:nightly"},
    {"metadata": {"k": "x" * 3_000_000}},
    {"metadata": {"k\x1b]0;": "x"}},
    {"name": "a\0b"},
    {"payload": DEEP},
    {"occurrence": DEEP},
    {"errors": [[1]] * 21},
    {"error": "x" * 8_193},
    {"failed_at": "infinity"},
    {"created_at": "9999-12-31T23:59:59-05:00"},
    {"reserved_by": None},
]


async def test_hostile_lines_are_refused_and_the_others_run(app: Harness) -> None:
    line = await exported(app)
    values = json.loads(line)
    good = [json.dumps({**values, "id": str(UUID(int=number))}) for number in range(1, 4)]
    hostile = [json.dumps({**values, **changes}) for changes in HOSTILE]
    raw = [
        DEEP,
        '{"format":1',
        line.replace('"attempts":0', '"attempts":1e400'),
        line.replace('"attempts":0', '"attempts":NaN'),
        line.replace('"priority"', '"id":"x","priority"'),
        line.replace("broken", "bro\udcffken"),
        "x" * 5_000_000,
    ]
    lines = [good[0], *hostile, good[1], *raw, good[2]]
    config = app.config(broken, queue={"max_retries": 0})
    async with bgjobs.run(config) as bg:
        found = await bg.admin.import_failed(lines, skip_bad=True)
        assert (found.stored, found.present) == (3, 0)
        assert found.refused == len(hostile) + len(raw)
        bad = [number for number, one in enumerate(lines, 1) if one not in good]
        assert [error.number for error in found.errors] == bad
        for number in (bad[0], bad[-1]):
            with pytest.raises(ExportedLineError):
                await bg.admin.import_failed([lines[number - 1]])
        assert await bg.admin.retry_all(bgjobs.JobFilter("failed")) == 3
        await bg.drain()
        again = await bg.list(bgjobs.JobFilter("failed"))
        assert sorted(job.id.int for job in again) == [1, 2, 3]
        assert {job.reservations for job in again} == {values["reservations"] + 1}


async def test_failed_jobs_are_exported_pruned_and_imported(app: Harness) -> None:
    async with bgjobs.run(app.config(broken, **NO_RETRIES)) as bg:
        ids = await fail_some(bg, "a", "b", "c")
        before = [await bg.find(one) for one in ids]
        lines = [line async for line in bg.admin.export_failed()]
        seen: list[int] = []
        assert await bg.admin.prune(failed_for=timedelta(0), progress=seen.append) == 3
        assert seen == [3]
        first = await bg.admin.import_failed([*lines, ""])
        assert first == bgjobs.Imported(stored=3, present=0)
        assert await bg.admin.import_failed(lines) == bgjobs.Imported(stored=0, present=3)
        assert [await bg.find(one) for one in ids] == before
        assert len(await bg.list(bgjobs.JobFilter("failed", search="route"))) == 3


async def test_an_import_names_the_line_that_cannot_be_read(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(broken, **NO_RETRIES)) as bg:
        await fail_some(bg, "a")
        [line] = [line async for line in bg.admin.export_failed()]
        for wrong, text in (
            ("no json", "line 2: expected a JSON object, found something else"),
            ('{"format":2}', "line 2: format: expected 1, found another one"),
            (
                line.replace('"name":"broken",', ""),
                "line 2: name: expected a value, found none",
            ),
            (
                line.replace('"id":"', '"id":"x'),
                "line 2: id: expected a UUID, found other text",
            ),
            (line.replace('"broken"', '""'), "line 2: name: expected 1 to 200 characters"),
        ):
            with pytest.raises(ExportedLineError, match=text):
                await bg.admin.import_failed([line, wrong])
