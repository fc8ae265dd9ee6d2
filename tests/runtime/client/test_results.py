"""Results: what a handler returns, stored with its job and read by any client."""

from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from anyio import Event, move_on_after
from attrs import field, frozen

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._runtime.persistence import batch_limits
from bgjobs.errors import JobCancelledError, JobFailedError, ResultError, UnknownJobError
from bgjobs.events import JobAttemptFailed, JobStarted, ReservationLost
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


@frozen
class Sum:
    amount: int
    parts: list[str]


@frozen
class Login:
    name: str
    password: str = field(repr=False)


@bgjobs.worker(keep_result=True)
async def total(*amounts: int) -> Sum:
    return Sum(sum(amounts), [str(one) for one in amounts])


@bgjobs.worker(keep_result=True)
def double(amount: int) -> int:
    return 2 * amount


@bgjobs.worker(keep_result=True)
async def nothing() -> int | None:
    return None


@bgjobs.worker
async def unkept() -> int:
    return 1


@bgjobs.worker(keep_result=True)
async def broken() -> int:
    raise ValueError("no box")


@bgjobs.worker(keep_result=True)
async def untrue(amount: int) -> list[int]:
    return [amount, "x"]  # type: ignore[list-item]  # pyright: ignore[reportReturnType] - wrong on purpose


async def test_a_result_is_read_by_the_job_and_by_its_id(app: Harness) -> None:
    async with bgjobs.run(app.config(total, double, nothing)) as bg:
        job = await bg.enqueue(total.request(1, 2))
        assert await bg.result(job) == Sum(3, ["1", "2"])
        assert await bg.result(job.id, worker=total) == Sum(3, ["1", "2"])
        assert await bg.result(await bg.enqueue(double.request(4))) == 8
        assert await bg.result(await bg.enqueue(nothing.request())) is None
        ended = await bg.wait_for(job)
        assert isinstance(ended, bgjobs.SucceededJob)
        assert ended.result == Sum(3, ["1", "2"])
        assert await bg.result(ended) == ended.result


async def test_every_read_knows_the_results_of_known_workers(app: Harness) -> None:
    async with bgjobs.run(app.config(double, unkept)) as bg:
        jobs = await bg.enqueue_many([double.request(one) for one in range(3)])
        plain = await bg.enqueue(unkept.request())
        for job in (*jobs, plain):
            await bg.wait_for(job)
        found = await bg.list(bgjobs.JobFilter("succeeded", name="double"))
        assert {job.result for job in found} == {0, 2, 4}
        [other] = await bg.list(bgjobs.JobFilter("succeeded", name="unkept"))
        with pytest.raises(TypeError, match=f"job {plain.id} .* no result was kept"):
            _ = other.result


async def test_a_client_elsewhere_waits_for_the_result(app: Harness) -> None:
    config = app.config(double)
    async with bgjobs.run(config), bgjobs.connect(app.config(double)) as client:
        assert await client.result(await client.enqueue(double.request(1))) == 2


async def test_a_client_without_the_worker_is_given_it(app: Harness) -> None:
    async with bgjobs.run(app.config(double)) as bg:
        job = await bg.enqueue(double.request(1))
        await bg.wait_for(job)
    async with bgjobs.connect(app.config(unkept)) as client:
        found = await client.find(job.id)
        assert isinstance(found, bgjobs.SucceededJob)
        with pytest.raises(TypeError, match="no worker 'double' with keep_result"):
            _ = found.result
        with pytest.raises(TypeError, match="this configuration has no worker 'double'; pass"):
            await client.result(job)
        typed = await client.find(job.id, worker=double)
        assert isinstance(typed, bgjobs.SucceededJob)
        assert typed.result == await client.result(job.id, worker=double) == 2


async def test_a_failed_job_has_no_result(app: Harness) -> None:
    async with bgjobs.run(app.config(broken, queue={"max_retries": 0})) as bg:
        job = await bg.enqueue(broken.request())
        with pytest.raises(JobFailedError) as caught:
            await bg.result(job)
        assert caught.value.job == await bg.find(job.id)
        expected = f"job {job.id} of worker 'broken' failed: ValueError: no box"
        assert str(caught.value) == expected


