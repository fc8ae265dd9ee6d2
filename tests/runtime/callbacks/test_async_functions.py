"""Async functions and generators are refused or reported where a plain function is expected."""

import functools
import gc
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.backoff import Custom
from bgjobs.errors import ConfigError
from bgjobs.events import JobSucceeded, ListenerFailed, QueueError
from bgjobs.stores.types import NewJob
from bgjobs.testing import check_repeatable, refute_enqueued, run_one
from tests.runtime.conftest import Harness, virtual_time_on_both

pytestmark = pytest.mark.anyio


CREATE = "create table bgjobs_test_lines (line text)"


async def write_async(connection: Any) -> None:
    connection.execute("insert into bgjobs_test_lines values ('async')")


def write_lazily(connection: Any) -> Iterator[None]:
    connection.execute("insert into bgjobs_test_lines values ('lazy')")
    yield


async def write_lazily_async(connection: Any) -> AsyncIterator[None]:
    connection.execute("insert into bgjobs_test_lines values ('lazy')")
    yield


def write(connection: Any) -> None:
    connection.execute("insert into bgjobs_test_lines values ('plain')")


@contextmanager
def written(connection: Any) -> Iterator[None]:
    write(connection)
    yield


class Writer:
    async def __call__(self, connection: Any) -> None:
        write(connection)


class Later:
    def __await__(self) -> Generator[None, None, None]:
        yield


