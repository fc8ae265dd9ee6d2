"""Waiting jobs that no process runs are reported, with advice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import bgjobs
from bgjobs import every
from bgjobs._core.ids import new_id
from bgjobs._runtime.admin.unhandled import MOST_REPORTED
from bgjobs.events import OccurrencePlanned, QueueStarted
from bgjobs.stores.types import NewJob
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def send_mail() -> None: ...


@bgjobs.worker(name="sendmail")
async def renamed() -> None: ...


@bgjobs.worker
async def tidy() -> None: ...


def queue(name: str, *workers: Any) -> bgjobs.Queue:
    return bgjobs.Queue(name, workers=workers)


def only_enqueueing(app: Harness, *workers: Any) -> bgjobs.Config:
    return app.config(queues=[], enqueue_only=workers)


async def enqueue(app: Harness, *requests: bgjobs.JobRequest) -> None:
    """Store jobs from a process that runs no queue."""
    workers = [bgjobs.worker(name=name)(nothing) for name in {one.name for one in requests}]
    async with bgjobs.run(only_enqueueing(app, *workers)) as bg:
        await bg.enqueue_many(requests)


async def nothing() -> None: ...


async def found(config: bgjobs.Config) -> list[tuple[str, int, list[str]]]:
    async with bgjobs.connect(config) as client:
        admin = client.admin
        unhandled = await admin.unhandled()
    return [(one.worker, one.waiting, [*one.runners]) for one in unhandled]


async def reported(config: bgjobs.Config) -> list[tuple[str, str]]:
    async with bgjobs.connect(config) as client:
        admin = client.admin
        findings = await admin.diagnose()
    return [(one.level, one.text) for one in findings if one.check == "jobs"]


async def test_jobs_of_a_renamed_worker_are_reported(app: Harness) -> None:
    before = datetime.now(UTC)
    await enqueue(app, renamed.request(), renamed.request().available_in(days=1))
    config = app.config(queues=[queue("mail", send_mail)])

    assert await found(config) == [("sendmail", 2, [])]
    [(level, text)] = await reported(config)
    assert level == "problem"
    assert text.startswith("2 jobs wait for worker 'sendmail' since 20")
    assert "no queue of the application has it (did you mean 'send_mail'?)" in text
    assert "@worker(name='sendmail')" in text
    assert "bgjobs jobs cancel --all --worker sendmail" in text
    async with bgjobs.connect(config) as client:
        admin = client.admin
        [jobs] = await admin.unhandled()
    assert before - timedelta(seconds=1) < jobs.since < datetime.now(UTC)


async def test_delayed_jobs_of_a_renamed_worker_are_reported(app: Harness) -> None:
    await enqueue(app, renamed.request().available_in(days=1))
    config = app.config(queues=[queue("mail", send_mail)])
    async with bgjobs.connect(config) as client:
        admin = client.admin
        [jobs] = await admin.unhandled()

    assert (jobs.worker, jobs.waiting) == ("sendmail", 1)
    assert timedelta(hours=23) < jobs.since - datetime.now(UTC) < timedelta(hours=25)


async def test_a_queue_that_no_process_runs_is_reported(app: Harness) -> None:
    await enqueue(app, send_mail.request(), tidy.request().available_in(days=1))
    config = app.config(queues=[queue("mail", send_mail), queue("other", send_mail, tidy)])

    assert await found(config) == [("send_mail", 1, ["mail", "other"])], "tidy is not due yet"
    [(level, text)] = await reported(config)
    assert level == "warning"
    assert text.startswith("1 job waits for worker 'send_mail' since 20")
    assert text.endswith("no process runs 'mail' or 'other': start one with bgjobs run")


async def test_a_queue_that_some_process_runs_handles_its_workers(app: Harness) -> None:
    config = app.config(queues=[queue("mail", send_mail), queue("tidy", tidy)])
    running = app.config(queues=[queue("mail", send_mail)])
    async with bgjobs.run(running) as bg:
        await app.recorder.wait_for(QueueStarted)
        await bg.admin.pause_queue("mail")
        await enqueue(app, send_mail.request(), tidy.request(), renamed.request())

        assert sorted(await found(config)) == [("sendmail", 1, []), ("tidy", 1, ["tidy"])]


async def test_an_unknown_queue_may_run_a_worker_that_is_only_enqueued_here(
    app: Harness,
) -> None:
    await enqueue(app, send_mail.request())
    web = only_enqueueing(app, send_mail)

    [(level, text)] = await reported(web)
    async with bgjobs.run(app.config(queues=[queue("any", tidy)])):
        await app.recorder.wait_for(QueueStarted)
        elsewhere = await reported(web)

    assert level == "warning"
    assert text.endswith("no process runs it: start one whose queue has it")
    assert elsewhere == []


async def test_a_nursery_of_an_application_runs_no_worker(app: Harness) -> None:
    await enqueue(app, send_mail.request())
    async with bgjobs.run(only_enqueueing(app, send_mail)) as bg, bg.open_nursery():
        assert await found(only_enqueueing(app, send_mail)) == [("send_mail", 1, [])]


async def test_an_unknown_queue_turns_the_problem_into_a_warning(app: Harness) -> None:
    await enqueue(app, renamed.request())
    theirs = app.config(queues=[queue("theirs", tidy)])
    async with bgjobs.run(theirs):
        await app.recorder.wait_for(QueueStarted)
        [(level, text)] = await reported(app.config(queues=[queue("mail", send_mail)]))

    assert level == "warning"
    assert "unless the running queue 'theirs' has it" in text


def scheduled(worker: Any, seconds: float, **settings: Any) -> bgjobs.ScheduledJob:
    return bgjobs.ScheduledJob(worker, every(seconds=seconds), **settings)


async def test_the_run_of_a_removed_schedule_has_its_own_advice(app: Harness) -> None:
    daily = scheduled(tidy, 86_400, name="daily")
    async with bgjobs.run(app.config(queues=[], scheduled_jobs=[daily])):
        await app.recorder.wait_for(OccurrencePlanned)

    kept = app.config(queues=[], scheduled_jobs=[daily])
    deleted = app.config(queues=[queue("mail", send_mail)])
    assert await found(kept) == [], "it is not due yet"
    [(level, text)] = await reported(deleted)
    assert level == "problem"
    assert (
        "no longer has the scheduled job: end its run with bgjobs jobs delete, or give" in text
    )


async def test_a_scheduled_job_added_at_run_time_is_handled(app: Harness) -> None:
    async with bgjobs.run(only_enqueueing(app, tidy, send_mail)) as bg:
        await bg.add_scheduled_job(scheduled(tidy, 86_400))
        await app.recorder.wait_for(QueueStarted)

        assert await found(app.config(queues=[queue("mail", send_mail)])) == []


async def test_an_empty_store_has_no_findings(app: Harness) -> None:
    async with bgjobs.run(only_enqueueing(app, send_mail)):
        assert await found(app.config(queues=[queue("mail", send_mail)])) == []
        assert await reported(app.config(queues=[queue("mail", send_mail)])) == []


async def test_at_most_twenty_workers_are_reported(app: Harness) -> None:
    names = [f"removed_{number:02}" for number in range(MOST_REPORTED + 5)]
    await enqueue(app, *(bgjobs.worker(name=name)(nothing).request() for name in names))
    config = app.config(queues=[queue("mail", send_mail)])

    assert [name for name, _, _ in await found(config)] == names[:MOST_REPORTED]
    *each, (level, last) = await reported(config)
    assert len(each) == MOST_REPORTED
    assert level == "warning"
    example = names[MOST_REPORTED]
    assert last == (
        f"jobs of more workers wait, such as {example!r}: handle the ones above first"
    )


async def test_a_thousand_workers_are_checked(app: Harness) -> None:
    """Only the last one has no running queue."""
    workers = [bgjobs.worker(name=f"w_{number:03}")(nothing) for number in range(999)]
    store: Any = app.open_store()
    store.migrate()
    store.write([NewJob(new_id(), one.request().available_in(days=1)) for one in workers])
    store.write([NewJob(new_id(), renamed.request()), NewJob(new_id(), tidy.request())])
    store.operations.pause_queue("many")
    store.close()
    async with bgjobs.run(app.config(queues=[queue("many", *workers, tidy)])):
        await app.recorder.wait_for(QueueStarted)
        assert await found(app.config(queues=[queue("many", *workers, tidy)])) == [
            ("sendmail", 1, [])
        ]
