"""Nurseries of handlers: children, their results, and what the block refuses."""

from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.errors import NoWorkerForJobError
from bgjobs.events import JobEnqueued
from tests.runtime.conftest import Harness
from tests.runtime.nurseries.families import (
    ONE_SLOT,
    ONE_TRY,
    children_of,
    double,
    fibonacci,
    sleep,
    states_of,
)

pytestmark = pytest.mark.anyio


@bgjobs.worker(keep_result=True)
async def total(context: bgjobs.JobContext, numbers: list[int]) -> int:
    async with context.open_nursery() as nursery:
        parts = [await nursery.enqueue(double.request(one)) for one in numbers]
    return sum(part.result for part in parts)


async def test_the_block_ends_after_its_children_and_has_their_results(app: Harness) -> None:
    async with bgjobs.run(app.config(total, double, queue=ONE_SLOT)) as bg:
        job = await bg.enqueue(total.request([1, 2, 3, 3]))
        assert await bg.result(job) == 18
        assert states_of(app, job) == ["succeeded"] * 4


@pytest.mark.parametrize(
    ("concurrency", "number", "result", "jobs"), [(1, 12, 144, 465), (3, 7, 13, 41)]
)
async def test_a_tree_of_nurseries_ends(
    app: Harness, concurrency: int, number: int, result: int, jobs: int
) -> None:
    queue = {"concurrency": concurrency, "max_retries": 0, "max_waiting": 15}
    async with bgjobs.run(app.config(fibonacci, queue=queue)) as bg:
        assert await bg.result(await bg.enqueue(fibonacci.request(number))) == result
        counts = await bg.count()
        assert (counts.succeeded, counts.waiting, counts.running) == (jobs, 0, 0)


async def test_many_children_are_stored_together(app: Harness) -> None:
    @bgjobs.worker(keep_result=True)
    async def many(context: bgjobs.JobContext) -> int:
        async with context.open_nursery() as nursery:
            parts = await nursery.enqueue_many(double.request(one) for one in range(1500))
        return sum(part.result for part in parts)

    async with bgjobs.run(app.config(many, double)) as bg:
        assert await bg.result(await bg.enqueue(many.request())) == 1500 * 1499


async def test_a_child_knows_its_parent_and_runs_before_it(app: Harness) -> None:
    async with bgjobs.run(app.config(total, double)) as bg:
        job = await bg.enqueue(total.request([1]).priority(7))
        await bg.wait_for(job)
        [child] = children_of(app, job)
        assert child.job is not None
        assert (child.job.parent_id, child.job.priority) == (job.id, 6)
        enqueued = [event.job.id for event in app.recorder.of(JobEnqueued)]
        assert enqueued == [job.id, child.id]


async def test_a_child_keeps_the_options_of_its_request(app: Harness) -> None:
    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        async with context.open_nursery() as nursery:
            await nursery.enqueue(double.request(1).priority(3))
            await nursery.enqueue(double.request(2).with_metadata(tenant="a"))

    async with bgjobs.run(app.config(parent, double)) as bg:
        job = await bg.enqueue(parent.request())
        await bg.wait_for(job)
        found = [child.job for child in children_of(app, job)]
        assert [(one.priority, one.metadata) for one in found if one is not None] == [
            (3, {}),
            (-1, {"tenant": "a"}),
        ]


async def test_a_block_without_children_ends_at_once(app: Harness) -> None:
    async with bgjobs.run(app.config(total, double, queue=ONE_TRY)) as bg:
        assert await bg.result(await bg.enqueue(total.request([]))) == 0


async def test_a_child_is_waited_for_within_the_block(app: Harness) -> None:
    @bgjobs.worker(keep_result=True)
    async def chain(context: bgjobs.JobContext) -> int:
        async with context.open_nursery() as nursery:
            first = await nursery.enqueue(double.request(1))
            with pytest.raises(RuntimeError, match="its result is known after the block of"):
                first.result  # noqa: B018 - raises
            await first.wait()
            second = await nursery.enqueue(double.request(first.result))
        return second.result

    async with bgjobs.run(app.config(chain, double, queue=ONE_SLOT)) as bg:
        assert await bg.result(await bg.enqueue(chain.request())) == 4


async def test_nurseries_of_one_handler_in_tasks_have_their_own_children(app: Harness) -> None:
    @bgjobs.worker(keep_result=True)
    async def two(context: bgjobs.JobContext) -> list[int]:
        results: list[int] = []

        async def one() -> None:
            async with context.open_nursery() as nursery:
                part = await nursery.enqueue(double.request(5))
            results.append(part.result)

        async with anyio.create_task_group() as group:
            group.start_soon(one)
            group.start_soon(one)
        return results

    async with bgjobs.run(app.config(two, double, queue=ONE_SLOT)) as bg:
        job = await bg.enqueue(two.request())
        assert await bg.result(job) == [10, 10]
        assert len(children_of(app, job)) == 2


