"""A queue without jobs reserves on PostgreSQL without a thread."""

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.jobs import LARGEST_COUNT
from bgjobs.events import (
    JobStarted,
    JobSucceeded,
    JobUnreadable,
    QueueError,
    StoreCalled,
    StoreFailed,
    StoreResponded,
)
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.postgres.nonblocking_call import PostgresNonBlockingCall
from tests.fixtures.postgres import execute
from tests.fixtures.postgres_locks import LockedJobs
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def note(text: str) -> None:
    """Succeeds."""


class Scene(LockedJobs):
    """A schema, and which reservations a thread has made."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.app = Harness(self.postgres)
        self.store = PostgresStore(self.postgres.dsn, schema=self.postgres.schema)
        self.in_threads: list[str] = []
        """The payloads of the jobs that were reserved by `PostgresStore.reserve`."""

    def config(self, *workers: Any, **queue: Any) -> bgjobs.Config:
        return self.app.config(
            *workers, note, store=self.store, queue={"poll_interval": 60, **queue}
        )

    @property
    def is_in_progress(self) -> bool:
        """Whether a reservation was sent and is not over."""
        assert self.store.nonblocking is not None
        return self.store.nonblocking.reserver._sent is not None

    @asynccontextmanager
    async def running(self, *workers: Any, **queue: Any) -> AsyncGenerator[bgjobs.BgJobs]:
        """Run an application whose idle queue reserves the next job without a thread."""
        async with bgjobs.run(self.config(*workers, **queue)) as bg:
            while await self._needs_thread(bg):
                pass
            self.app.recorder.events.clear()
            self.in_threads.clear()
            yield bg

    async def _needs_thread(self, bg: bgjobs.BgJobs) -> bool:
        before = len(self.in_threads)
        self.app.recorder.events.clear()
        await bg.enqueue(note.request("before"))
        await self.app.recorder.wait_for(JobSucceeded)
        return len(self.in_threads) > before

    def refuse_the_reservation(self, text: str) -> None:
        """Make the server refuse to reserve the job with this text."""
        execute(
            self.postgres.dsn,
            f"update {self.postgres.schema}.jobs set reservations = {LARGEST_COUNT}"
            f" where payload = '{note.request(text).payload}'",
        )


@pytest.fixture
def scene(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Generator[Scene]:
    scene, real = Scene(postgres_dsn), PostgresStore.reserve

    def reserve(*args: Any, **more: Any) -> Sequence[bgjobs.Job]:
        jobs = real(*args, **more)
        scene.in_threads += [job.payload for job in jobs]
        return jobs

    monkeypatch.setattr(PostgresStore, "reserve", reserve)
    yield scene
    scene.postgres.drop()


async def test_a_lone_job_is_reserved_without_a_thread(scene: Scene) -> None:
    async with scene.running() as bg:
        await bg.enqueue(note.request("a"))
        [started] = await scene.app.recorder.wait_for(JobStarted)
        verbs = [
            type(event)
            for event in scene.app.recorder.events
            if isinstance(event, StoreCalled | StoreResponded | StoreFailed)
            and event.verb == "reserve"
        ]
    assert started.job.payload == note.request("a").payload
    assert scene.in_threads == []
    assert set(verbs) == {StoreCalled, StoreResponded}


async def test_a_reservation_is_reported_before_it_is_sent(scene: Scene) -> None:
    """A listener that interrupts the call, by a Ctrl-C, leaves no reserved job behind."""
    seen = list[bool]()

    def look(event: object) -> None:
        if isinstance(event, StoreCalled | StoreResponded) and event.verb == "reserve":
            seen.append(scene.is_in_progress)

    scene.app.settings["listeners"] = [scene.app.recorder, look]
    async with scene.running() as bg:
        await bg.enqueue(note.request("a"))
        await scene.app.recorder.wait_for(JobStarted)
    assert set(seen) == {False}


async def test_jobs_are_reserved_together_up_to_the_slots(scene: Scene) -> None:
    """A thread reserves the others, as soon as a slot is free."""
    go_on = anyio.Event()

    @bgjobs.worker
    async def long(number: int) -> None:
        await go_on.wait()

    async with scene.running(long, concurrency=3) as bg:
        bg.queue("default").pause()
        await bg.enqueue_many([long.request(number) for number in range(5)])
        bg.queue("default").resume()
        await scene.app.recorder.wait_for(JobStarted, 3)
        assert scene.in_threads == []
        go_on.set()
        ended = await scene.app.recorder.wait_for(JobSucceeded, 5)
    assert sorted(event.job.payload for event in ended) == [
        long.request(number).payload for number in range(5)
    ]


async def test_a_queue_that_runs_a_job_reserves_in_a_thread(scene: Scene) -> None:
    go_on = anyio.Event()

    @bgjobs.worker
    async def long() -> None:
        await go_on.wait()

    async with scene.running(long) as bg:
        await bg.enqueue(long.request())
        await scene.app.recorder.wait_for(JobStarted)
        await bg.enqueue(note.request("a"))
        await scene.app.recorder.wait_for(JobSucceeded)
        go_on.set()
    assert scene.in_threads == [note.request("a").payload]


async def test_a_queue_with_caps_reserves_in_a_thread(scene: Scene) -> None:
    @bgjobs.worker(global_limit=2)
    async def capped() -> None:
        """Succeeds."""

    async with bgjobs.run(scene.config(capped)) as bg:
        for number in range(3):
            await bg.enqueue(capped.request())
            await scene.app.recorder.wait_for(JobSucceeded, number + 1)
    assert len(scene.in_threads) == 3


async def test_jobs_of_a_reservation_whose_connection_is_lost_are_run(scene: Scene) -> None:
    """The queue reports the error, and a thread reserves them."""
    async with scene.running() as bg:
        bg.queue("default").pause()
        await bg.enqueue(note.request("a"))
        async with scene.locked():
            bg.queue("default").resume()
            await scene.waiting(1)
            await anyio.to_thread.run_sync(scene.terminate)
            await scene.app.recorder.wait_for(QueueError)
        ended = await scene.app.recorder.wait_for(JobSucceeded)
    assert [event.job.attempts for event in ended] == [0]
    assert scene.in_threads == [note.request("a").payload]
    [failed] = scene.app.recorder.of(StoreFailed)
    assert failed.verb == "reserve"
    assert str(failed.error).endswith("connection lost")


async def test_a_cancellation_waits_for_the_reservation(scene: Scene) -> None:
    """The application ends after the answer, and puts the job back."""

    async def work(scope: anyio.CancelScope) -> None:
        with scope:
            async with scene.running() as bg:
                bg.queue("default").pause()
                await bg.enqueue(note.request("a"))
                is_stored.set()
                await is_locked.wait()
                bg.queue("default").resume()
                await anyio.sleep_forever()

    is_stored, is_locked, scope = anyio.Event(), anyio.Event(), anyio.CancelScope()
    async with anyio.create_task_group() as group:
        group.start_soon(work, scope)
        await is_stored.wait()
        async with scene.locked():
            is_locked.set()
            await scene.waiting(1)
            scope.cancel()
            await anyio.wait_all_tasks_blocked()
            assert scene.is_in_progress
    assert scene.in_threads == []
    assert scene.app.recorder.of(JobStarted) == []
    with scene.app.opened() as store:
        counts = store.count()
    assert (counts.waiting, counts.running) == (1, 0)


async def test_a_job_that_the_server_refuses_is_set_apart(scene: Scene) -> None:
    """A thread finds it, and the others are run."""
    async with scene.running() as bg:
        bg.queue("default").pause()
        await bg.enqueue_many([note.request("no"), note.request("yes")])
        await anyio.to_thread.run_sync(scene.refuse_the_reservation, "no")
        bg.queue("default").resume()
        ended = await scene.app.recorder.wait_for(JobSucceeded)
        await scene.app.recorder.wait_for(JobUnreadable)
    assert [event.job.payload for event in ended] == [note.request("yes").payload]
    assert scene.app.recorder.of(StoreFailed) == []


async def test_threads_reserve_if_it_cannot_connect(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if that is because of an error in the store."""

    def fail(_: object) -> None:
        raise RuntimeError("no connection")

    monkeypatch.setattr(PostgresNonBlockingCall, "_connected", fail)
    async with bgjobs.run(scene.config()) as bg:
        for number in range(3):
            await bg.enqueue(note.request("a"))
            await scene.app.recorder.wait_for(JobSucceeded, number + 1)
    assert len(scene.in_threads) == 3
    assert scene.app.recorder.of(QueueError) == []