def disguised(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap an async function so that it looks like a plain one."""

    def inner(*args: Any) -> Any:
        return function(*args)

    return inner


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    return functools.wraps(function)(disguised(function))


async def failed_and_lines(app: Harness, *works: Any) -> tuple[Any, list[str]]:
    """Run a job with this completion work; return the ended job and the written lines."""

    @bgjobs.worker
    async def effect(context: bgjobs.JobContext) -> None:
        for work in works:
            context.complete_with(work)

    with app.database.connect() as connection:
        connection.execute(CREATE)
    connection.close()
    try:
        async with bgjobs.run(app.config(effect, queue={"max_retries": 0})) as bg:
            ended = await bg.wait_for(await bg.enqueue(effect.request()))
        gc.collect()  # a coroutine never awaited causes a warning, which is an error here
        with app.database.connect() as connection:
            lines = list(connection.execute("select line from bgjobs_test_lines"))
        connection.close()
    finally:
        with app.database.connect() as connection:
            connection.execute("drop table bgjobs_test_lines")
        connection.close()
    return ended, [line for (line,) in lines]


@pytest.mark.parametrize(
    ("work", "found"),
    [
        (write_async, "an async one"),
        (Writer(), "an async one"),
        (functools.partial(write_async), "an async one"),
        (write_lazily, "a generator function"),
        (write_lazily_async, "a generator function"),
        (wrapped(write_lazily), "a generator function"),
        (written, "a generator function"),
        (None, "NoneType"),
    ],
)
async def test_completion_work_that_is_not_a_plain_function_is_refused(
    sqlite_app: Harness, work: Any, found: str
) -> None:
    failed, lines = await failed_and_lines(sqlite_app, write, work)
    assert isinstance(failed, bgjobs.FailedJob)
    expected = f"TypeError: complete_with: expected a plain function, found {found}\n"
    assert failed.error.startswith(expected)
    assert lines == []


@pytest.mark.parametrize(
    ("work", "found"),
    [
        (disguised(write_async), "coroutine"),
        (wrapped(write_async), "coroutine"),
        (disguised(write_lazily), "generator"),
        (disguised(write_lazily_async), "async_generator"),
        (disguised(written), "_GeneratorContextManager"),
        (lambda connection: Later(), "Later"),
        (lambda connection: map(connection.execute, [CREATE]), "map"),
    ],
)
async def test_completion_work_that_has_not_run_when_it_returns_fails_the_attempt(
    app: Harness, work: Any, found: str
) -> None:
    failed, lines = await failed_and_lines(app, write, work)
    assert isinstance(failed, bgjobs.FailedJob)
    assert failed.error.partition("\n")[0] == (
        f"TypeError: worker 'effect': complete_with: expected a plain function that does its "
        f"work before it returns, found one that returned an object of type {found!r}"
    )
    assert lines == []


async def test_completion_work_may_return_a_cursor(app: Harness) -> None:
    insert = "insert into bgjobs_test_lines values ('cursor')"
    done, lines = await failed_and_lines(
        app, lambda raw: raw.execute(insert), lambda raw: raw.execute(insert).rowcount, write
    )
    assert isinstance(done, bgjobs.SucceededJob)
    assert lines == ["cursor", "cursor", "plain"]


async def test_run_one_refuses_async_completion_work() -> None:
    @bgjobs.worker
    async def effect(context: bgjobs.JobContext) -> None:
        context.complete_with(disguised(write_async))

    with pytest.raises(TypeError, match="worker 'effect': complete_with: expected a plain"):
        await run_one(effect, effect.request())


@bgjobs.worker
async def note() -> None: ...


@bgjobs.worker
async def raising() -> None:
    raise ValueError


async def seconds(attempt: int) -> float:
    return 1.0


class AsyncPolicy:
    async def delay(self, attempt: int, random: object) -> timedelta:
        return timedelta(seconds=1)


async def stamp(request: bgjobs.JobRequest) -> bgjobs.JobRequest:
    return request


ONE_EVENT = "expected a function of one event"


def listen_lazily(event: object) -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (
            lambda app: app.config(note, before_enqueue=stamp),
            "Config: before_enqueue: expected a plain function, found an async one",
        ),
        (
            lambda app: app.config(note, queue={"backoff": seconds}),
            "queue 'default': backoff: expected a plain function, found an async one",
        ),
        (
            lambda app: app.config(note, queue={"backoff": AsyncPolicy()}),
            "queue 'default': backoff.delay: expected a plain function, found an async one",
        ),
        (
            lambda app: bgjobs.RestartTolerance(backoff=seconds),  # type: ignore[arg-type]  # refused at run time
            "RestartTolerance: backoff: expected a plain function, found an async one",
        ),
        (
            lambda app: app.config(note, listeners=[print, listen_lazily]),
            f"Config: listeners[1]: {ONE_EVENT}, found a generator function",
        ),
    ],
)
def test_an_async_function_as_a_setting_is_refused_by_name(
    sqlite_app: Harness, make: Callable[[Harness], object], problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make(sqlite_app)
    assert caught.value.problems == (problem,)


class HiddenPolicy:
    def delay(self, attempt: int, random: object) -> Any:
        return seconds(attempt)


@virtual_time_on_both
@pytest.mark.parametrize(
    ("backoff", "message"),
    [
        (disguised(seconds), "expected seconds or a timedelta, found coroutine"),
        (lambda attempt: None, "expected seconds or a timedelta, found NoneType"),
        (HiddenPolicy(), "backoff HiddenPolicy: expected a timedelta, found coroutine"),
    ],
)
async def test_a_backoff_that_returns_no_delay_is_reported_and_loses_no_job(
    virtual_app: Harness, backoff: Any, message: str
) -> None:
    config = virtual_app.config(raising, queue={"backoff": backoff})
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(raising.request())
        (reported,) = await virtual_app.recorder.wait_for(QueueError)
        await bg.drain()
        waiting = await bg.find(job.id)
    gc.collect()
    assert isinstance(reported.error, TypeError)
    assert str(reported.error).startswith("backoff ")
    assert message in str(reported.error)
    assert isinstance(waiting, bgjobs.Job)
    assert waiting.attempts == 1


def test_the_error_of_a_backoff_names_the_function() -> None:
    with pytest.raises(
        TypeError, match=r"^backoff str: expected seconds or a timedelta, found str"
    ):
        Custom(str).delay(0, None)  # type: ignore[arg-type]  # refused at run time


async def hear(event: object) -> None: ...


@pytest.mark.parametrize(
    ("listener", "found"),
    [
        (disguised(hear), "coroutine"),
        (disguised(listen_lazily), "generator"),
        (lambda event: Later(), "Later"),
    ],
)
async def test_a_listener_that_has_not_run_when_it_returns_is_reported(
    sqlite_app: Harness, listener: Any, found: str
) -> None:
    async with bgjobs.run(
        sqlite_app.config(note, listeners=[listener, sqlite_app.recorder])
    ) as bg:
        await bg.enqueue(note.request())
        await sqlite_app.recorder.wait_for(JobSucceeded)
    gc.collect()
    reported = sqlite_app.recorder.of(ListenerFailed)
    assert reported
    assert {type(event.error) for event in reported} == {TypeError}
    assert f"found one that returned an object of type {found!r}" in str(reported[0].error)


async def test_an_async_listener_that_returns_a_coroutine_is_reported(
    sqlite_app: Harness,
) -> None:
    async def listen(event: object) -> Any:
        return hear(event)

    async with bgjobs.run(
        sqlite_app.config(note, listeners=[listen, sqlite_app.recorder])
    ) as bg:
        await bg.enqueue(note.request())
        (reported, *_) = await sqlite_app.recorder.wait_for(ListenerFailed)
    gc.collect()
    assert "listen: expected a plain function that does its work" in str(reported.error)


PROGRESSING: dict[str, dict[str, Any]] = {
    "retry_all": {"wanted": bgjobs.JobFilter("failed")},
    "cancel_all": {"wanted": bgjobs.JobFilter("delayed"), "reason": "enough"},
    "prune": {"failed_for": timedelta(microseconds=1)},
    "import_failed": {"lines": ["no line"]},
}


@pytest.mark.parametrize("verb", PROGRESSING)
async def test_an_async_progress_function_is_refused_before_anything_changes(
    app: Harness, verb: str
) -> None:
    async def progress(done: int) -> None: ...

    arguments = PROGRESSING[verb]
    config = app.config(raising, note, queue={"max_retries": 0})
    async with bgjobs.run(config) as bg:
        failed = await bg.enqueue(raising.request())
        later = await bg.enqueue(note.request().available_in(days=1))
        await bg.wait_for(failed)
        with pytest.raises(TypeError) as caught:
            await getattr(bg.admin, verb)(**arguments, progress=progress)
        assert str(caught.value) == "progress: expected a plain function, found an async one"
        assert isinstance(await bg.find(failed.id), bgjobs.FailedJob)
        assert isinstance(await bg.find(later.id), bgjobs.Job)
        if verb in ("retry_all", "prune"):
            with pytest.raises(
                TypeError, match="progress: expected a plain function that does"
            ):
                await getattr(bg.admin, verb)(**arguments, progress=disguised(progress))
    gc.collect()


async def test_the_testing_kit_refuses_async_callbacks(tmp_path: Any) -> None:
    async def matches() -> bool:
        return False

    store = bgjobs.SQLiteStore(tmp_path / "jobs.db")
    store.open()
    store.migrate()
    store.write([NewJob(new_id(), note.request())])
    store.close()
    with pytest.raises(TypeError, match="matching: expected a plain function"):
        refute_enqueued(store, note, matching=matches)  # type: ignore[arg-type]  # refused at run time
    with pytest.raises(TypeError, match="reset: expected a plain function"):
        await check_repeatable(
            note, note.request(), effects=list, reset=lambda: listen_lazily(None)
        )
    gc.collect()
    await anyio.lowlevel.checkpoint()