async def test_a_cancelled_job_has_no_result(app: Harness) -> None:
    async with bgjobs.run(app.config(double)) as bg:
        job = await bg.enqueue(double.request(1).available_in(hours=1))
        await bg.admin.cancel(job.id, reason="not wanted", by="ann")
        with pytest.raises(JobCancelledError) as caught:
            await bg.result(job)
        assert caught.value.job == await bg.find(job.id)
        expected = f"job {job.id} of worker 'double' was cancelled by ann: not wanted"
        assert str(caught.value) == expected


async def test_a_result_is_pruned_with_its_job(app: Harness) -> None:
    async with bgjobs.run(app.config(double)) as bg:
        job = await bg.enqueue(double.request(1))
        assert await bg.result(job) == 2
        assert await bg.admin.prune(succeeded_for=timedelta(0)) == 1
        for call in (bg.result(job), bg.result(job.id, worker=double)):
            with pytest.raises(UnknownJobError):
                await call
        with pytest.raises(UnknownJobError):
            await bg.result(new_id(), worker=double)


async def test_a_worker_that_keeps_no_results_is_refused_before_the_wait(
    app: Harness,
) -> None:
    expected = (
        "result: worker 'unkept' keeps no results; declare it with "
        "@bgjobs.worker(keep_result=True)"
    )
    async with bgjobs.run(app.config(unkept)) as bg:
        job = await bg.enqueue(unkept.request().available_in(days=1))
        for call in (bg.result(job), bg.result(job.id, worker=unkept)):
            with pytest.raises(TypeError) as caught:
                await call
            assert str(caught.value) == expected


async def test_an_id_alone_is_refused(app: Harness) -> None:
    expected = "result: expected a job, or an id and its worker, found an id alone"
    async with bgjobs.run(app.config(double)) as bg:
        with pytest.raises(TypeError) as caught:
            await bg.result(new_id())  # type: ignore[call-overload]  # wrong on purpose
        assert str(caught.value) == expected


async def test_a_job_of_another_worker_is_refused(app: Harness) -> None:
    async with bgjobs.run(app.config(double, total)) as bg:
        job = await bg.enqueue(double.request(1).available_in(days=1))
        expected = f"job {job.id}: expected one of worker 'total', found one of 'double'"
        for call in (bg.find(job.id, worker=total), bg.result(job.id, worker=total)):
            with pytest.raises(ValueError, match="expected one of") as caught:
                await call
            assert str(caught.value) == expected


async def test_a_value_that_does_not_fit_fails_the_attempt(app: Harness) -> None:
    async with bgjobs.run(app.config(untrue, queue={"max_retries": 1})) as bg:
        job = await bg.enqueue(untrue.request(1))
        with pytest.raises(JobFailedError) as caught:
            await bg.result(job)
    [retried] = app.recorder.of(JobAttemptFailed)
    assert retried.error.startswith("ResultError: worker 'untrue': result[1]: expected int")
    errors = [one.error for one in caught.value.job.errors]
    assert [one.partition("\n")[0] for one in errors] == 2 * [
        "ResultError: worker 'untrue': result[1]: expected int, found str"
    ]


