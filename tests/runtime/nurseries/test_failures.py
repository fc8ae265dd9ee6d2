"""Children that end without success, and blocks that raise or are cancelled."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.errors import ChildCancelledError, ChildFailedError
from tests.runtime.conftest import Harness
from tests.runtime.nurseries.families import (
    ONE_TRY,
    children_of,
    double,
    fail,
    sleep,
    states_of,
)

pytestmark = pytest.mark.anyio

Block = Callable[[bgjobs.JobContext, bgjobs.JobNursery], Awaitable[None]]


class Scene:
    """One job whose handler opens a nursery, and what its block has raised."""

    def __init__(self, app: Harness, block: Block, **options: Any) -> None:
        self.app = app
        self.errors: list[BaseException] = []

        @bgjobs.worker
        async def parent(context: bgjobs.JobContext) -> None:
            try:
                async with context.open_nursery(**options) as nursery:
                    await block(context, nursery)
            except BaseException as error:
                self.errors.append(error)
                raise

        self.parent = parent

    async def run(self, **queue: Any) -> bgjobs.EndedJob:
        config = self.app.config(self.parent, double, fail, sleep, queue={**ONE_TRY, **queue})
        async with bgjobs.run(config) as bg:
            job = await bg.enqueue(self.parent.request())
            ended = await bg.wait_for(job)
            await bg.drain()
            self.states = states_of(self.app, job)
            return ended

    @property
    def group(self) -> ExceptionGroup[Exception]:
        [error] = self.errors
        assert isinstance(error, ExceptionGroup)
        return error


async def test_a_failure_cancels_the_block_and_the_other_children(app: Harness) -> None:
    async def block(context: bgjobs.JobContext, nursery: bgjobs.JobNursery) -> None:
        await nursery.enqueue(sleep.request())
        await nursery.enqueue(fail.request("no paper"))
        await nursery.enqueue(sleep.request().available_in(hours=1))
        await anyio.sleep_forever()

    scene = Scene(app, block)
    ended = await scene.run()
    assert scene.states == ["cancelled", "failed", "cancelled"]
    assert [type(error) for error in scene.group.exceptions] == [
        ChildCancelledError,
        ChildFailedError,
        ChildCancelledError,
    ]
    running, failed, delayed = scene.group.exceptions
    assert str(failed).endswith("of worker 'fail' failed: ValueError: no paper")
    for one in (running, delayed):
        assert str(one).endswith(
            "was cancelled: another job of its nursery ended without success"
        )
    assert isinstance(ended, bgjobs.FailedJob)
    assert scene.group.message == (
        f"job {ended.id} of worker 'parent': children have ended without success"
    )


async def test_a_failure_after_the_block_cancels_the_other_children(app: Harness) -> None:
    async def block(context: bgjobs.JobContext, nursery: bgjobs.JobNursery) -> None:
        await nursery.enqueue(sleep.request())
        await nursery.enqueue(fail.request("no").available_in(seconds=0.1))

    scene = Scene(app, block)
    await scene.run()
    assert scene.states == ["cancelled", "failed"]
    assert len(scene.group.exceptions) == 2


async def test_without_cancel_on_failure_the_others_go_on(app: Harness) -> None:
    async def block(context: bgjobs.JobContext, nursery: bgjobs.JobNursery) -> None:
        failed = await nursery.enqueue(fail.request("no"))
        await failed.wait()
        with pytest.raises(bgjobs.errors.JobFailedError):
            failed.result  # noqa: B018 - raises
        await nursery.enqueue(double.request(1).available_in(seconds=0.1))

    scene = Scene(app, block, cancel_on_failure=False)
    await scene.run()
    assert scene.states == ["failed", "succeeded"]
    [error] = scene.group.exceptions
    assert isinstance(error, ChildFailedError)


async def test_a_child_that_an_operator_cancels_is_no_success(app: Harness) -> None:
    async def block(context: bgjobs.JobContext, nursery: bgjobs.JobNursery) -> None:
        child = await nursery.enqueue(sleep.request())
        await context.client.admin.cancel(child.id, reason="not today", by="ops")

    scene = Scene(app, block)
    await scene.run()
    [error] = scene.group.exceptions
    assert isinstance(error, ChildCancelledError)
    assert str(error).endswith("was cancelled by ops: not today")


async def test_an_error_of_the_block_is_raised_after_its_children_are_cancelled(
    app: Harness,
) -> None:
    async def block(context: bgjobs.JobContext, nursery: bgjobs.JobNursery) -> None:
        await nursery.enqueue(sleep.request())
        raise LookupError("mine")

    scene = Scene(app, block)
    ended = await scene.run()
    [error] = scene.errors
    assert isinstance(error, LookupError)
    assert scene.states == ["cancelled"]
    assert isinstance(ended, bgjobs.FailedJob)
    assert ended.error.startswith("LookupError: mine")


async def test_an_error_of_the_block_and_a_failed_child_are_raised_in_a_group(
    app: Harness,
) -> None:
    async def block(context: bgjobs.JobContext, nursery: bgjobs.JobNursery) -> None:
        failed = await nursery.enqueue(fail.request("theirs"))
        await failed.wait()
        raise LookupError("mine")

    scene = Scene(app, block, cancel_on_failure=False)
    await scene.run()
    assert [type(error) for error in scene.group.exceptions] == [LookupError, ChildFailedError]


async def test_a_timeout_of_the_handlers_own_cancels_the_children(app: Harness) -> None:
    parents: list[str] = []

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        with anyio.move_on_after(0.1):
            async with context.open_nursery() as nursery:
                await nursery.enqueue(sleep.request())
        parents.append("goes on")

    async with bgjobs.run(app.config(parent, sleep, queue=ONE_TRY)) as bg:
        job = await bg.enqueue(parent.request())
        assert (await bg.wait_for(job)).state == "succeeded"
        assert parents == ["goes on"]
        [child] = children_of(app, job)
        assert isinstance(child.job, bgjobs.CancelledJob)
        assert child.job.reason == "the block of its nursery was left by an exception"


async def test_the_timeout_of_the_worker_cancels_the_children(app: Harness) -> None:
    @bgjobs.worker(timeout=0.2)
    async def parent(context: bgjobs.JobContext) -> None:
        async with context.open_nursery() as nursery:
            await nursery.enqueue(sleep.request())

    async with bgjobs.run(app.config(parent, sleep, queue=ONE_TRY)) as bg:
        job = await bg.enqueue(parent.request())
        ended = await bg.wait_for(job)
        assert isinstance(ended, bgjobs.FailedJob)
        assert ended.error == "TimeoutError: timed out after 0.2 seconds"
        assert states_of(app, job) == ["cancelled"]


async def test_an_operator_who_cancels_the_parent_cancels_its_children(app: Harness) -> None:
    started = anyio.Event()

    @bgjobs.worker
    async def child() -> None:
        started.set()
        await anyio.sleep_forever()

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        async with context.open_nursery() as nursery:
            await nursery.enqueue(child.request())

    async with bgjobs.run(app.config(parent, child, queue=ONE_TRY)) as bg:
        job = await bg.enqueue(parent.request())
        await started.wait()
        await bg.admin.cancel(job.id, reason="enough", by="ops")
        ended = await bg.wait_for(job)
        assert isinstance(ended, bgjobs.CancelledJob)
        await bg.drain()
        assert states_of(app, job) == ["cancelled"]


async def test_discard_cancels_the_children_and_wins(app: Harness) -> None:
    async def block(context: bgjobs.JobContext, nursery: bgjobs.JobNursery) -> None:
        await nursery.enqueue(sleep.request())
        raise bgjobs.Discard("no need")

    scene = Scene(app, block)
    ended = await scene.run()
    assert isinstance(ended, bgjobs.FailedJob)
    assert ended.error == "no need"
    assert scene.states == ["cancelled"]


async def test_snooze_leaves_the_children_to_the_next_run(app: Harness) -> None:
    runs: list[Any] = []

    @bgjobs.worker(keep_result=True)
    async def parent(context: bgjobs.JobContext) -> int:
        async with context.open_nursery() as nursery:
            child = await nursery.enqueue(double.request(4).available_in(seconds=0.3))
            runs.append(child.id)
            if len(runs) == 1:
                raise bgjobs.Snooze(for_=0.05)
        return child.result

    async with bgjobs.run(app.config(parent, double, queue=ONE_TRY)) as bg:
        job = await bg.enqueue(parent.request())
        assert await bg.result(job) == 8
        assert len(runs) == 2
        assert len(set(runs)) == 1


async def test_a_retry_starts_failed_children_anew_and_keeps_succeeded_ones(
    app: Harness,
) -> None:
    calls: list[str] = []

    @bgjobs.worker(max_retries=0, keep_result=True)
    async def part(name: str) -> str:
        calls.append(name)
        if name == "bad" and calls.count("bad") == 1:
            raise ValueError(name)
        return name

    @bgjobs.worker(keep_result=True)
    async def parent(context: bgjobs.JobContext) -> list[str]:
        async with context.open_nursery(cancel_on_failure=False) as nursery:
            parts = [await nursery.enqueue(part.request(one)) for one in ("good", "bad")]
        return [one.result for one in parts]

    async with bgjobs.run(app.config(parent, part)) as bg:
        job = await bg.enqueue(parent.request())
        assert await bg.result(job) == ["good", "bad"]
        assert sorted(calls) == ["bad", "bad", "good"]


async def test_children_that_a_later_run_does_not_start_end_with_the_parent(
    app: Harness,
) -> None:
    runs: list[int] = []

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        runs.append(1)
        async with context.open_nursery() as nursery:
            if len(runs) == 1:
                await nursery.enqueue(sleep.request())
                await nursery.enqueue(double.request(1).available_in(hours=1))
                raise bgjobs.Snooze(for_=0.05)

    async with bgjobs.run(app.config(parent, sleep, double, queue=ONE_TRY)) as bg:
        job = await bg.enqueue(parent.request())
        assert (await bg.wait_for(job)).state == "succeeded"
        with anyio.fail_after(30):
            while states_of(app, job) != ["cancelled", "cancelled"]:
                await anyio.sleep(0.05)
        [running, delayed] = children_of(app, job)
        for child in (running, delayed):
            assert isinstance(child.job, bgjobs.CancelledJob)
            assert child.job.reason == "its parent has ended"
