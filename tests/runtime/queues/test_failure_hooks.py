"""`on_failure`: functions that write in the transaction that ends a job."""

from typing import Any

import pytest
from anyio import sleep_forever

import bgjobs
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import (
    FailureHookFailed,
    JobDiscarded,
    JobFailed,
    ReservationLost,
    StoreCalled,
)
from tests.fixtures.databases import SQLiteFile
from tests.fixtures.effects import Effects
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio

NO_RETRY = {"max_retries": 0}


def verbs(app: Harness) -> set[str]:
    return {event.verb for event in app.recorder.of(StoreCalled)}


async def test_a_failed_job_and_what_the_hook_writes_are_one_transaction(
    app: Harness, effects: Effects
) -> None:
    send = effects.worker()
    async with bgjobs.run(app.config(send, queue=NO_RETRY)) as bg:
        ended = await bg.wait_for(await bg.enqueue(send.request("a")))
    assert isinstance(ended, bgjobs.FailedJob)
    assert effects.noted() == [(str(ended.id), "failed")]
    assert [event.job.id for event in app.recorder.of(JobFailed)] == [ended.id]
    assert app.recorder.of(FailureHookFailed) == []


async def test_a_retried_attempt_calls_no_hook(app: Harness, effects: Effects) -> None:
    send = effects.worker()
    async with bgjobs.run(app.config(send, queue={"max_retries": 2})) as bg:
        ended = await bg.wait_for(await bg.enqueue(send.request("a")))
    assert (ended.attempts, effects.calls) == (2, 1)


async def test_what_the_hook_raises_is_reported_and_loses_no_end(
    app: Harness, effects: Effects, caplog: pytest.LogCaptureFixture
) -> None:
    send = effects.worker()
    effects.error = RuntimeError("no box")
    async with bgjobs.run(app.config(send, queue=NO_RETRY)) as bg:
        ended = await bg.wait_for(await bg.enqueue(send.request("a")))
    assert isinstance(ended, bgjobs.FailedJob)
    assert ended.error.startswith("ValueError: a")
    assert (effects.calls, effects.noted()) == (1, [])
    event = app.recorder.one(FailureHookFailed)
    assert (event.queue, event.job.id, event.error) == ("default", ended.id, effects.error)
    assert f"FailureHookFailed|queue:default|job:{ended.id}|worker:send" in caplog.text
    assert app.recorder.one(JobFailed).job.id == ended.id


async def test_another_store_that_is_away_inside_the_hook_is_its_error(
    app: Harness, effects: Effects
) -> None:
    send = effects.worker()
    effects.error = StoreUnavailableError("archive: away")
    async with bgjobs.run(app.config(send, queue=NO_RETRY)) as bg:
        await bg.wait_for(await bg.enqueue(send.request("a")))
    assert effects.calls == 1
    assert app.recorder.one(FailureHookFailed).error is effects.error


@pytest.mark.parametrize(
    "statement", ["commit", "rollback", "select * from bgjobs_test_absent"]
)
async def test_a_hook_that_breaks_its_transaction_loses_no_end(
    app: Harness, effects: Effects, statement: str
) -> None:
    send = effects.worker(cancelled=None)

    @send.on_failure
    def breaks(connection: Any, job: bgjobs.FailedJob) -> None:
        effects.note(connection, job)
        try:
            connection.execute(statement)
        except Exception:  # noqa: BLE001 - as careless hooks do
            return

    async with bgjobs.run(app.config(send, queue=NO_RETRY)) as bg:
        ended = await bg.wait_for(await bg.enqueue(send.request("a")))
    assert isinstance(ended, bgjobs.FailedJob)
    if isinstance(app.database, SQLiteFile) and statement.startswith("select"):
        # In SQLite, an error undoes its statement only.
        assert app.recorder.of(FailureHookFailed) == []
    else:
        text = str(app.recorder.one(FailureHookFailed).error)
        assert "on_failure" in text
        assert "the job has ended" in text
    assert effects.calls == 1


async def test_a_hook_that_closes_the_connection_loses_no_end(
    app: Harness, effects: Effects
) -> None:
    send = effects.worker(cancelled=None)
    send.on_failure(lambda connection, _: connection.close())
    async with bgjobs.run(app.config(send, queue=NO_RETRY)) as bg:
        for _ in range(2):
            ended = await bg.wait_for(await bg.enqueue(send.request("a")))
            assert isinstance(ended, bgjobs.FailedJob)
    assert len(app.recorder.of(FailureHookFailed)) == 2


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_hook_that_leaves_a_statement_unfinished_loses_no_end(
    app: Harness, effects: Effects
) -> None:
    """No transaction with it can be committed."""
    send, left = effects.worker(cancelled=None), list[Any]()

    @send.on_failure
    def leave(connection: Any, _: bgjobs.FailedJob) -> None:
        rows = "values ('a', 'b'), ('c', 'd') returning id"
        left.append(connection.execute(f"insert into bgjobs_test_ends {rows}"))
        left[-1].fetchone()

    async with bgjobs.run(app.config(send, queue=NO_RETRY)) as bg:
        for _ in range(2):
            ended = await bg.wait_for(await bg.enqueue(send.request("a")))
            assert isinstance(ended, bgjobs.FailedJob)
    first, second = app.recorder.of(FailureHookFailed)
    assert "must neither commit nor roll back" in str(first.error)
    assert str(second.error) == str(first.error)
    assert effects.noted() == []


