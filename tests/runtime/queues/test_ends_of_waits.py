"""A handler that waits for another job: timeouts, cancellations, shutdowns and crashes."""

from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.outcomes import Cancelled
from bgjobs.errors import UnknownJobError
from bgjobs.events import QueueStopped
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import Harness, virtual_time_on_both
from tests.runtime.queues.one_slot import NotAnException
from tests.runtime.queues.waits import ONE_SLOT, Scene, child, slots, state_of, until

pytestmark = pytest.mark.anyio

RESTARTING: dict[str, Any] = {
    "restart_tolerance": bgjobs.RestartTolerance(
        restarts=100, backoff=bgjobs.backoff.IMMEDIATE
    ),
    "sweep_interval": 0.1,
}


async def test_the_timeout_goes_on_while_a_handler_waits(app: Harness) -> None:
    @bgjobs.worker(timeout=0.05)
    async def parent(context: bgjobs.JobContext) -> None:
        job = await context.client.enqueue(child.request().available_in(hours=1))
        await context.client.wait_for(job)

    async with bgjobs.run(app.config(parent, child, queue=ONE_SLOT)) as bg:
        ended = await bg.wait_for(await bg.enqueue(parent.request()))
        assert isinstance(ended, bgjobs.FailedJob)
        assert ended.error == "TimeoutError: timed out after 0.05 seconds"
        # Its slot runs further jobs.
        assert (await bg.wait_for(await bg.enqueue(child.request()))).state == "succeeded"


@virtual_time_on_both
async def test_the_timeout_ends_a_handler_that_needs_a_place(virtual_app: Harness) -> None:
    @bgjobs.worker(timeout=60)
    async def parent(context: bgjobs.JobContext) -> None:
        job = await context.client.enqueue(child.request())
        await context.client.enqueue(busy.request())
        await context.client.wait_for(job)
        await anyio.sleep(1)

    @bgjobs.worker
    async def busy() -> None:
        await anyio.sleep(3600)

    config = virtual_app.config(parent, child, busy, queue=ONE_SLOT)
    async with bgjobs.run(config) as bg:
        # Both jobs are due before the handler waits, and the long one is not the one it needs.
        began = anyio.current_time()
        ended = await bg.wait_for(await bg.enqueue(parent.request()))
        took = anyio.current_time() - began
        await bg.drain()
        assert state_of(bg).waiting == {}
        again = await bg.wait_for(await bg.enqueue(child.request()))
        assert again.state == "succeeded"
    assert isinstance(ended, bgjobs.FailedJob)
    assert 60 <= took < 3600


async def test_an_operator_cancels_a_handler_that_waits(app: Harness) -> None:
    scene = Scene(app)
    async with bgjobs.run(scene.config) as bg:
        await scene.begin(bg, waiting=1)
        await bg.admin.cancel(scene.jobs[0].id, reason="no")
        assert (await bg.wait_for(scene.jobs[0])).state == "cancelled"
        scene.gates[0].set()
        scene.idle.set()
        await bg.drain()
    assert scene.went_on == []


async def test_an_operator_cancels_a_handler_that_needs_a_place(app: Harness) -> None:
    scene = Scene(app)
    async with bgjobs.run(scene.config) as bg:
        await scene.begin(bg, waiting=2, later=1)
        await scene.open_gate(0)
        await scene.open_gate(1)
        [attempt] = [one for one in scene.state.held if one.job.id == scene.jobs[0].id]
        attempt.cancel(Cancelled("no"))
        assert (await bg.wait_for(scene.jobs[0])).state == "cancelled"
        assert scene.went_on == []
        scene.idle.set()
        await bg.drain()
    assert scene.went_on == [1, 100]


async def test_a_handler_that_shortens_its_wait_still_needs_a_place(app: Harness) -> None:
    cut = anyio.Event()

    async def wait_until_cut(context: bgjobs.JobContext, job: Any) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_when_cut, group.cancel_scope)
            await context.client.wait_for(job)

    async def cancel_when_cut(scope: anyio.CancelScope) -> None:
        await cut.wait()
        scope.cancel()

    scene = Scene(app, wait_until_cut)
    async with bgjobs.run(scene.config) as bg:
        await scene.begin(bg, waiting=1, later=1)
        cut.set()
        await until(lambda: scene.state.waiting == {})
        assert scene.went_on == []
        scene.gates[0].set()
        scene.idle.set()
        await bg.drain()
    assert scene.went_on == [0, 100]
    assert scene.running.most == 1


