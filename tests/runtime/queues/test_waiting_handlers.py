"""A handler that waits for another job gives its place in the queue away meanwhile."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs.events import JobStarted
from bgjobs.schedules import every
from tests.fixtures.prepared_rows import crashed_before
from tests.runtime.conftest import Harness, virtual_time_on_both
from tests.runtime.queues.waits import ONE_SLOT, Running, Scene, child, slots, state_of, until

pytestmark = pytest.mark.anyio


@bgjobs.worker
def plain_child() -> None:
    """Succeed in a thread."""


async def test_a_handler_waits_for_a_job_of_its_queue_with_one_slot(app: Harness) -> None:
    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        job = await context.client.enqueue(child.request())
        assert (await context.client.wait_for(job)).state == "succeeded"
        assert (await context.client.wait_for(job.id)).state == "succeeded"

    async with bgjobs.run(app.config(parent, child, queue=ONE_SLOT)) as bg:
        ended = await bg.wait_for(await bg.enqueue(parent.request()))
        assert ended.state == "succeeded", ended


async def test_a_plain_handler_waits_for_a_plain_job_of_its_queue_with_one_slot(
    app: Harness,
) -> None:
    @bgjobs.worker
    def parent(context: bgjobs.JobContext) -> None:
        job = anyio.from_thread.run(context.client.enqueue, plain_child.request())
        anyio.from_thread.run(context.client.wait_for, job)

    async with bgjobs.run(app.config(parent, plain_child, queue=ONE_SLOT)) as bg:
        ended = await bg.wait_for(await bg.enqueue(parent.request()))
        assert ended.state == "succeeded", ended


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_tree_of_jobs_ends_and_the_concurrency_is_kept(
    app: Harness, concurrency: int
) -> None:
    running, leaves = Running(), list[int]()

    @bgjobs.worker
    async def fibonacci(context: bgjobs.JobContext, number: int) -> None:
        with running.one():
            if number < 2:
                leaves.append(number)
                return
            requests = [fibonacci.request(number - 1), fibonacci.request(number - 2)]
            first = [one.priority(context.job.priority - 1) for one in requests]
            for job in await context.client.enqueue_many(first):
                with running.waiting():
                    assert (await context.client.wait_for(job)).state == "succeeded"

    queue = {"concurrency": concurrency, "max_retries": 0}
    async with bgjobs.run(app.config(fibonacci, queue=queue)) as bg:
        ended = await bg.wait_for(await bg.enqueue(fibonacci.request(7)))
        assert ended.state == "succeeded", ended
        await bg.drain()
        assert sum(leaves) == 13
        assert 1 <= running.most <= concurrency
        assert state_of(bg).waiting == {}
        assert slots() == concurrency


async def test_the_first_that_has_waited_goes_on_first_and_before_new_jobs(
    app: Harness,
) -> None:
    scene = Scene(app)
    async with bgjobs.run(scene.config) as bg:
        await scene.begin(bg, waiting=3, later=2)
        for number in (1, 2, 0):
            await scene.open_gate(number)
        assert scene.went_on == []
        scene.idle.set()
        await bg.drain()
    assert scene.went_on == [1, 2, 0, 100, 101]
    assert scene.running.most == 1


async def test_a_handler_that_begins_to_wait_leaves_its_place_to_one_that_has_waited(
    app: Harness,
) -> None:
    gates, told, went_on = [anyio.Event(), anyio.Event()], anyio.Event(), list[int]()

    @bgjobs.worker
    async def gate(number: int) -> None:
        await gates[number].wait()

    @bgjobs.worker
    async def waits(context: bgjobs.JobContext, number: int) -> None:
        job = await context.client.enqueue(gate.request(number))
        if number == 1:
            await told.wait()
        await context.client.wait_for(job)
        went_on.append(number)

    queues = [
        bgjobs.Queue("default", workers=[waits], **ONE_SLOT),
        bgjobs.Queue("gates", workers=[gate]),
    ]
    async with bgjobs.run(app.config(queues=queues)) as bg:
        await bg.enqueue(waits.request(0))
        await until(lambda: len(state_of(bg).waiting) == 1)
        await bg.enqueue(waits.request(1))
        await until(lambda: state_of(bg).occupying == 1)
        gates[0].set()
        await until(lambda: not state_of(bg).waiting)
        assert went_on == []
        told.set()
        await until(lambda: went_on == [0])
        gates[1].set()
        await bg.drain()
        assert (went_on, slots()) == ([0, 1], 11)


async def test_the_tasks_of_a_handler_may_wait_for_several_jobs(app: Harness) -> None:
    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        jobs = await context.client.enqueue_many([child.request()] * 5)
        async with anyio.create_task_group() as group:
            for job in jobs:
                group.start_soon(context.client.wait_for, job)

    async with bgjobs.run(app.config(parent, child, queue=ONE_SLOT)) as bg:
        jobs = await bg.enqueue_many([parent.request()] * 3)
        ended = [(await bg.wait_for(job)).state for job in jobs]
        assert ended == ["succeeded"] * 3
        assert state_of(bg).waiting == {}


async def test_a_task_may_begin_to_wait_while_its_handler_needs_a_place(app: Harness) -> None:
    first, second = anyio.Event(), anyio.Event()

    async def wait_in_turn(context: bgjobs.JobContext, job: Any) -> None:
        async def again() -> None:
            await first.wait()
            await context.client.wait_for(late)

        late = await context.client.enqueue(child.request().available_in(hours=1))
        async with anyio.create_task_group() as group:
            group.start_soon(again)
            await context.client.wait_for(job)
            second.set()
            await context.client.admin.reschedule(late.id, at=late.created_at)

    scene = Scene(app, wait_in_turn)
    queues = [*scene.config.queues, bgjobs.Queue("children", workers=[child])]
    config = app.config(queues=queues)
    async with bgjobs.run(config) as bg:
        await scene.begin(bg, waiting=1, later=1)
        await scene.open_gate(0)
        assert not second.is_set()
        first.set()  # the place is not needed while another task of the handler waits
        with anyio.fail_after(60):
            await second.wait()
        await until(lambda: scene.state.waiting == {})
        assert scene.went_on == []
        scene.idle.set()
        await bg.drain()
    assert scene.went_on == [0, 100]


async def test_a_handler_that_asks_for_an_ended_job_keeps_its_place(app: Harness) -> None:
    seen: set[int] = set()

    async def watch() -> None:
        while True:
            seen.add(len(state_of(bg).waiting))
            await anyio.lowlevel.checkpoint()

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            assert (await context.client.wait_for(done.id)).state == "succeeded"
            group.cancel_scope.cancel()

    async with bgjobs.run(app.config(parent, child, queue=ONE_SLOT)) as bg:
        done = await bg.wait_for(await bg.enqueue(child.request()))
        ended = await bg.wait_for(await bg.enqueue(parent.request()))
        assert ended.state == "succeeded", ended
    assert seen == {0}


async def test_a_waiting_handler_takes_no_room_of_the_queue(app: Harness) -> None:
    """The queue reserves one job for the place that is free, and no others."""
    scene = Scene(app)
    async with bgjobs.run(scene.config) as bg:
        await scene.begin(bg, waiting=3, later=5)
        assert [one.name for one in bg.queue("default").running] == ["busy"]
        assert [one.name for one in bg.queue("default").waiting] == ["waits"] * 3
        for number in range(3):
            scene.gates[number].set()
        scene.idle.set()
        await bg.drain()


var = ContextVar("var", default="unset")


async def test_the_context_variables_of_a_waiting_handler_reach_no_other_handler(
    sqlite_app: Harness,
) -> None:
    seen: list[str] = []

    @bgjobs.worker
    async def look() -> None:
        seen.append(var.get())

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        var.set("of the parent")
        await context.client.wait_for(await context.client.enqueue(look.request()))
        seen.append(var.get())

    async with bgjobs.run(sqlite_app.config(parent, look, queue=ONE_SLOT)) as bg:
        await bg.enqueue(parent.request())
        await bg.drain()
    assert seen == ["unset", "of the parent"]


@virtual_time_on_both
async def test_the_queue_looks_for_a_job_as_soon_as_a_handler_waits(
    virtual_app: Harness,
) -> None:
    took: list[float] = []

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        job = await context.client.enqueue(child.request())
        began = anyio.current_time()
        await context.client.wait_for(job)
        took.append(anyio.current_time() - began)

    async with bgjobs.run(virtual_app.config(parent, child, queue=ONE_SLOT)) as bg:
        await bg.enqueue(parent.request())
        await bg.drain()
    assert took == [0.0]


@virtual_time_on_both
async def test_a_suspect_may_wait_for_another_suspect(virtual_app: Harness) -> None:
    """Each is on its last crash; the other one would be put back again and again."""

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        await context.client.wait_for(second.id)

    requests = [parent.request(), child.request().priority(1)]
    [first, second] = crashed_before(virtual_app.database, requests, crashes=3)
    config = virtual_app.config(parent, child, queue=ONE_SLOT, sweep_interval=1)
    async with bgjobs.run(config) as bg:
        assert (await bg.wait_for(first)).state == "succeeded"
        assert (await bg.wait_for(second)).state == "succeeded"


async def test_a_handler_of_a_scheduled_job_waits_for_an_extra_run(app: Harness) -> None:
    runs: list[str] = []

    @bgjobs.worker
    async def often(context: bgjobs.JobContext) -> None:
        if context.occurrence is None:
            runs.append("extra")
        elif not runs:
            await context.client.wait_for(await context.client.enqueue(often.request()))
            runs.append("scheduled")

    job = bgjobs.ScheduledJob(often, every(seconds=0.01))
    async with bgjobs.run(app.config(queues=[], scheduled_jobs=[job])):
        await until(lambda: "scheduled" in runs)
    assert runs[:2] == ["extra", "scheduled"]


async def test_waiting_in_the_client_of_the_application_keeps_the_place(
    sqlite_app: Harness,
) -> None:
    @bgjobs.worker(timeout=0.1)
    async def parent() -> None:
        await bg.wait_for(await bg.enqueue(child.request()))

    async with bgjobs.run(sqlite_app.config(parent, child, queue=ONE_SLOT)) as bg:
        job = await bg.enqueue(parent.request())
        await sqlite_app.recorder.wait_for(JobStarted)
        assert state_of(bg).waiting == {}
        assert (await bg.wait_for(job)).state == "failed"


@pytest.mark.parametrize("patience", [0.5, 1.5, 2.5])
@virtual_time_on_both
async def test_a_suspect_runs_after_a_handler_that_stops_waiting_while_it_is_reserved(
    virtual_app: Harness, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    """Then the slots are more than full, so that it could wait for a slot for ever."""

    async def slowly(_: Dispatch, work: Callable[[], Any]) -> Any:
        await anyio.sleep(1)
        return work()

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        with anyio.move_on_after(patience):
            await context.client.wait_for(suspect.id)
        await anyio.sleep(5)

    monkeypatch.setattr(Dispatch, "leave_the_loop", slowly)
    [suspect] = crashed_before(virtual_app.database, [child.request()], crashes=3)
    async with bgjobs.connect(virtual_app.config(parent)) as client:
        await client.enqueue(parent.request().priority(-1))
    async with bgjobs.run(virtual_app.config(parent, child, queue=ONE_SLOT)) as bg:
        with anyio.fail_after(300):
            assert (await bg.wait_for(suspect)).state == "succeeded"
