"""A lone write: its task waits for its call itself, and is answered before what follows."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

import bgjobs
from bgjobs._runtime.persistence.threads import StoreThreads
from bgjobs._runtime.persistence.ticket import Ticket
from bgjobs._runtime.persistence.timeouts import Timeouts
from bgjobs._runtime.persistence.waiter import Waiter
from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.types import NewJob, Notice, Written
from tests.fixtures.listings import unreserved
from tests.runtime.conftest import Harness, enqueue_at_last, virtual_time_on_both

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def note(text: str) -> None: ...


class PausedStore:
    """A store whose writes wait until the test lets them go on, and whose notices may wait."""

    needs_notify = True

    def __init__(self, store: bgjobs.Store) -> None:
        self._store = store
        self.begun, self.go_on, self.may_notify = (threading.Event() for _ in range(3))
        self.may_notify.set()
        self.notices: list[Notice] = []
        self.error: Exception | None = None
        self.refusals: list[Exception] = []
        """What the next writes raise."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, enqueue: Sequence[NewJob] = (), *rest: Any, **more: Any) -> Written:
        self.begun.set()
        assert self.go_on.wait(30)
        if self.refusals:
            raise self.refusals.pop()
        return self._store.write(enqueue, *rest, **more)

    def notify(self, notice: Notice) -> None:
        assert self.may_notify.wait(30)
        if self.error is not None:
            raise self.error
        self.notices.append(notice)


@contextmanager
def paused(app: Harness, **more: Any) -> Iterator[tuple[PausedStore, bgjobs.Config]]:
    store = PausedStore(app.database.store())
    try:
        yield store, app.config(store=store, queues=[], enqueue_only=[note], **more)
    finally:
        store.go_on.set()
        store.may_notify.set()


async def until(event: threading.Event) -> None:
    with anyio.fail_after(30):
        while not event.is_set():
            await anyio.sleep(0.001)


async def test_a_caller_is_answered_before_other_processes_are_notified(app: Harness) -> None:
    with paused(app) as (store, config):
        store.go_on.set()
        store.may_notify.clear()
        async with bgjobs.run(config) as bg:
            with anyio.fail_after(30):
                await bg.enqueue(note.request("a"))
            assert not store.notices
            store.may_notify.set()
        assert store.notices == [Notice(frozenset({"note"}))]


@pytest.mark.parametrize("error", [StoreUnavailableError("away"), OverflowError("too far")])
async def test_a_notice_that_fails_is_no_error_of_the_caller(
    app: Harness, error: Exception
) -> None:
    with paused(app) as (store, config):
        store.go_on.set()
        store.error = error
        async with bgjobs.run(config) as bg:
            await bg.enqueue(note.request("a"))
            assert (await bg.count()).waiting == 1


async def test_a_write_that_succeeds_at_the_second_try_is_notified_of(app: Harness) -> None:
    with paused(app) as (store, config):
        store.go_on.set()
        store.refusals.append(StoreUnavailableError("away"))
        async with bgjobs.run(config) as bg:
            await bg.enqueue(note.request("a"))
    assert not store.refusals
    assert store.notices == [Notice(frozenset({"note"}))]


async def test_a_lone_call_that_takes_too_long_is_unavailable_and_may_be_stored(
    app: Harness,
) -> None:
    with paused(app, store_timeout=0.05) as (store, config):
        async with bgjobs.run(config) as bg:
            with pytest.raises(StoreUnavailableError, match=r"no answer within 0\.05 s$"):
                await bg.enqueue(note.request("a"))
            store.go_on.set()
            await enqueue_at_last(bg, note.request("b"))  # the first write has ended by then
            assert {job.payload for job in await unreserved(bg)} == {
                note.request(text).payload for text in "ab"
            }


async def test_a_lone_call_that_is_cancelled_leaves_the_next_ones_alone(app: Harness) -> None:
    with paused(app) as (store, config):
        async with bgjobs.run(config) as bg:
            async with anyio.create_task_group() as callers:
                callers.start_soon(bg.enqueue, note.request("a"))
                await until(store.begun)
                callers.cancel_scope.cancel()
            store.go_on.set()
            for text in "bcd":
                await bg.enqueue(note.request(text))
            assert (await bg.count()).waiting == 4