async def test_a_child_without_result_has_none(app: Harness) -> None:
    @bgjobs.worker
    async def quiet() -> None: ...

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        async with context.open_nursery() as nursery:
            child = await nursery.enqueue(quiet.request())
        assert (child.name, child.job.state) == ("quiet", "succeeded")
        assert repr(child) == f"<ChildJob {child.id} of worker 'quiet', succeeded>"
        with pytest.raises(TypeError, match="no result was kept"):
            child.result  # noqa: B018 - raises

    async with bgjobs.run(app.config(parent, quiet, queue=ONE_TRY)) as bg:
        ended = await bg.wait_for(await bg.enqueue(parent.request()))
        assert ended.state == "succeeded", ended


async def refused(app: Harness, request: Any, **key: Any) -> BaseException:
    """Return what `enqueue` of a nursery raises for a request."""
    errors: list[BaseException] = []

    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        async with context.open_nursery() as nursery:
            try:
                await nursery.enqueue(request, **key)
            except Exception as error:  # noqa: BLE001 - the tests look at it
                errors.append(error)

    async with bgjobs.run(app.config(parent, double)) as bg:
        job = await bg.enqueue(parent.request())
        assert (await bg.wait_for(job)).state == "succeeded"
        assert children_of(app, job) == []
    [error] = errors
    return error


async def test_a_unique_key_is_refused(sqlite_app: Harness) -> None:
    error = await refused(sqlite_app, double.request(1).unique("k"))
    assert isinstance(error, ValueError)
    assert str(error) == (
        "enqueue: worker 'double': a child of a nursery cannot have a unique key: leave "
        ".unique(...) out, and pass key= to choose its key in the nursery"
    )


async def test_an_unknown_worker_is_refused(sqlite_app: Harness) -> None:
    error = await refused(sqlite_app, sleep.request())
    assert isinstance(error, NoWorkerForJobError)


async def test_what_is_no_request_is_refused(sqlite_app: Harness) -> None:
    error = await refused(sqlite_app, double)
    assert isinstance(error, TypeError)
    assert "expected a JobRequest" in str(error)


async def test_an_invalid_key_is_refused(sqlite_app: Harness) -> None:
    error = await refused(sqlite_app, double.request(1), key="")
    assert isinstance(error, ValueError)
    assert str(error).startswith("enqueue: key: expected 1 to 200 printable characters")


async def test_a_nursery_that_has_ended_starts_nothing(sqlite_app: Harness) -> None:
    @bgjobs.worker
    async def parent(context: bgjobs.JobContext) -> None:
        async with context.open_nursery() as nursery:
            pass
        with pytest.raises(RuntimeError, match="the block of this nursery has ended"):
            await nursery.enqueue(double.request(1))

    async with bgjobs.run(sqlite_app.config(parent, double, queue=ONE_TRY)) as bg:
        ended = await bg.wait_for(await bg.enqueue(parent.request()))
        assert ended.state == "succeeded", ended


async def error_of(app: Harness, parent: Any) -> str:
    """Return the first line of the error with which a job of a worker has failed."""
    async with bgjobs.run(app.config(parent, double, queue=ONE_TRY)) as bg:
        ended = await bg.wait_for(await bg.enqueue(parent.request()))
        assert isinstance(ended, bgjobs.FailedJob)
        return ended.error.partition("\n")[0]


async def test_a_plain_handler_opens_no_nursery(sqlite_app: Harness) -> None:
    @bgjobs.worker
    def parent(context: bgjobs.JobContext) -> None:
        context.open_nursery()

    assert await error_of(sqlite_app, parent) == (
        "TypeError: open_nursery: worker 'parent': expected an async handler, found a plain "
        "function, which cannot open a nursery"
    )


@pytest.mark.parametrize(
    "limit", [{"global_limit": 3}, {"rate_limit": bgjobs.RateLimit(3, period=1)}]
)
async def test_a_worker_with_a_limit_opens_no_nursery(
    sqlite_app: Harness, limit: dict[str, Any]
) -> None:
    async def parent(context: bgjobs.JobContext) -> None:
        context.open_nursery()

    error = await error_of(sqlite_app, bgjobs.worker(**limit)(parent))
    assert error.startswith(
        "ValueError: open_nursery: worker 'parent' has a global limit or a rate limit, for"
    )


def test_a_context_made_by_hand_has_no_nurseries() -> None:
    job: Any = None
    context: bgjobs.JobContext[Any] = bgjobs.JobContext(job)
    with pytest.raises(RuntimeError, match="this JobContext has no nurseries, as no queue"):
        context.open_nursery()


def test_cancel_on_failure_is_a_flag() -> None:
    job: Any = None
    wrong: Any = "no"
    with pytest.raises(TypeError, match="open_nursery: cancel_on_failure: expected True or Fa"):
        bgjobs.JobContext(job).open_nursery(cancel_on_failure=wrong)


async def test_ids_of_children_are_new(sqlite_app: Harness) -> None:
    before = new_id()
    async with bgjobs.run(sqlite_app.config(total, double)) as bg:
        job = await bg.enqueue(total.request([1, 2]))
        await bg.wait_for(job)
        ids = [child.id for child in children_of(sqlite_app, job)]
        assert sorted(ids) == ids
        assert before < job.id < ids[0]
