"""Handlers in nurseries whose queue stops, loses its lease or crashes: their children go on."""

from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.history import PastReservation
from tests.runtime.conftest import Harness
from tests.runtime.nurseries.families import ONE_TRY, children_of, double, states_of

pytestmark = pytest.mark.anyio


class Parent:
    """A worker that waits for one child, and runs again in another application."""

    def __init__(self) -> None:
        self.waits = anyio.Event()
        self.runs = 0
        self.children = set[Any]()

        @bgjobs.worker(keep_result=True)
        async def parent(context: bgjobs.JobContext) -> int:
            self.runs += 1
            async with context.open_nursery() as nursery:
                child = await nursery.enqueue(double.request(21))
                self.children.add(child.id)
                self.waits.set()
            return child.result

        self.worker = parent

    def config(self, app: Harness, *more: bgjobs.Worker[..., Any]) -> bgjobs.Config:
        return app.config(
            self.worker, *more, queue=ONE_TRY, enqueue_only=[double], heartbeat_interval=0.1
        )


async def wait_until_waiting(bg: bgjobs.BgJobs) -> None:
    with anyio.fail_after(30):
        while not bg.queue("default").waiting:
            await anyio.sleep(0.01)


async def test_a_stop_interrupts_a_waiting_handler_at_once_and_uncounted(app: Harness) -> None:
    parent = Parent()
    async with bgjobs.run(parent.config(app)) as bg:
        job = await bg.enqueue(parent.worker.request())
        await wait_until_waiting(bg)
        assert bg.queue("default").running == ()
        bg.stop(grace=3600)
    stored = app.stored(job)
    assert (stored.interruptions, stored.crashes, stored.attempts) == (0, 0, 0)
    # The queue may have been reserving jobs when it was stopped.
    ends = [one.ended for one in stored.history if isinstance(one, PastReservation)]
    assert ends in (["interrupted"], ["interrupted", "released"])
    assert states_of(app, job) == ["waiting"]
    async with bgjobs.run(app.config(parent.worker, double)) as bg:
        assert await bg.result(job) == 42
    assert (parent.runs, len(parent.children)) == (2, 1)


async def test_a_nursery_that_is_opened_after_the_interruption_leaves_its_children(
    app: Harness,
) -> None:
    begun, interrupted = anyio.Event(), anyio.Event()

    @bgjobs.worker(keep_result=True)
    async def parent(context: bgjobs.JobContext) -> int:
        begun.set()
        with anyio.CancelScope(shield=True):
            await interrupted.wait()
        async with context.open_nursery() as nursery:
            child = await nursery.enqueue(double.request(21))
        return child.result

    async with bgjobs.run(app.config(parent, queue=ONE_TRY, enqueue_only=[double])) as bg:
        job = await bg.enqueue(parent.request())
        await begun.wait()
        bg.stop(grace=0)
        await anyio.sleep(0.05)  # the grace ends, which interrupts the handler
        interrupted.set()
    assert states_of(app, job) == ["waiting"]
    async with bgjobs.run(app.config(parent, double)) as bg:
        assert await bg.result(job) == 42
    assert states_of(app, job) == ["succeeded"]


async def test_a_cancelled_application_leaves_the_children(app: Harness) -> None:
    parent = Parent()
    with anyio.CancelScope() as scope:
        async with bgjobs.run(parent.config(app)) as bg:
            job = await bg.enqueue(parent.worker.request())
            await wait_until_waiting(bg)
            scope.cancel()
            await anyio.sleep_forever()
    assert states_of(app, job) == ["waiting"]
    async with bgjobs.run(app.config(parent.worker, double)) as bg:
        assert await bg.result(job) == 42
    assert len(parent.children) == 1


async def test_a_queue_that_crashes_leaves_the_children(app: Harness) -> None:
    parent = Parent()

    @bgjobs.worker
    async def crash() -> None:
        raise BaseException

    async with bgjobs.run(parent.config(app, crash)) as bg:
        job = await bg.enqueue(parent.worker.request())
        await wait_until_waiting(bg)
        await bg.enqueue(crash.request())
        with anyio.fail_after(30):
            while parent.runs < 2:
                await anyio.sleep(0.01)
        await wait_until_waiting(bg)
        assert states_of(app, job) == ["waiting"]
        assert app.stored(job).crashes == 0
    assert len(parent.children) == 1


async def test_a_child_that_ended_meanwhile_is_adopted_with_its_result(app: Harness) -> None:
    parent = Parent()
    async with bgjobs.run(parent.config(app)) as bg:
        job = await bg.enqueue(parent.worker.request())
        await wait_until_waiting(bg)
        bg.stop()
    async with bgjobs.run(app.config(double)) as bg:
        [child] = children_of(app, job)
        assert (await bg.wait_for(child.id)).state == "succeeded"
    async with bgjobs.run(parent.config(app)) as bg:
        assert await bg.result(job) == 42
    assert len(parent.children) == 1
