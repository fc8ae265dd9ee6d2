"""Middleware under `run_one`, `run_virtual` and `drain`, in virtual time."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.events import JobSucceeded
from bgjobs.testing import Recorder, drain, run_one, run_virtual
from tests.testing.conftest import real_time

pytestmark = pytest.mark.anyio

customer: ContextVar[str] = ContextVar("customer")
entered: list[str] = []


@asynccontextmanager
async def outer(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
    entered.append(f"outer {context.attempt}")
    await anyio.sleep(60)
    yield
    entered.append("outer left")


@asynccontextmanager
async def inner(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
    entered.append("inner")
    token = customer.set("Ada")
    yield
    customer.reset(token)


@bgjobs.worker(timeout=300)
async def send() -> None:
    entered.append(customer.get())


@bgjobs.worker(timeout=300)
def send_in_a_thread() -> None:
    time.sleep(0.01)  # virtual time stands still meanwhile
    entered.append(customer.get())


ORDER = ["outer 1", "inner", "Ada", "outer left"]


@pytest.mark.parametrize("worker", [send, send_in_a_thread])
async def test_run_one_runs_a_job_inside_middleware(worker: Any) -> None:
    entered.clear()
    before = anyio.current_time()
    ended = await run_one(worker, worker.request(), middleware=(one for one in (outer, inner)))
    assert (ended.how, entered) == ("succeeded", ORDER)
    assert anyio.current_time() - before == pytest.approx(60)


@real_time
async def test_run_one_raises_what_a_middleware_raises() -> None:
    failure = LookupError("no pool")

    @asynccontextmanager
    async def broken(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
        raise failure
        yield

    with pytest.raises(LookupError) as caught:
        await run_one(send, send.request(), middleware=[broken])
    assert caught.value is failure
    ended = await run_one(send, send.request(), middleware=[broken], raising=False)
    assert (ended.how, ended.error) == ("raised", failure)


async def test_run_one_reports_a_suppressed_exception() -> None:
    @bgjobs.worker
    async def failing() -> None:
        raise ValueError("no")

    @asynccontextmanager
    async def quiet(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
        with suppress(ValueError):
            yield

    with pytest.raises(RuntimeError, match="quiet' suppressed ValueError, so") as caught:
        await run_one(failing, failing.request(), middleware=[quiet])
    assert isinstance(caught.value.__cause__, ValueError)


async def test_the_timeout_covers_middleware_in_run_one() -> None:
    @asynccontextmanager
    async def slow(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
        yield
        await anyio.sleep(301)

    with pytest.raises(TimeoutError, match="timed out after 300 seconds"):
        await run_one(send, send.request(), middleware=[inner, slow])


async def test_run_one_writes_what_a_middleware_gives_to_complete_with() -> None:
    written: list[bgjobs.Job] = []

    @asynccontextmanager
    async def noting(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
        yield
        context.complete_with(lambda _: written.append(job))

    ended = await run_one(send, send.request(), middleware=[inner, noting])
    assert [job.id for job in written] == [ended.job.id]


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (inner, "middleware: expected a list of functions, found function"),
        (None, "middleware: expected a list of functions, found NoneType"),
        ([inner, 5], "middleware[1]: expected a function of a job and its context that"),
    ],
)
async def test_run_one_checks_middleware_before_anything_is_stored(
    wrong: Any, problem: str, tmp_path: Any
) -> None:
    store = bgjobs.SQLiteStore(tmp_path / "jobs.db")
    with pytest.raises(TypeError) as caught:
        await run_one(send, send.request(), store=store, middleware=wrong)
    assert str(caught.value).startswith(problem)
    assert not (tmp_path / "jobs.db").exists()


@pytest.mark.parametrize("worker", [send, send_in_a_thread])
async def test_run_virtual_and_drain_run_jobs_inside_middleware(worker: Any) -> None:
    entered.clear()
    recorder = Recorder()
    queue = bgjobs.Queue("mail", workers=[worker], middleware=[inner])
    store = bgjobs.SQLiteStore("unused.db")
    config = bgjobs.Config(store=store, queues=[queue], middleware=[outer])
    async with run_virtual(config, listeners=[recorder]) as bg:
        await bg.enqueue(worker.request().available_in(days=3))
        assert (await drain(bg, with_delayed=True)).check().runs == 1
    assert entered == ORDER
    assert recorder.one(JobSucceeded, worker).seconds == pytest.approx(60)
