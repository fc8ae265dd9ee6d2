"""An application works in spite of any row that another program has written."""

import anyio
import pytest

import bgjobs
from bgjobs.errors import UnreadableJobError
from bgjobs.events import AdminAction, JobSucceeded, JobUnreadable
from tests.fixtures.databases import PostgresSchema
from tests.fixtures.hostile_rows import BEYOND, UNREADABLE, YEAR_2030
from tests.fixtures.listings import unreserved
from tests.runtime.conftest import Harness, migrated_rows

pytestmark = pytest.mark.anyio
_ALL = {**BEYOND, **UNREADABLE}


@bgjobs.worker
async def work(n: int) -> None: ...


@bgjobs.worker
async def other(n: int) -> None: ...


@bgjobs.worker
async def tick() -> None: ...


async def test_two_queues_and_a_schedule_work_in_spite_of_every_bad_row(app: Harness) -> None:
    rows = migrated_rows(app)
    rows.remove_limits()
    for columns in _ALL.values():
        rows.insert(**columns)
        rows.insert(**{"name": "other", **columns})
    rows.insert(
        name="tick",
        unique_key="schedule:tick",
        occurrence='{"name":"tick","schedule":"every 1 seconds","at":0,"catch_up":"3"}',
    )
    good = [rows.insert(), rows.insert(name="other")]
    every_second = bgjobs.ScheduledJob(tick, bgjobs.every(seconds=1))
    config = app.config(
        queues=[bgjobs.Queue("one", workers=[work]), bgjobs.Queue("two", workers=[other])],
        scheduled_jobs=[every_second],
        sweep_interval=1.0,
    )
    async with bgjobs.run(config) as bg:
        with anyio.fail_after(30):
            for job in good:
                assert isinstance(await bg.wait_for(job), bgjobs.SucceededJob)
            await app.recorder.wait_for(JobSucceeded, worker=tick)
            jobs = await unreserved(bg)
            failed = await bg.list(bgjobs.JobFilter("failed"))
        apart = await bg.list(bgjobs.JobFilter("unreadable"), bgjobs.Page(1000))
    assert {job.name for job in jobs} <= {"tick"}
    assert failed == []
    # Rows of other workers belong to neither queue; the listing has set them apart.
    assert len(apart) == 2 * len(_ALL) + 1
    told = [event.job.id for event in app.recorder.of(JobUnreadable)]
    assert sorted(told) == sorted(one.id for one in apart)


async def test_jobs_of_a_dead_process_are_released_in_spite_of_bad_rows(app: Harness) -> None:
    rows = migrated_rows(app)
    bad = [rows.insert(errors="[1]") for _ in range(3)]
    held = rows.insert()
    owner = "01900000-0000-7000-8000-00000000000f"
    rows.run(
        f"update {rows.prefix}jobs set reserved_by = '{owner}', reservations = 1, "
        "reserved_at = created_at"
    )
    async with bgjobs.run(app.config(work, sweep_interval=0.2)) as bg:
        with anyio.fail_after(30):
            assert (await bg.wait_for(held)).crashes == 1
        assert {one.id for one in await bg.list(bgjobs.JobFilter("unreadable"))} == set(bad)


async def test_a_job_can_take_the_unique_key_of_a_bad_row(app: Harness) -> None:
    rows = migrated_rows(app)
    async with bgjobs.run(app.config(work)) as bg:
        for key in ("a", "b"):
            rows.insert(unique_key=key, metadata="{", available_at=YEAR_2030)
        rows_before = await bg.count()
        with anyio.fail_after(30):
            first, other, second = await bg.enqueue_many(
                [work.request(1).unique("a"), work.request(2), work.request(3).unique("b")]
            )
            for job in (first, other, second):
                assert isinstance(await bg.wait_for(job), bgjobs.SucceededJob)
        assert (await bg.count()).unreadable == rows_before.unreadable + 2
        assert len(await bg.list(bgjobs.JobFilter("succeeded"))) == 3


async def test_finding_an_unreadable_row_raises_an_error_that_names_the_problem(
    app: Harness,
) -> None:
    rows = migrated_rows(app)
    async with bgjobs.connect(app.config(work)) as client:
        admin = client.admin
        bad = rows.insert("jobs_failed", metadata="{")
        message = f"job {bad} cannot be read: metadata: expected texts by name as JSON"
        for _ in range(2):  # in its table, and set apart
            with pytest.raises(UnreadableJobError, match=message):
                await client.find(bad)
        assert (await client.count()).unreadable == 1
        rows.run(f"update {rows.prefix}jobs_unreadable set metadata = null")
        assert list(await admin.retry(bad)) == [bad]
        told = [(one.action, one.count) for one in app.recorder.of(AdminAction)]
        assert told == [("retry", 1)]
        assert isinstance(await client.find(bad), bgjobs.Job)


async def test_a_search_ends_behind_an_unreadable_row(app: Harness) -> None:
    """The row is the last one of the search, so that there is no position behind it."""

    @bgjobs.worker
    async def broken() -> None:
        raise ValueError("boom")

    rows = migrated_rows(app)
    queue = bgjobs.Queue("q", workers=[broken], max_retries=0, concurrency=1)
    async with bgjobs.run(app.config(queues=[queue])) as bg:
        with anyio.fail_after(30):
            jobs = [await bg.enqueue(broken.request()) for _ in range(3)]
            for job in jobs:
                await bg.wait_for(job)
        table, first = f"{rows.prefix}jobs_failed", jobs[0].id
        rows.run(f"update {table} set metadata = '{{' where id = '{first}'")
        found = await bg.list(bgjobs.JobFilter("failed", search="boom"))
        assert {job.id for job in found} == {jobs[1].id, jobs[2].id}
        assert found.after is None
        assert (await bg.count()).unreadable == 1


async def test_unhandled_jobs_are_reported_whatever_their_names_and_timestamps(
    app: Harness,
) -> None:
    rows = migrated_rows(app)
    rows.remove_limits()
    rows.insert(name="unknown", available_at="early")
    if not isinstance(app.database, PostgresSchema):  # which keeps no other text than UTF-8
        rows.insert(name=b"\xff\xfe")
    async with bgjobs.connect(app.config(work)) as client:
        admin = client.admin
        [jobs] = await admin.unhandled()
        assert (jobs.worker, jobs.since.year) == ("unknown", 1)
        assert await admin.diagnose()
