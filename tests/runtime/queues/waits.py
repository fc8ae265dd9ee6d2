"""Handlers that wait for other jobs, in a queue of one slot, and what can be seen of them."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel

import bgjobs
from bgjobs._runtime.queues.state import QueueState
from tests.runtime.conftest import Harness

ONE_SLOT: dict[str, Any] = {"concurrency": 1, "max_retries": 0}


@bgjobs.worker
async def child() -> None:
    """Succeed."""


class Running:
    """Counts the handlers that run, without those that wait for another job."""

    def __init__(self) -> None:
        self.now = self.most = 0

    @contextmanager
    def one(self) -> Generator[None]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            yield
        finally:
            self.now -= 1

    @contextmanager
    def waiting(self) -> Generator[None]:
        self.now -= 1
        try:
            yield
        finally:
            self.now += 1
            self.most = max(self.most, self.now)


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not holds():
            await anyio.lowlevel.checkpoint()


def slots() -> int:
    """Return how many slots there are now."""
    return sum(str(task.name).endswith("Slot.run") for task in anyio.get_running_tasks())


def state_of(bg: bgjobs.BgJobs, queue: str = "default") -> QueueState:
    return bg.queue(queue)._state


class Scene:
    """A queue of one slot: handlers that wait for gates, and one that keeps the slot busy."""

    def __init__(self, app: Harness, wait: Callable[..., Awaitable[Any]] | None = None) -> None:
        self.went_on: list[int] = []
        self.gates: dict[int, anyio.Event] = {}
        self.guarded: list[int] = []
        self.idle = anyio.Event()
        self.jobs: list[bgjobs.Job[Any]] = []
        self.running = Running()

        @bgjobs.worker
        async def gate(number: int) -> None:
            self.guarded.append(number)
            await self.gates[number].wait()

        @bgjobs.worker
        async def waits(context: bgjobs.JobContext, number: int) -> None:
            job = await context.client.enqueue(gate.request(number))
            with self.running.one():
                with self.running.waiting():
                    if wait is None:
                        await context.client.wait_for(job)
                    else:
                        await wait(context, job)
                self.went_on.append(number)

        @bgjobs.worker
        async def busy() -> None:
            with self.running.one():
                await self.idle.wait()

        @bgjobs.worker
        async def later(number: int) -> None:
            self.went_on.append(number)

        self.waits, self.busy, self.later = waits, busy, later
        queues = [
            bgjobs.Queue("default", workers=[waits, busy, later], **ONE_SLOT),
            bgjobs.Queue("gates", workers=[gate]),
        ]
        self.config = app.config(queues=queues)

    async def begin(self, bg: bgjobs.BgJobs, waiting: int, later: int = 0) -> None:
        """Make handlers wait, then one that keeps the slot busy, then enqueue more jobs."""
        self.state = state_of(bg)
        for number in range(waiting):
            self.gates[number] = anyio.Event()
            self.jobs.append(await bg.enqueue(self.waits.request(number)))
            await until(lambda: len(self.state.waiting) == len(self.jobs))
            await until(lambda: len(self.guarded) == len(self.jobs))
        await bg.enqueue(self.busy.request())
        await until(lambda: self.running.now == 1)
        await bg.enqueue_many([self.later.request(100 + one) for one in range(later)])

    async def open_gate(self, number: int) -> None:
        """End the wait of one handler, which needs a place then."""
        left = len(self.state.waiting) - 1
        self.gates[number].set()
        await until(lambda: len(self.state.waiting) == left)
