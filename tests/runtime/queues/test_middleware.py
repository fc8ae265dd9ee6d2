"""Middleware: its order, what it receives, and what it does to a handler that returns."""

import threading
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any, Self

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs.events import JobSucceeded
from bgjobs.schedules import every
from tests.fixtures.decorators import logged
from tests.runtime.conftest import Harness, virtual_time
from tests.runtime.queues.layers import Notes, end_inside, noting
from tests.runtime.queues.one_slot import healthy

pytestmark = pytest.mark.anyio

user: ContextVar[str] = ContextVar("user", default="unset")


async def test_the_first_is_outermost_and_a_queue_s_are_inside_those_of_the_configuration(
    app: Harness,
) -> None:
    notes: Notes = []

    @bgjobs.worker
    async def send(to: str) -> None:
        await anyio.lowlevel.checkpoint()
        notes.append(to)

    ended = await end_inside(
        app,
        [noting(notes, "c"), noting(notes, "d")],
        send,
        "ada",
        middleware=[noting(notes, "a"), noting(notes, "b")],
    )
    names = ["a", "b", "c", "d"]
    around = [f"{name} enters" for name in names], [f"{name} leaves" for name in names[::-1]]
    assert isinstance(ended, bgjobs.SucceededJob)
    assert notes == [*around[0], "ada", *around[1], *around[0], *around[1]]


async def test_one_function_may_be_entered_several_times(sqlite_app: Harness) -> None:
    notes: Notes = []
    twice = noting(notes, "a")
    await end_inside(sqlite_app, [twice, twice], bgjobs.worker(name="x")(lambda: None))
    assert notes[:4] == ["a enters", "a enters", "a leaves", "a leaves"]