async def test_a_hook_that_returns_a_coroutine_has_failed(
    app: Harness, effects: Effects
) -> None:
    async def later() -> None: ...

    def lazy(*_: object) -> Any:
        return later()

    send = effects.worker(cancelled=None)
    send.on_failure(lazy)
    async with bgjobs.run(app.config(send, queue=NO_RETRY)) as bg:
        await bg.wait_for(await bg.enqueue(send.request("a")))
    error = app.recorder.one(FailureHookFailed).error
    assert str(error).startswith("worker 'send': on_failure")


async def test_a_hook_that_exits_has_failed(app: Harness, effects: Effects) -> None:
    send = effects.worker(cancelled=None)
    send.on_failure(lambda *_: exit(3))  # noqa: PLR1722 - any way to raise SystemExit
    async with bgjobs.run(app.config(send, queue=NO_RETRY)) as bg:
        ended = await bg.wait_for(await bg.enqueue(send.request("a")))
    assert isinstance(ended, bgjobs.FailedJob)
    assert "SystemExit: 3" in str(app.recorder.one(FailureHookFailed).error)


def divide(_: object) -> None:
    raise ZeroDivisionError


async def test_all_ways_to_fail_call_the_hook(app: Harness, effects: Effects) -> None:
    """A discarded job, an unreadable payload, and work of `complete_with` that raises."""

    @bgjobs.worker
    async def drop() -> None:
        raise bgjobs.Discard("not wanted")

    @bgjobs.worker
    async def count(number: int) -> None:
        """Is not called."""

    @bgjobs.worker
    async def complete(context: bgjobs.JobContext) -> None:
        context.complete_with(divide)

    for worker in (drop, count, complete):
        worker.on_failure(effects.note)
    unreadable = bgjobs.JobRequest("count", '{"number": "x"}')
    requests: list[Any] = [drop.request(), unreadable, complete.request()]
    async with bgjobs.run(app.config(drop, count, complete, queue=NO_RETRY)) as bg:
        jobs = [await bg.wait_for(await bg.enqueue(request)) for request in requests]
    assert [job.state for job in jobs] == ["failed"] * 3
    assert effects.noted() == [(str(job.id), "failed") for job in jobs]
    assert len(app.recorder.of(JobDiscarded)) == 1


async def test_a_hook_may_enqueue_in_its_transaction(app: Harness, effects: Effects) -> None:
    send, store = effects.worker(cancelled=None), app.database.store()

    @bgjobs.worker
    async def tell(job: str) -> None:
        """Succeeds."""

    @send.on_failure
    def enqueue(connection: Any, job: bgjobs.FailedJob) -> None:
        store.enqueue_in(connection, [tell.request(str(job.id))])

    config = app.config(send, tell, queue={"max_retries": 0, "poll_interval": 0.05})
    async with bgjobs.run(config) as bg:
        failed = await bg.wait_for(await bg.enqueue(send.request("a")))
        await app.recorder.wait_for(bgjobs.events.JobSucceeded)
        [told] = await bg.list(bgjobs.JobFilter("succeeded", name="tell"))
    assert str(failed.id) in told.payload


async def test_a_run_of_a_schedule_calls_the_hook_and_the_next_run_is_planned(
    app: Harness, effects: Effects
) -> None:
    nightly = bgjobs.ScheduledJob(
        effects.worker(), bgjobs.schedules.every(seconds=0.05), max_retries=0
    )
    async with bgjobs.run(app.config(queues=(), scheduled_jobs=[nightly])):
        await app.recorder.wait_for(JobFailed, 3)
    assert len(effects.noted()) >= 3
    assert len(set(effects.noted())) == len(effects.noted())