@pytest.mark.parametrize("how", ["stopped", "left", "cancelled"])
async def test_at_a_shutdown_a_wait_for_a_job_that_never_starts_ends_with_the_grace(
    app: Harness, how: str
) -> None:
    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        job = await context.client.enqueue(child.request())
        await context.client.wait_for(job)

    config = app.config(parent, enqueue_only=[child], queue=ONE_SLOT, grace=0.05)
    with anyio.CancelScope() as scope:
        async with bgjobs.run(config) as bg:
            job = await bg.enqueue(parent.request())
            await until(lambda: len(state_of(bg).waiting) == 1)
            if how == "stopped":
                bg.stop()
            if how == "cancelled":
                scope.cancel()
    assert app.stored(job).interruptions == 1
    assert len(app.recorder.of(QueueStopped)) == 1


async def test_in_the_grace_a_handler_goes_on_when_the_job_has_ended(app: Harness) -> None:
    scene = Scene(app)
    async with bgjobs.run(scene.config) as bg:
        await scene.begin(bg, waiting=2, later=1)
        bg.stop()
        for number in (1, 0):
            await scene.open_gate(number)
        assert scene.went_on == []
        scene.idle.set()
    assert scene.went_on == [1, 0]
    assert scene.running.most == 1


async def test_a_wait_that_raises_leaves_the_queue_as_it_was(sqlite_app: Harness) -> None:
    raised: list[BaseException] = []

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        try:
            await context.client.wait_for(new_id())
        except UnknownJobError as error:
            raised.append(error)
        gone = await context.client.enqueue(child.request().available_in(hours=1))
        async with anyio.create_task_group() as group:
            group.start_soon(context.client.admin.delete, gone.id)
            try:
                await context.client.wait_for(gone)
            except UnknownJobError as error:
                raised.append(error)

    async with bgjobs.run(sqlite_app.config(parent, child, queue=ONE_SLOT)) as bg:
        ended = await bg.wait_for(await bg.enqueue(parent.request()))
        assert ended.state == "succeeded", ended
        await bg.drain()
        assert slots() == 1
    assert [type(one) for one in raised] == [UnknownJobError] * 2


@pytest.mark.parametrize("dies", [False, True])
async def test_a_wait_that_outlives_its_handler_ends_and_leaves_the_queue_as_it_was(
    app: Harness, dies: bool
) -> None:
    gate, waited = anyio.Event(), list[str]()

    @bgjobs.worker
    async def awaited() -> None:
        await gate.wait()

    async def wait(context: bgjobs.JobContext, job: Any) -> None:
        waited.append((await context.client.wait_for(job)).state)

    @bgjobs.worker
    async def careless(context: bgjobs.JobContext) -> None:
        job = await context.client.enqueue(awaited.request())
        group.start_soon(wait, context, job)
        await until(lambda: len(state_of(bg).waiting) == 1)

    @bgjobs.worker
    async def crash() -> None:
        raise NotAnException

    queue = {"concurrency": 3, "max_retries": 0}
    config = app.config(careless, awaited, crash, child, queue=queue, **RESTARTING)
    async with bgjobs.run(config) as bg:
        async with anyio.create_task_group() as group:
            await bg.wait_for(await bg.enqueue(careless.request()))
            if dies:
                await bg.enqueue(crash.request())
                await app.recorder.wait_for(QueueStopped)
                assert state_of(bg).waiting == {}
            gate.set()
        assert waited == ["succeeded"]
        for _ in range(10):
            await bg.wait_for(await bg.enqueue(child.request()))
        assert (state_of(bg).waiting, slots()) == ({}, 3)


async def test_handlers_that_wait_when_their_queue_dies_run_again(app: Harness) -> None:
    starts: list[int] = []

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext, number: int) -> None:
        starts.append(number)
        if len(starts) > 3:
            return
        job = await context.client.enqueue(child.request().available_in(hours=1))
        await context.client.wait_for(job)

    @bgjobs.worker
    async def crash() -> None:
        raise NotAnException

    config = app.config(parent, child, crash, queue=ONE_SLOT, **RESTARTING)
    async with bgjobs.run(config) as bg:
        jobs = await bg.enqueue_many([parent.request(one) for one in range(3)])
        await until(lambda: len(state_of(bg).waiting) == 3)
        await bg.enqueue(crash.request())
        for job in jobs:
            assert (await bg.wait_for(job)).state == "succeeded"
        assert state_of(bg).waiting == {}


async def test_a_lease_that_is_lost_ends_the_handlers_that_wait(app: Harness) -> None:
    store = FaultyStore(app.database.store())
    stopped = anyio.Event()

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        job = await context.client.enqueue(child.request().available_in(hours=1))
        try:
            await context.client.wait_for(job)
        except anyio.get_cancelled_exc_class():
            stopped.set()
            raise

    config = app.config(parent, child, queue=ONE_SLOT, store=store, lease=1.0)
    async with bgjobs.run(config) as bg:
        await bg.enqueue(parent.request())
        await until(lambda: len(state_of(bg).waiting) == 1)
        store.away = True
        await stopped.wait()
        store.away = False
        bg.stop(grace=0)
