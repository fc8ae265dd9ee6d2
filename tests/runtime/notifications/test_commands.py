"""When a process reads the commands of operators."""

from itertools import pairwise
from typing import Any, cast

import anyio
import pytest
from attrs import define, field

import bgjobs
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import QueuePaused, QueueResumed, QueueStarted, QueueStopped, StoreFailed
from bgjobs.stores.operations import OperatedStore
from tests.runtime.conftest import Harness, Wrapped, virtual_time_on_both

pytestmark = pytest.mark.anyio

INTERVAL = 10.0


@bgjobs.worker
async def note() -> None: ...


@define
class Reads:
    """A store whose reads of commands for owners are recorded, and may fail."""

    app: Harness
    times: list[float] = field(factory=list[float])
    failures: int = 0
    real: OperatedStore = field(init=False)

    @real.default
    def _real_store(self) -> OperatedStore:
        return cast("OperatedStore", self.app.database.store())

    def commands(self, owners: Any) -> Any:
        if owners:
            self.times.append(anyio.current_time())
            if self.failures:
                self.failures -= 1
                raise StoreUnavailableError("away")
        return self.real.operations.commands(owners)

    def config(self, *, heartbeat_interval: float = INTERVAL, **verbs: Any) -> bgjobs.Config:
        operations: Any = Wrapped(cast("Any", self.real.operations), commands=self.commands)
        store: Any = Wrapped(self.real, operations=operations, **verbs)
        return self.app.config(note, store=store, heartbeat_interval=heartbeat_interval)


@virtual_time_on_both
async def test_commands_are_read_at_every_interval_without_a_notice(
    virtual_app: Harness,
) -> None:
    reads = Reads(virtual_app)
    async with bgjobs.run(reads.config()) as bg:
        began = anyio.current_time()
        await anyio.sleep(INTERVAL / 2)
        reads.times.clear()  # one after the start of the queue
        reads.real.operations.pause_queue("default")  # as another process does
        await virtual_app.recorder.wait_for(QueuePaused)
        assert anyio.current_time() - began < INTERVAL + 1
        reads.real.operations.resume_queue("default")
        await virtual_app.recorder.wait_for(QueueResumed)
        await anyio.sleep(3 * INTERVAL)
        assert not bg.queue("default").paused
    gaps = [later - earlier for earlier, later in pairwise(reads.times)]
    assert gaps == pytest.approx([INTERVAL] * 4)


@virtual_time_on_both
async def test_a_read_that_fails_is_repeated_before_the_next_interval(
    virtual_app: Harness,
) -> None:
    reads = Reads(virtual_app)
    async with bgjobs.run(reads.config()):
        await virtual_app.recorder.wait_for(QueueStarted)
        await anyio.sleep(1)
        reads.times.clear()
        reads.failures = 3
        reads.real.operations.pause_queue("default")
        await virtual_app.recorder.wait_for(QueuePaused)
        assert len(reads.times) == 4
        assert reads.times[-1] - reads.times[0] < INTERVAL / 2
    failed = virtual_app.recorder.of(StoreFailed)
    assert [one.verb for one in failed] == ["commands"] * 3


@virtual_time_on_both
async def test_a_process_without_owners_reads_no_commands(virtual_app: Harness) -> None:
    reads = Reads(virtual_app)
    async with bgjobs.run(reads.config()) as bg:
        await anyio.sleep(2 * INTERVAL)
        assert reads.times
        bg._worker.queues[0].stop(0.0)
        await virtual_app.recorder.wait_for(QueueStopped)
        reads.times.clear()
        await bg.admin.pause_queue("default")  # its notice wakes the task, too
        await anyio.sleep(5 * INTERVAL)
        assert not reads.times


@virtual_time_on_both
async def test_a_queue_that_is_paused_while_it_starts_is_paused_at_once(
    virtual_app: Harness,
) -> None:
    reads = Reads(virtual_app)

    def open_owner(*args: Any, **kwargs: Any) -> None:
        reads.real.open_owner(*args, **kwargs)
        reads.real.operations.pause_queue("default")  # and its notice is lost

    config = reads.config(heartbeat_interval=1e8, open_owner=open_owner)
    async with bgjobs.run(config):
        began = anyio.current_time()
        await virtual_app.recorder.wait_for(QueuePaused)
        assert anyio.current_time() - began < 1