async def test_a_middleware_gets_the_job_and_its_context_although_the_handler_takes_none(
    app: Harness,
) -> None:
    given: list[tuple[bgjobs.Job, bgjobs.JobContext]] = []

    @asynccontextmanager
    async def keeping(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
        given.append((job, context))
        yield

    contexts: list[bgjobs.JobContext] = []

    @bgjobs.worker(timeout=60)
    def without() -> None: ...

    @bgjobs.worker
    async def taking(context: bgjobs.JobContext) -> None:
        contexts.append(context)

    config = app.config(without, taking, middleware=[keeping])
    async with bgjobs.run(config) as bg:
        for worker in (without, taking):
            await bg.wait_for(await bg.enqueue(worker.request()))
    (first, of_first), (second, of_second) = given
    assert (first.name, of_first.job, of_first.attempt) == ("without", first, 1)
    assert of_first.deadline is not None
    assert (second.name, of_second.deadline) == ("taking", None)
    assert [of_second] == contexts


async def test_what_a_middleware_writes_on_leaving_precedes_the_completion(
    app: Harness,
) -> None:
    """A listener learns of the end after the commit, and `wait_for` returns after it."""
    seen: list[Any] = []
    written: list[str] = []

    @asynccontextmanager
    async def committing(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
        yield
        with app.opened() as store:
            stored = store.find(job.id)
            seen.append(getattr(stored, "reserved_by", None) is not None)
        written.append(job.name)

    def listen(event: bgjobs.Event) -> None:
        if isinstance(event, JobSucceeded):
            seen.append(list(written))

    config = app.config(healthy, middleware=[committing], listeners=[listen])
    async with bgjobs.run(config) as bg:
        await bg.wait_for(await bg.enqueue(healthy.request()))
    assert seen == [True, ["healthy"]]


CREATE = "create table bgjobs_test_layers (line text)"


async def test_a_middleware_may_write_with_the_completion(app: Harness) -> None:
    def line(text: str) -> Any:
        insert = f"insert into bgjobs_test_layers values ('{text}')"
        return lambda connection: connection.execute(insert)

    @asynccontextmanager
    async def writing(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
        context.complete_with(line("entering"))
        yield
        context.complete_with(line("leaving"))

    @bgjobs.worker
    async def without() -> None: ...

    @bgjobs.worker
    async def taking(context: bgjobs.JobContext) -> None:
        context.complete_with(line("handler"))

    with app.database.connect() as connection:
        connection.execute(CREATE)
    connection.close()
    try:
        async with bgjobs.run(app.config(without, taking, middleware=[writing])) as bg:
            for worker in (without, taking):
                await bg.wait_for(await bg.enqueue(worker.request()))
        with app.database.connect() as connection:
            lines = list(connection.execute("select line from bgjobs_test_layers"))
        connection.close()
    finally:
        with app.database.connect() as connection:
            connection.execute("drop table bgjobs_test_layers")
        connection.close()
    expected = ["entering", "leaving", "entering", "handler", "leaving"]
    assert [text for (text,) in lines] == expected


@asynccontextmanager
async def as_user(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
    assert user.get() == "unset"
    token = user.set(job.name)
    yield
    user.reset(token)


async def test_context_variables_reach_the_handler_and_no_other_job(app: Harness) -> None:
    seen: list[tuple[str, bool]] = []
    loop = threading.get_ident()

    def look() -> None:
        seen.append((user.get(), threading.get_ident() == loop))
        user.set("changed by a handler")

    @bgjobs.worker
    async def awaiting() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.lowlevel.checkpoint)
            look()

    @bgjobs.worker
    def in_thread() -> None:
        look()

    @bgjobs.worker
    @logged
    async def decorated() -> None:
        await anyio.lowlevel.checkpoint()
        look()

    workers: list[bgjobs.Worker[[], Any]] = [awaiting, in_thread, decorated]
    config = app.config(*workers, queue={"concurrency": 1}, middleware=[as_user])
    async with bgjobs.run(config) as bg:
        for _ in range(2):
            for worker in workers:
                ended = await bg.wait_for(await bg.enqueue(worker.request()))
                assert isinstance(ended, bgjobs.SucceededJob)
    assert seen == 2 * [("awaiting", True), ("in_thread", False), ("decorated", True)]
    assert user.get() == "unset"


async def test_a_middleware_sees_on_leaving_what_an_async_handler_has_set(
    sqlite_app: Harness,
) -> None:
    """As around any `async with`; a thread has a copy of the context."""
    seen: list[str] = []

    @asynccontextmanager
    async def looking(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
        yield
        seen.append(user.get())

    @bgjobs.worker
    async def setting() -> None:
        user.set("handler")

    @bgjobs.worker
    def setting_in_a_thread() -> None:
        user.set("thread")

    config = sqlite_app.config(setting, setting_in_a_thread, middleware=[looking])
    async with bgjobs.run(config) as bg:
        for worker in (setting, setting_in_a_thread):
            await bg.wait_for(await bg.enqueue(worker.request()))
    assert seen == ["handler", "unset"]


async def test_a_scheduled_job_runs_inside_the_middleware_of_the_configuration(
    app: Harness,
) -> None:
    notes: Notes = []

    @bgjobs.worker
    def tick() -> None:
        notes.append("tick")

    config = app.config(
        queues=[],
        scheduled_jobs=[bgjobs.ScheduledJob(tick, every(seconds=0.05))],
        middleware=[noting(notes, "a")],
    )
    async with bgjobs.run(config):
        await app.recorder.wait_for(JobSucceeded)
    assert notes[:3] == ["a enters", "tick", "a leaves"]


class Counting(AbstractAsyncContextManager[Any]):
    """A class whose instances are entered, without contextlib's decorator."""

    left: tuple[Any, ...] = ()

    def __init__(self, job: bgjobs.Job, context: bgjobs.JobContext) -> None:
        self.name = job.name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        Counting.left = (self.name, *exc)


async def test_a_class_is_entered_too(sqlite_app: Harness) -> None:
    await end_inside(sqlite_app, [Counting], bgjobs.worker(name="x")(lambda: None))
    assert Counting.left == ("healthy", None, None, None)


async def test_a_task_group_of_a_middleware_ends_with_the_attempt(app: Harness) -> None:
    beats: list[str] = []

    @asynccontextmanager
    async def beating(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
        async def beat() -> None:
            beats.append(job.name)
            await anyio.sleep_forever()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beat)
            yield
            tasks.cancel_scope.cancel()

    @bgjobs.worker
    async def slow() -> None:
        while not beats:
            await anyio.lowlevel.checkpoint()

    assert isinstance(await end_inside(app, [beating], slow), bgjobs.SucceededJob)
    assert beats[0] == "slow"


@virtual_time
async def test_time_passes_in_middleware_as_in_a_handler(virtual_app: Harness) -> None:
    @asynccontextmanager
    async def slow(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
        await anyio.sleep(60)
        yield
        await anyio.sleep(30)

    @bgjobs.worker
    async def short() -> None:
        await anyio.sleep(10)

    async with bgjobs.run(virtual_app.config(short, middleware=[slow])) as bg:
        await bg.wait_for(await bg.enqueue(short.request()))
    [ended] = virtual_app.recorder.of(JobSucceeded)
    assert ended.seconds == pytest.approx(100)


async def test_without_middleware_no_context_is_made_for_a_handler_that_takes_none(
    sqlite_app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bgjobs.Job] = []

    def counted(job: bgjobs.Job, *rest: Any) -> bgjobs.JobContext:
        made.append(job)
        return bgjobs.JobContext(job, *rest)

    monkeypatch.setattr("bgjobs._runtime.queues.attempt.JobContext", counted)
    async with bgjobs.run(sqlite_app.config(healthy)) as bg:
        await bg.wait_for(await bg.enqueue(healthy.request()))
    assert made == []
