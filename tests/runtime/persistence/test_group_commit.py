"""Group commit: waiting writes share a transaction, and each caller gets its own result."""

import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

import bgjobs
from bgjobs._core.jobs import Job
from bgjobs._runtime.persistence import batch_limits
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import JobEnqueued, StoreCalled
from bgjobs.stores.types import NewJob, Written
from tests.fixtures.listings import unreserved, unreserved_in
from tests.runtime.conftest import Harness, virtual_time

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def note(text: str) -> None: ...


class GatedStore:
    """A store that records its writes, which wait while its gate is closed."""

    def __init__(self, store: bgjobs.Store) -> None:
        self._store = store
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[str]] = []
        self.before: Callable[[list[str]], None] = lambda names: None
        """Called with the payloads of a batch before its write, which fails if this raises."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, enqueue: Sequence[NewJob] = (), *rest: Any, **more: Any) -> Written:
        payloads = [one.request.payload for one in enqueue]
        self.batches.append(payloads)
        self.gate.wait(timeout=30)  # so that a failed test does not hang
        self.before(payloads)
        return self._store.write(enqueue, *rest, **more)


def text(name: str) -> str:
    return note.request(name).payload


def producer(app: Harness, **more: Any) -> tuple[GatedStore, bgjobs.Config]:
    """A process that only enqueues, so every write is one of the test."""
    store = GatedStore(app.database.store())
    return store, app.config(store=store, queues=[], enqueue_only=[note], **more)


@asynccontextmanager
async def closed_gate(store: GatedStore) -> AsyncGenerator[TaskGroup]:
    """Yield a task group whose writes wait until the end of the block."""
    async with anyio.create_task_group() as group:
        store.gate.clear()
        yield group
        await anyio.wait_all_tasks_blocked()
        store.gate.set()


async def stored(bg: bgjobs.BgJobs) -> list[str]:
    return [job.payload for job in await unreserved(bg)]


async def test_a_lone_enqueue_is_written_at_once_and_alone(app: Harness) -> None:
    store, config = producer(app)
    async with bgjobs.run(config) as bg:
        for name in "abc":
            await bg.enqueue(note.request(name))
    assert store.batches == [[text("a")], [text("b")], [text("c")]]


async def test_jobs_that_arrive_during_a_write_are_written_as_one_batch(app: Harness) -> None:
    store, config = producer(app)
    onlooker = app.open_store()
    answers: dict[str, Job] = {}

    async def enqueue(bg: bgjobs.BgJobs, name: str) -> None:
        answers[name] = await bg.enqueue(note.request(name))
        assert onlooker.find(answers[name].id) == answers[name]

    names = [f"{number:02}" for number in range(40)]
    async with bgjobs.run(config) as bg, closed_gate(store) as group:
        group.start_soon(enqueue, bg, "first")
        await anyio.wait_all_tasks_blocked()
        for name in names:
            group.start_soon(enqueue, bg, name)
        await anyio.wait_all_tasks_blocked()
        assert answers == {}
    onlooker.close()
    first, second = store.batches
    assert first == [text("first")]
    assert sorted(second) == [text(name) for name in names]
    assert {name: job.payload for name, job in answers.items()} == {
        name: text(name) for name in ["first", *names]
    }
    writes = [one for one in app.recorder.of(StoreCalled) if one.verb == "write"]
    assert len(writes) == 2 < len(app.recorder.of(JobEnqueued)) == 41


async def test_a_call_with_many_jobs_returns_them_in_order(app: Harness) -> None:
    store, config = producer(app)
    answers: dict[str, list[str]] = {}

    async def enqueue(bg: bgjobs.BgJobs, name: str, count: int) -> None:
        requests = [note.request(f"{name}{number}") for number in range(count)]
        answers[name] = [job.payload for job in await bg.enqueue_many(requests)]

    async with bgjobs.run(config) as bg, closed_gate(store) as group:
        for name, count in (("a", 1), ("b", 3), ("c", 0), ("d", 5), ("e", 1)):
            group.start_soon(enqueue, bg, name, count)
    assert answers == {
        name: [text(f"{name}{number}") for number in range(count)]
        for name, count in (("a", 1), ("b", 3), ("c", 0), ("d", 5), ("e", 1))
    }


async def test_a_batch_ends_at_its_limit_but_a_larger_call_is_not_split(
    sqlite_app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_limits, "LARGEST_BATCH", 10)
    store, config = producer(sqlite_app)

    async def enqueue(bg: bgjobs.BgJobs, count: int) -> None:
        await bg.enqueue_many([note.request("x")] * count)

    async with bgjobs.run(config) as bg, closed_gate(store) as group:
        for count in (1, 6, 4, 1, 25, 2):
            group.start_soon(enqueue, bg, count)
            await anyio.wait_all_tasks_blocked()
    assert [len(batch) for batch in store.batches] == [1, 10, 1, 25, 2]


@pytest.mark.parametrize("broken", [{"payload": None}, {"options": None}], ids=str)
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside others"])
async def test_a_request_that_breaks_the_write_fails_only_its_caller(
    app: Harness, broken: dict[str, Any], alone: bool
) -> None:
    store, config = producer(app)
    request = note.request("broken")
    for name, value in broken.items():
        object.__setattr__(request, name, value)
    raised = list[BaseException]()

    async def enqueue_broken() -> None:
        try:
            await bg.enqueue(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not the others'
            raised.append(error)

    async with bgjobs.run(config) as bg, anyio.create_task_group() as group:
        if not alone:
            store.gate.clear()
            group.start_soon(bg.enqueue, note.request("first"))
            await anyio.wait_all_tasks_blocked()
        group.start_soon(enqueue_broken)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(bg.enqueue, note.request("second"))
        await anyio.wait_all_tasks_blocked()
        store.gate.set()
    assert len(raised) == 1
    texts = [text(name) for name in (["second"] if alone else ["first", "second"])]
    with app.opened() as onlooker:
        assert [job.payload for job in unreserved_in(onlooker)] == texts


def refuse(name: str, error: Exception) -> Callable[[list[str]], None]:
    def before(payloads: list[str]) -> None:
        if text(name) in payloads:
            raise error

    return before


async def enqueue_each(
    bg: bgjobs.BgJobs, store: GatedStore, names: Sequence[str]
) -> dict[str, Exception]:
    """Enqueue these in one batch. Return the errors of the calls, by the text of their job."""
    raised: dict[str, Exception] = {}

    async def enqueue(name: str) -> None:
        try:
            await bg.enqueue(note.request(name))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
            raised[name] = error

    async with closed_gate(store) as group:
        for name in names:
            group.start_soon(enqueue, name)
    return raised


@pytest.mark.parametrize("error", [StoreError("no such thing"), OverflowError("too far")])
async def test_a_row_that_is_refused_fails_only_its_own_caller(
    app: Harness, error: Exception
) -> None:
    """Also with an error that no store should raise."""
    store, config = producer(app)
    async with bgjobs.run(config) as bg:
        store.before = refuse("bad", error)
        raised = await enqueue_each(bg, store, ["a", "b", "bad", "c", "d"])
        assert sorted(await stored(bg)) == [text(name) for name in "abcd"]
        await bg.enqueue(note.request("later"))
    assert raised == {"bad": error}


async def test_a_call_with_one_bad_job_stores_none_of_its_own(app: Harness) -> None:
    store, config = producer(app)
    async with bgjobs.run(config) as bg:
        store.before = refuse("bad", StoreError("no such thing"))
        with pytest.raises(StoreError, match="no such thing"):
            await bg.enqueue_many([note.request("a"), note.request("bad")])
        assert await stored(bg) == []


async def test_an_outage_shorter_than_the_timeout_raises_nothing(
    app: Harness,
) -> None:
    store, config = producer(app)
    faults = [StoreUnavailableError("away"), StoreUnavailableError("still away")]

    def before(payloads: list[str]) -> None:
        if faults:
            raise faults.pop()

    async with bgjobs.run(config) as bg:
        store.before = before
        assert await enqueue_each(bg, store, ["a", "b", "c"]) == {}
        assert sorted(await stored(bg)) == [text(name) for name in "abc"]


@virtual_time
async def test_a_store_that_stays_away_is_an_error_after_the_timeout(
    virtual_app: Harness,
) -> None:
    store, config = producer(virtual_app, store_timeout=30.0)
    away = StoreUnavailableError("away")

    def before(payloads: list[str]) -> None:
        raise away

    async with bgjobs.run(config) as bg:
        store.before = before
        started = anyio.current_time()
        with pytest.raises(StoreUnavailableError) as caught:
            await bg.enqueue(note.request("a"))
        assert anyio.current_time() - started == pytest.approx(30.0)
        assert str(caught.value) == f"{store.label}: no answer within 30 s; the last try: away"
        assert caught.value.__cause__ is away
        assert len(store.batches) > 5
        tries = len(store.batches)
        store.before = lambda payloads: None
        await anyio.sleep(60)
        await bg.enqueue(note.request("b"))
        assert await stored(bg) == [text("b")]
        assert [text("a")] not in store.batches[tries:]


@virtual_time
async def test_each_caller_waits_for_its_own_timeout(virtual_app: Harness) -> None:
    store, config = producer(virtual_app, store_timeout=30.0)
    waited: dict[str, float] = {}

    def before(payloads: list[str]) -> None:
        raise StoreUnavailableError("away")

    async def enqueue(bg: bgjobs.BgJobs, name: str, after: float) -> None:
        await anyio.sleep(after)
        started = anyio.current_time()
        with pytest.raises(StoreUnavailableError):
            await bg.enqueue(note.request(name))
        waited[name] = anyio.current_time() - started

    async with bgjobs.run(config) as bg, anyio.create_task_group() as group:
        store.before = before
        for number, name in enumerate("abc"):
            group.start_soon(enqueue, bg, name, number * 10.0)
    assert waited == pytest.approx({"a": 30.0, "b": 30.0, "c": 30.0})


async def test_a_caller_that_is_cancelled_before_its_batch_stores_nothing(
    app: Harness,
) -> None:
    store, config = producer(app)
    scope = anyio.CancelScope()

    async def enqueue_in_scope(bg: bgjobs.BgJobs) -> None:
        with scope:
            await bg.enqueue(note.request("cancelled"))

    async with bgjobs.run(config) as bg:
        async with closed_gate(store) as group:
            group.start_soon(bg.enqueue, note.request("first"))
            await anyio.wait_all_tasks_blocked()
            group.start_soon(enqueue_in_scope, bg)
            group.start_soon(bg.enqueue, note.request("last"))
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
        assert sorted(await stored(bg)) == [text("first"), text("last")]
    assert scope.cancelled_caught
    assert store.batches == [[text("first")], [text("last")]]
    assert len(app.recorder.of(JobEnqueued)) == 2


async def test_a_caller_that_is_cancelled_during_its_batch_may_have_stored_its_jobs(
    app: Harness,
) -> None:
    """Its write is completed as a whole, and the caller is cancelled at once."""
    store, config = producer(app)
    async with bgjobs.run(config) as bg:
        async with anyio.create_task_group() as group:
            store.gate.clear()
            group.start_soon(bg.enqueue, note.request("taken"))
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        assert not store.gate.is_set()
        store.gate.set()
        await bg.enqueue(note.request("next"))
        assert sorted(await stored(bg)) == [text("next"), text("taken")]