async def test_the_progress_of_a_failed_job_is_stored_with_the_hook(
    app: Harness, effects: Effects
) -> None:
    seen = list[Any]()

    @bgjobs.worker
    async def count(context: bgjobs.JobContext) -> None:
        await context.report_progress(3, 7)
        raise ValueError

    @count.on_failure
    def note(_: Any, job: bgjobs.FailedJob) -> None:
        seen.append(job)

    async with bgjobs.run(app.config(count, queue=NO_RETRY)) as bg:
        ended = await bg.wait_for(await bg.enqueue(count.request()))
    assert seen == [ended]
    assert ended.progress is not None
    assert (ended.progress.done, ended.progress.total) == (3, 7)


async def test_jobs_without_a_hook_send_nothing_more(app: Harness, effects: Effects) -> None:
    send = effects.worker(cancelled=None)
    async with bgjobs.run(app.config(send, queue=NO_RETRY)) as bg:
        await bg.wait_for(await bg.enqueue(send.request("a")))
    assert verbs(app).isdisjoint({"end_with", "register_hooks", "mark_end", "marked_ends"})


async def test_a_lost_answer_is_no_second_end(app: Harness, effects: Effects) -> None:
    send, store = effects.worker(), FaultyStore(app.database.store())
    store.lose_the_answer("end_with")
    async with bgjobs.run(app.config(send, queue=NO_RETRY, store=store)) as bg:
        ended = await bg.wait_for(await bg.enqueue(send.request("a")))
    assert effects.noted() == [(str(ended.id), "failed")]
    assert app.recorder.one(JobFailed).job.id == ended.id
    assert app.recorder.of(ReservationLost) == []


async def test_an_unavailable_store_is_waited_for(app: Harness, effects: Effects) -> None:
    send, store = effects.worker(), FaultyStore(app.database.store())
    store.faults["end_with"] = [StoreUnavailableError("away")] * 2
    async with bgjobs.run(app.config(send, queue=NO_RETRY, store=store)) as bg:
        ended = await bg.wait_for(await bg.enqueue(send.request("a")))
    assert effects.noted() == [(str(ended.id), "failed")]
    assert store.calls.count("end_with") == 3


async def test_a_lost_reservation_calls_no_hook(app: Harness, effects: Effects) -> None:
    """Another process has ended the job meanwhile, without the hook."""
    send, real = effects.worker(), app.database.store()

    def end_with(settlement: Any, *given: Any, **more: Any) -> Any:
        real.write(settle=[settlement])
        return real.end_with(settlement, *given, **more)

    store: Any = Wrapped(real, end_with=end_with)
    async with bgjobs.run(app.config(send, queue=NO_RETRY, store=store)) as bg:
        await bg.wait_for(await bg.enqueue(send.request("a")))
        await app.recorder.wait_for(ReservationLost)
    assert (effects.calls, app.recorder.of(JobFailed)) == (0, [])


async def test_a_running_job_that_is_cancelled_calls_the_hook_if_asked(
    app: Harness, effects: Effects
) -> None:
    @bgjobs.worker
    async def wait() -> None:
        await sleep_forever()

    @bgjobs.worker
    async def wait_unasked() -> None:
        await sleep_forever()

    wait.on_failure(cancelled=True)(effects.note)
    wait_unasked.on_failure(effects.note)
    async with bgjobs.run(app.config(wait, wait_unasked)) as bg:
        jobs = [await bg.enqueue(one.request()) for one in (wait, wait_unasked)]
        await app.recorder.wait_for(bgjobs.events.JobStarted, 2)
        await bg.admin.cancel(*(job.id for job in jobs), reason="no")
        for job in jobs:
            assert (await bg.wait_for(job)).state == "cancelled"
    assert effects.noted() == [(str(jobs[0].id), "cancelled")]


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_a_deferred_constraint_that_the_hook_violates_is_its_error(app: Harness) -> None:
    """It would be raised at the commit, and lose the end."""
    with app.database.connect() as connection:
        connection.execute("drop table if exists bgjobs_test_children, bgjobs_test_parents")
        connection.execute("create table bgjobs_test_parents (id integer primary key)")
        connection.execute(
            "create table bgjobs_test_children (parent integer references bgjobs_test_parents"
            " deferrable initially deferred)"
        )

    @bgjobs.worker
    async def send() -> None:
        raise ValueError

    @send.on_failure
    def orphan(connection: Any, _: bgjobs.FailedJob) -> None:
        connection.execute("insert into bgjobs_test_children values (7)")

    try:
        async with bgjobs.run(app.config(send, queue=NO_RETRY)) as bg:
            for _ in range(5):
                ended = await bg.wait_for(await bg.enqueue(send.request()))
                assert isinstance(ended, bgjobs.FailedJob)
    finally:
        with app.database.connect() as connection:
            connection.execute("drop table bgjobs_test_children, bgjobs_test_parents")
    errors = [str(event.error) for event in app.recorder.of(FailureHookFailed)]
    assert len(errors) == 5
    assert all("violates foreign key constraint" in error for error in errors)