async def test_callers_of_two_applications_that_share_a_loop_are_each_answered(
    app: Harness,
) -> None:
    one, two = (app.config(queues=[], enqueue_only=[note]) for _ in range(2))

    async def enqueue(bg: bgjobs.BgJobs) -> None:
        for number in range(20):
            await bg.enqueue(note.request(str(number)))

    async with bgjobs.run(one) as first, bgjobs.run(two) as second:
        async with anyio.create_task_group() as callers:
            callers.start_soon(enqueue, first)
            callers.start_soon(enqueue, second)
        assert (await first.count()).waiting == 40


@contextmanager
def begun(threads: StoreThreads, work: Callable[[], object]) -> Iterator[Waiter]:
    """Take the waiter of threads, begin a call, and yield what waits for its end."""
    waiter = threads.free_waiter
    assert waiter is not None
    with waiter:
        threads.begin(work, lambda _, __: waiter.set(), waiter=waiter)
        yield waiter


async def start(threads: StoreThreads, around: TaskGroup) -> None:
    around.start_soon(threads.run)
    await threads.call(int)


async def test_one_task_at_a_time_has_the_waiter() -> None:
    threads = StoreThreads(1)
    assert threads.free_waiter is None
    async with anyio.create_task_group() as around:
        await start(threads, around)
        with begun(threads, int) as waiter:
            assert threads.free_waiter is None
            await waiter.wait()
        assert threads.free_waiter is waiter
        threads.finish()
    assert threads.free_waiter is None


async def test_a_call_whose_task_has_left_is_handled_by_the_threads() -> None:
    threads, go_on, ended = StoreThreads(1), threading.Event(), anyio.Event()
    async with anyio.create_task_group() as around:
        await start(threads, around)
        waiter = threads.free_waiter
        assert waiter is not None
        with waiter:
            threads.begin(lambda: go_on.wait(30), lambda _, __: ended.set(), waiter=waiter)
        go_on.set()
        with anyio.fail_after(30):
            await ended.wait()
        with begun(threads, int) as again, anyio.fail_after(30):
            await again.wait()
        threads.finish()


async def test_an_event_set_by_another_task_ends_the_wait() -> None:
    threads, go_on = StoreThreads(1), threading.Event()
    async with anyio.create_task_group() as around:
        await start(threads, around)
        with begun(threads, lambda: go_on.wait(30)) as waiter:
            around.start_soon(_set, waiter)
            with anyio.fail_after(30):
                await waiter.wait()
        go_on.set()
        threads.finish()


async def _set(waiter: Waiter) -> None:
    waiter.set()


async def test_what_follows_a_call_is_done_only_if_it_has_succeeded() -> None:
    threads, done = StoreThreads(1), list[str]()

    def fail() -> None:
        raise LookupError

    async with anyio.create_task_group() as around:
        await start(threads, around)
        threads.begin(fail, lambda _, __: None, lambda: done.append("after an error"))
        threads.begin(int, lambda _, __: None, lambda: done.append("after success"))
        threads.finish()
    assert done == ["after success"]


@virtual_time_on_both
async def test_a_wait_ends_after_its_seconds_and_not_before(virtual_app: Harness) -> None:
    timeouts, started = Timeouts(10), anyio.current_time()
    ends = dict[str, float]()

    async def wait(name: str, delay: float) -> None:
        await anyio.sleep(delay)
        ticket = Ticket((), None)
        done = ticket.done = anyio.Event()
        timeouts.watch(ticket)
        await done.wait()
        assert ticket.answer is None
        ends[name] = anyio.current_time() - started

    async def answered(delay: float) -> None:
        await anyio.sleep(delay)
        ticket = Ticket((), None)
        ticket.done = anyio.Event()
        timeouts.watch(ticket)
        ticket.take(Written((), ()))

    async with anyio.create_task_group() as around:
        around.start_soon(timeouts.run)
        async with anyio.create_task_group() as waits:
            for name, delay in (("a", 0), ("b", 4), ("c", 25)):
                waits.start_soon(wait, name, delay)
            for delay in (0, 3, 12, 13, 26):
                waits.start_soon(answered, delay)
        timeouts.stop()
    assert ends == pytest.approx({"a": 10, "b": 14, "c": 35})
