"""`Config.lifespan`: opened before the first job, closed after the last handler has ended."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.errors import ConfigError, NotRunningError
from bgjobs.events import Event, JobStarted, JobSucceeded, QueueStarted, QueueStopped
from bgjobs.schedules import every
from tests.fixtures.listings import unreserved_in
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


class Pool:
    """What the lifespans here yield."""

    def __init__(self) -> None:
        self.is_open = True


Steps = list[str]


def lifespan(
    steps: Steps, value: object = None
) -> Callable[[bgjobs.Client], AbstractAsyncContextManager[object]]:
    """Return a lifespan that writes down what happens to it."""

    @asynccontextmanager
    async def open_it(client: bgjobs.Client) -> AsyncGenerator[object]:
        assert type(client) is bgjobs.Client
        steps.append("opened")
        try:
            yield value
        except BaseException as error:
            steps.append(f"closed by {type(error).__name__}")
            raise
        else:
            steps.append("closed")

    return open_it


def recorded(steps: Steps) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        if isinstance(event, QueueStarted | JobStarted | JobSucceeded | QueueStopped):
            steps.append(type(event).__name__)

    return listen


@bgjobs.worker
async def fine() -> None:
    """Succeed."""


@bgjobs.worker
async def use(context: bgjobs.JobContext[Pool]) -> None:
    assert context.resources.is_open


async def test_it_is_open_from_before_the_first_queue_until_after_the_last_handler(
    app: Harness,
) -> None:
    steps, go_on = Steps(), anyio.Event()

    @bgjobs.worker
    async def slow() -> None:
        await go_on.wait()
        steps.append("the handler ends")

    config = app.config(slow, lifespan=lifespan(steps), listeners=[recorded(steps)])
    async with bgjobs.run(config) as bg:
        await bg.enqueue(slow.request())
        while "JobStarted" not in steps:
            await anyio.lowlevel.checkpoint()
        bg.stop()
        go_on.set()
    assert steps == [
        "opened",
        "QueueStarted",
        "JobStarted",
        "the handler ends",
        "JobSucceeded",
        "QueueStopped",
        "closed",
    ]


async def test_handlers_find_what_it_yields(app: Harness) -> None:
    found: list[object] = []
    pool = Pool()

    @bgjobs.worker
    async def of_loop(context: bgjobs.JobContext[Pool]) -> None:
        found.append(context.resources)

    @bgjobs.worker
    def in_thread(context: bgjobs.JobContext[Pool]) -> None:
        found.append(context.resources)

    config = app.config(of_loop, in_thread, lifespan=lifespan(Steps(), pool))
    async with bgjobs.run(config) as bg:
        await bg.enqueue(of_loop.request())
        await bg.enqueue(in_thread.request())
        await bg.add_scheduled_job(
            bgjobs.ScheduledJob(of_loop, every(seconds=0.01), name="often")
        )
        while len(found) < 3:
            await anyio.lowlevel.checkpoint()
    assert all(one is pool for one in found)


async def test_without_a_lifespan_resources_are_none(sqlite_app: Harness) -> None:
    found: list[object] = []

    @bgjobs.worker
    async def bare(context: bgjobs.JobContext) -> None:
        found.append(context.resources)

    @bgjobs.worker
    async def of_nothing(context: bgjobs.JobContext[None]) -> None:
        found.append(context.resources)

    async with bgjobs.run(sqlite_app.config(bare, of_nothing)) as bg:
        await bg.enqueue(bare.request())
        await bg.enqueue(of_nothing.request())
        await bg.drain()
    assert found == [None, None]


async def test_its_client_enqueues_when_it_is_opened_and_when_it_is_closed(
    app: Harness,
) -> None:
    kept: list[bgjobs.Client] = []

    @asynccontextmanager
    async def open_it(client: bgjobs.Client) -> AsyncIterator[None]:
        kept.append(client)
        await client.enqueue(fine.request())
        yield
        await client.enqueue(fine.request())

    async with bgjobs.run(app.config(fine, lifespan=open_it)) as bg:
        await app.recorder.wait_for(JobSucceeded)
        bg.stop()
    with app.opened() as store:
        assert len(unreserved_in(store, "fine")) == 1
    with pytest.raises(NotRunningError):
        await kept[0].enqueue(fine.request())


@pytest.mark.parametrize("error", [ValueError("no pool"), KeyboardInterrupt(), SystemExit(4)])
async def test_an_error_at_its_opening_stops_the_start_unchanged(
    app: Harness, error: BaseException
) -> None:
    opened, before = list[str](), len(anyio.get_running_tasks())
    store = app.database.store()

    @asynccontextmanager
    async def open_it(_: bgjobs.Client) -> AsyncIterator[None]:
        raise error
        yield

    def open_owner(*args: Any, **settings: Any) -> None:
        opened.append("lease")
        store.open_owner(*args, **settings)

    wrapped = Wrapped(store, open_owner=open_owner)
    with pytest.raises(type(error)) as caught:
        async with bgjobs.run(app.config(fine, lifespan=open_it, store=wrapped)):
            raise AssertionError("it must not start")
    assert caught.value is error
    assert opened == []
    assert app.recorder.of(QueueStarted) == []
    assert len(anyio.get_running_tasks()) == before


async def test_a_cancellation_of_its_opening_ends_the_start(app: Harness) -> None:
    steps = Steps()

    @asynccontextmanager
    async def open_it(_: bgjobs.Client) -> AsyncIterator[None]:
        try:
            steps.append("opening")
            scope.cancel()
            await anyio.sleep_forever()
            yield
        finally:
            steps.append("cancelled")

    with anyio.CancelScope() as scope:
        async with bgjobs.run(app.config(fine, lifespan=open_it)):
            raise AssertionError("it must not start")
    assert scope.cancelled_caught
    assert steps == ["opening", "cancelled"]
    assert app.recorder.of(QueueStarted) == []


async def test_an_error_at_its_closing_is_raised(app: Harness) -> None:
    @asynccontextmanager
    async def open_it(_: bgjobs.Client) -> AsyncIterator[None]:
        yield
        raise ValueError("not closed")

    with pytest.raises(ValueError, match="not closed"):
        async with bgjobs.run(app.config(fine, lifespan=open_it)) as bg:
            await bg.enqueue(fine.request())
            await bg.drain()
    with app.opened() as store:  # all else has ended in order
        assert not store.list(bgjobs.JobFilter("running"))
        assert len(store.list(bgjobs.JobFilter("succeeded"))) == 1


async def test_an_error_of_the_block_closes_it_and_is_raised_unchanged(app: Harness) -> None:
    steps, error = Steps(), ValueError("of the block")
    with pytest.raises(ValueError, match="of the block") as caught:
        async with bgjobs.run(app.config(fine, lifespan=lifespan(steps))):
            raise error
    assert caught.value is error
    assert steps == ["opened", "closed by ValueError"]


async def test_a_lifespan_cannot_suppress_an_error_of_the_block(app: Harness) -> None:
    @asynccontextmanager
    async def open_it(_: bgjobs.Client) -> AsyncIterator[None]:
        try:
            yield
        except ValueError:
            return

    error = ValueError("of the block")
    with pytest.raises(ValueError, match="of the block") as caught:
        async with bgjobs.run(app.config(fine, lifespan=open_it)):
            raise error
    assert caught.value is error


async def test_a_cancellation_of_the_block_closes_it_after_the_handlers(app: Harness) -> None:
    steps = Steps()

    @bgjobs.worker
    async def forever() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            steps.append("the handler ends")

    with anyio.CancelScope() as scope:
        async with bgjobs.run(app.config(forever, lifespan=lifespan(steps))) as bg:
            await bg.enqueue(forever.request())
            await app.recorder.wait_for(JobStarted)
            scope.cancel()
            await anyio.sleep_forever()
    cancelled = anyio.get_cancelled_exc_class().__name__
    assert steps == ["opened", "the handler ends", f"closed by {cancelled}"]


async def test_it_is_closed_when_a_queue_has_crashed_too_often(app: Harness) -> None:
    steps, store = Steps(), app.database.store()

    def reserve(*_: Any, **__: Any) -> None:
        raise ValueError("no reservation")

    tolerance = bgjobs.RestartTolerance(restarts=0)
    wrapped = Wrapped(store, reserve=reserve)
    config = app.config(
        fine, lifespan=lifespan(steps), store=wrapped, restart_tolerance=tolerance
    )
    with pytest.raises(ExceptionGroup, match="crashed more than 0 times"):
        async with bgjobs.run(config):
            await anyio.sleep_forever()
    assert steps == ["opened", "closed"]


async def test_serve_opens_it_and_connect_does_not(app: Harness) -> None:
    steps = Steps()
    config = app.config(fine, lifespan=lifespan(steps))
    async with anyio.create_task_group() as group:
        bg = await group.start(bgjobs.serve, config)
        assert steps == ["opened"]
        bg.stop()
    assert steps == ["opened", "closed"]
    async with bgjobs.connect(config) as client:
        await client.enqueue(fine.request())
    assert steps == ["opened", "closed"]


async def test_an_object_of_a_class_can_be_the_lifespan(sqlite_app: Harness) -> None:
    class Resources:
        def __init__(self, client: bgjobs.Client) -> None:
            self.client = client

        async def __aenter__(self) -> Pool:
            return Pool()

        async def __aexit__(self, *_: object) -> None: ...

    async with bgjobs.run(sqlite_app.config(use, lifespan=Resources)) as bg:
        ended = await bg.wait_for(await bg.enqueue(use.request()))
    assert ended.state == "succeeded"


@contextmanager
def plain(_: bgjobs.Client) -> Iterator[None]:
    yield


async def coroutine(_: bgjobs.Client) -> None: ...


async def generator(_: bgjobs.Client) -> AsyncIterator[None]:
    yield


EXPECTED = (
    "invalid configuration: lifespan: expected a function of the client that returns an async "
    "context manager, found one that returned an object of type {}; decorate the function with "
    "@contextlib.asynccontextmanager"
)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (plain, "'_GeneratorContextManager'"),
        (coroutine, "'coroutine'"),
        (generator, "'async_generator'"),
        (lambda _: None, "'NoneType'"),
        (lambda _: Pool(), "'Pool'"),
    ],
)
async def test_what_returns_no_async_context_manager_is_a_clear_error(
    sqlite_app: Harness, function: Any, found: str
) -> None:
    def hidden(client: bgjobs.Client) -> Any:
        return function(client)

    config = sqlite_app.config(fine, lifespan=hidden)
    with pytest.raises(ConfigError) as caught:
        async with bgjobs.run(config):
            raise AssertionError("it must not start")
    assert str(caught.value) == EXPECTED.format(found)
    assert sqlite_app.recorder.of(QueueStarted) == []


async def test_workers_that_run_elsewhere_may_expect_other_resources(app: Harness) -> None:
    @bgjobs.worker
    async def elsewhere(context: bgjobs.JobContext[int]) -> None: ...

    config = app.config(lifespan=lifespan(Steps(), Pool()), queues=[], enqueue_only=[elsewhere])
    async with bgjobs.run(config) as bg:
        await bg.enqueue(elsewhere.request())