async def test_errors_about_a_result_quote_no_hidden_fields(app: Harness) -> None:
    @bgjobs.worker(keep_result=True)
    async def login() -> Login:
        return Login("ada", ["secret"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - wrong on purpose

    async with bgjobs.run(app.config(login, queue={"max_retries": 0})) as bg:
        with pytest.raises(JobFailedError) as caught:
            await bg.result(await bg.enqueue(login.request()))
    assert "secret" not in caught.value.job.error


async def test_a_result_and_complete_with_are_written_together(app: Harness) -> None:
    begun = list[str]()

    @bgjobs.worker(keep_result=True)
    async def both(context: bgjobs.JobContext) -> str:
        context.complete_with(lambda _: begun.append("work"))
        return "done"

    async with bgjobs.run(app.config(both)) as bg:
        assert await bg.result(await bg.enqueue(both.request())) == "done"
    assert begun == ["work"]


async def test_a_result_is_checked_inside_middleware(app: Harness) -> None:
    seen = list[BaseException | None]()

    @asynccontextmanager
    async def watch(_job: bgjobs.Job, _context: bgjobs.JobContext) -> AsyncGenerator[None]:
        try:
            yield
        except BaseException as error:
            seen.append(error)
            raise
        seen.append(None)

    queue = {"max_retries": 0, "middleware": [watch]}
    async with bgjobs.run(app.config(double, total, untrue, queue=queue)) as bg:
        assert await bg.result(await bg.enqueue(double.request(4))) == 8
        assert await bg.result(await bg.enqueue(total.request(1))) == Sum(1, ["1"])
        with pytest.raises(JobFailedError):
            await bg.result(await bg.enqueue(untrue.request(1)))
    assert [type(one) for one in seen] == [type(None), type(None), ResultError]


async def test_a_coroutine_that_a_plain_function_returns_is_awaited(app: Harness) -> None:
    async def later() -> int:
        return 5

    @bgjobs.worker(keep_result=True)
    def deferred() -> Coroutine[Any, Any, int]:
        return later()

    async with bgjobs.run(app.config(deferred)) as bg:
        assert await bg.result(await bg.enqueue(deferred.request())) == 5


@pytest.mark.parametrize("verb", ["write", "complete"])
async def test_a_result_whose_answer_was_lost_is_kept(app: Harness, verb: str) -> None:
    @bgjobs.worker(keep_result=True)
    async def numbered(context: bgjobs.JobContext, number: int) -> int:
        if verb == "complete":
            context.complete_with(lambda _: None)
        store.lose_the_answer(verb)
        return number

    store = FaultyStore(app.database.store())
    async with bgjobs.run(app.config(numbered, store=store)) as bg:
        assert await bg.result(await bg.enqueue(numbered.request(7))) == 7
    assert app.recorder.of(ReservationLost) == []
    assert len(app.recorder.of(JobStarted)) == 1


async def test_a_batch_is_limited_by_the_size_of_its_results(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_limits, "HEAVIEST_BATCH", 100)
    real, batches = app.database.store(), list[int]()

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        batches.append(sum(len(one.result) for one in settle))
        return real.write(enqueue, settle, **kwargs)

    @bgjobs.worker(keep_result=True)
    async def long() -> str:
        return 38 * "x"

    async with bgjobs.run(app.config(long, store=Wrapped(real, write=write))) as bg:
        for job in await bg.enqueue_many([long.request() for _ in range(10)]):
            assert await bg.result(job) == 38 * "x"
    assert sum(batches) == 400
    assert max(batches) <= 100


async def test_a_stored_result_that_no_longer_fits_is_refused(app: Harness) -> None:
    @bgjobs.worker(keep_result=True, name="double")
    async def texts() -> str:
        return "x"

    async with bgjobs.run(app.config(double)) as bg:
        job = await bg.enqueue(double.request(1))
        await bg.wait_for(job)
    async with bgjobs.connect(app.config(texts)) as client:
        with pytest.raises(ResultError) as caught:
            await client.result(job.id, worker=texts)
        assert str(caught.value) == "worker 'double': result: expected str, found int"


async def test_cancelling_the_wait_does_not_change_the_job(app: Harness) -> None:
    begun, proceed = Event(), Event()

    @bgjobs.worker(keep_result=True)
    async def slow() -> int:
        begun.set()
        await proceed.wait()
        return 7

    async with bgjobs.run(app.config(slow)) as bg:
        job = await bg.enqueue(slow.request())
        await app.recorder.wait_for(JobStarted)
        await begun.wait()
        with move_on_after(0) as scope:
            await bg.result(job)
        assert scope.cancelled_caught
        proceed.set()
        assert await bg.result(job) == 7
