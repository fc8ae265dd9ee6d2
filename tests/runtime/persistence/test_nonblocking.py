"""A lone enqueue on PostgreSQL is sent by the event loop, which waits for the answer itself."""

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import pytest

import bgjobs
from bgjobs.errors import RowRefusedError, StoreUnavailableError
from bgjobs.events import JobStarted, StoreCalled, StoreFailed, StoreResponded
from bgjobs.stores.nonblocking_calls import nonblocking_of
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import NewJob, Written
from tests.fixtures.listings import unreserved
from tests.fixtures.postgres import execute
from tests.fixtures.postgres_locks import LockedJobs
from tests.runtime.conftest import Harness, Wrapped, enqueue_at_last

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def note(text: str) -> None: ...


class Scene(LockedJobs):
    """A schema, and what is written to it."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.app = Harness(self.postgres)
        self.in_threads: list[str] = []
        """The payloads of the jobs that were written by `PostgresStore.write`."""

    @asynccontextmanager
    async def producing(self, **settings: Any) -> AsyncGenerator[bgjobs.BgJobs]:
        """Run an application that only enqueues, and whose next lone enqueue is sent."""
        store = self.postgres.store()
        config = self.app.config(store=store, queues=[], enqueue_only=[note], **settings)
        async with bgjobs.run(config) as bg:
            await bg.enqueue(note.request("before"))
            while not await self.is_sent(bg):
                await anyio.sleep(0.001)
            await self._forget(bg)
            yield bg

    async def is_sent(self, bg: bgjobs.BgJobs) -> bool:
        """Enqueue a job; whether it was stored without a thread."""
        written = len(self.in_threads)
        await bg.enqueue(note.request("before"))
        return len(self.in_threads) == written

    async def _forget(self, bg: bgjobs.BgJobs) -> None:
        await bg.admin.delete(*[job.id for job in await unreserved(bg)])
        self.in_threads.clear()
        self.app.recorder.events.clear()


@pytest.fixture
def scene(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Generator[Scene]:
    scene, real = Scene(postgres_dsn), PostgresStore.write

    def write(
        store: PostgresStore, enqueue: Sequence[NewJob] = (), *rest: Any, **more: Any
    ) -> Written:
        scene.in_threads += [new.request.payload for new in enqueue]
        return real(store, enqueue, *rest, **more)

    monkeypatch.setattr(PostgresStore, "write", write)
    yield scene
    scene.postgres.drop()


def text(name: str) -> str:
    return note.request(name).payload


async def stored(bg: bgjobs.BgJobs) -> list[str]:
    return [job.payload for job in await unreserved(bg)]


async def test_one_job_is_stored_without_a_thread(scene: Scene) -> None:
    async with scene.producing() as bg:
        job = await bg.enqueue(note.request("a"))
        verbs = [
            (type(event), event.verb)
            for event in scene.app.recorder.events
            if isinstance(event, StoreCalled | StoreResponded | StoreFailed)
            and event.verb == "write"
        ]
        assert await bg.find(job.id) == job
    assert scene.in_threads == []
    assert verbs == [(StoreCalled, "write"), (StoreResponded, "write")]


async def test_other_jobs_are_stored_in_a_thread(scene: Scene) -> None:
    async with scene.producing() as bg:
        await bg.enqueue_many([note.request("a"), note.request("b")])
        await bg.enqueue(note.request("c").available_in(hours=1))
    assert scene.in_threads == [text("a"), text("b"), text("c")]


async def test_a_wrapped_store_writes_each_job_itself(scene: Scene) -> None:
    store = scene.postgres.store()
    assert nonblocking_of(store) is not None
    assert nonblocking_of(Wrapped(store)) is None


async def test_jobs_beside_one_that_was_sent_wait_for_it(scene: Scene) -> None:
    async with scene.producing() as bg:
        async with scene.locked() as group:
            group.start_soon(bg.enqueue, note.request("first"))
            await scene.waiting(1)
            for name in "abc":
                group.start_soon(bg.enqueue, note.request(name))
            await anyio.wait_all_tasks_blocked()
            assert scene.in_threads == []
        assert sorted(scene.in_threads) == [text("a"), text("b"), text("c")]
        assert await stored(bg) == [text("first"), *scene.in_threads]


async def test_a_caller_that_is_cancelled_leaves_at_once(scene: Scene) -> None:
    """Its job was sent and is stored; the next one has its own answer."""
    async with scene.producing() as bg:
        async with scene.locked() as group:
            with anyio.CancelScope() as scope:
                group.start_soon(_cancel_when_waiting, scene, scope)
                await bg.enqueue(note.request("left"))
            assert scope.cancelled_caught
            group.start_soon(bg.enqueue, note.request("a"))
            await scene.waiting(2)
        await bg.enqueue(note.request("b"))
        while len(found := await stored(bg)) < 3:  # nothing waits for the one that was left
            await anyio.sleep(0.001)
        assert sorted(found) == [text("a"), text("b"), text("left")]


async def _cancel_when_waiting(scene: Scene, scope: anyio.CancelScope) -> None:
    await scene.waiting(1)
    scope.cancel()


async def test_the_wait_for_the_answer_is_limited(scene: Scene) -> None:
    async with scene.producing(store_timeout=0.2) as bg:
        async with scene.locked():
            with pytest.raises(StoreUnavailableError) as caught:
                await bg.enqueue(note.request("late"))
        await enqueue_at_last(bg, note.request("a"))
        assert text("a") in await stored(bg)
    assert str(caught.value) == f"{bg_label(scene)}: no answer within 0.2 s"


def bg_label(scene: Scene) -> str:
    return scene.postgres.store().label


async def test_a_job_is_stored_once_although_its_connection_is_lost(scene: Scene) -> None:
    async with scene.producing() as bg:
        async with scene.locked() as group:
            group.start_soon(bg.enqueue, note.request("a"))
            await scene.waiting(1)
            await anyio.to_thread.run_sync(scene.terminate)
            await scene.waiting(1)  # the second try, in a thread
        assert scene.in_threads[0] == text("a")
        assert await stored(bg) == [text("a")]
    [failed] = scene.app.recorder.of(StoreFailed)
    assert str(failed.error).endswith("connection lost")


async def test_a_job_that_the_server_refuses_has_its_reason(scene: Scene) -> None:
    async with scene.producing() as bg:
        execute(
            scene.postgres.dsn,
            f"alter table {scene.postgres.schema}.jobs"
            f" add constraint c check (payload <> '{text('no')}')",
        )
        with pytest.raises(RowRefusedError, match='violates check constraint "c"'):
            await bg.enqueue(note.request("no"))
        await bg.enqueue(note.request("yes"))
        assert scene.in_threads == [text("no")]
        assert await stored(bg) == [text("yes")]


@pytest.mark.parametrize("kind", [StoreCalled, StoreResponded])
async def test_a_listener_that_interrupts_leaves_the_next_writes_alone(
    scene: Scene, kind: type[StoreCalled | StoreResponded]
) -> None:
    def interrupt(event: object) -> None:
        if isinstance(event, kind) and event.verb == "write" and interrupts:
            interrupts.pop()
            raise KeyboardInterrupt

    interrupts: list[bool] = []
    async with scene.producing(listeners=[scene.app.recorder, interrupt]) as bg:
        interrupts.append(True)
        with pytest.raises(KeyboardInterrupt):
            await bg.enqueue(note.request("a"))
        while not await scene.is_sent(bg):
            await anyio.sleep(0.001)
        found = await stored(bg)
    assert found.count(text("a")) == 1
    assert scene.app.recorder.of(StoreFailed) == []


async def test_another_process_is_notified(scene: Scene) -> None:
    """The notice follows the job on the same connection; the queue polls each minute only."""
    other = Harness(scene.postgres)
    async with (
        bgjobs.run(other.config(note, queue={"poll_interval": 60})),
        scene.producing() as bg,
    ):
        other.recorder.events.clear()
        await bg.enqueue(note.request("a"))
        started = await other.recorder.wait_for(JobStarted)
    assert [event.job.payload for event in started] == [text("a")]
    assert scene.in_threads == []
