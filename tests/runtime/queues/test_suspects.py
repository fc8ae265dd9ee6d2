"""Suspects: jobs that may not crash once more run one at a time.

When a process dies, all jobs that it ran count a crash, since the culprit is unknown.
"""

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.events import JobStarted, JobSucceeded, MonitorFailed, QueuePaused
from tests.fixtures.faulty_store import FaultyStore
from tests.fixtures.prepared_rows import crashed_before
from tests.runtime.conftest import Harness, virtual_time_on_both

pytestmark = [pytest.mark.anyio, virtual_time_on_both]

LAST = 3
"""The number of crashes after which the next one fails a job."""
LEASE = 4.0
HOUR = 3600.0


class Together:
    """Counts how many handlers run at the same time."""

    def __init__(self) -> None:
        self.most = self._now = 0

    def worker(self, name: str) -> bgjobs.Worker[[], Any]:
        @bgjobs.worker(name=name)
        async def stay() -> None:
            self._now += 1
            self.most = max(self.most, self._now)
            try:
                await anyio.sleep(10)
            finally:
                self._now -= 1

        return stay


@bgjobs.worker
async def suspect(seconds: float = 0) -> None:
    await anyio.sleep(seconds)


@bgjobs.worker
async def harmless(seconds: float = 0) -> None:
    await anyio.sleep(seconds)


async def run_all(config: bgjobs.Config) -> None:
    async with bgjobs.run(config) as bg:
        await bg.drain(with_delayed=True)


async def test_suspects_run_one_at_a_time_and_all_of_them_run(virtual_app: Harness) -> None:
    inside = Together()
    suspect = inside.worker("suspect")
    crashed_before(virtual_app.database, [suspect.request()] * 5, crashes=LAST)
    await run_all(virtual_app.config(suspect, sweep_interval=1))
    assert len(virtual_app.recorder.of(JobSucceeded)) == 5
    assert inside.most == 1


@pytest.mark.parametrize("crashes", [0, 1, LAST - 1])
async def test_jobs_that_may_crash_again_run_side_by_side(
    virtual_app: Harness, crashes: int
) -> None:
    inside = Together()
    harmless = inside.worker("harmless")
    crashed_before(virtual_app.database, [harmless.request()] * 5, crashes=crashes)
    await run_all(virtual_app.config(harmless))
    assert inside.most == 5


async def test_with_a_limit_of_zero_crashes_no_job_is_a_suspect(virtual_app: Harness) -> None:
    """Otherwise every job would be a suspect, and all jobs would run one at a time."""
    inside = Together()
    harmless = inside.worker("harmless")
    config = virtual_app.config(harmless, limits=bgjobs.Limits(max_crashes=0))
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many([harmless.request()] * 5)
        await bg.drain()
    assert inside.most == 5


async def test_all_queues_of_a_process_run_one_suspect_at_a_time(virtual_app: Harness) -> None:
    inside = Together()
    first, second = inside.worker("first"), inside.worker("second")
    requests = [first.request(), second.request()] * 2
    crashed_before(virtual_app.database, requests, crashes=LAST)
    queues = [bgjobs.Queue("one", workers=[first]), bgjobs.Queue("other", workers=[second])]
    await run_all(virtual_app.config(queues=queues, sweep_interval=1))
    assert len(virtual_app.recorder.of(JobSucceeded)) == 4
    assert inside.most == 1


async def test_a_suspect_that_waits_for_another_spends_no_attempt(virtual_app: Harness) -> None:
    rows = crashed_before(virtual_app.database, [suspect.request(10)] * 3, crashes=LAST)
    async with bgjobs.run(virtual_app.config(suspect, sweep_interval=1)) as bg:
        await bg.drain(with_delayed=True)
        ended = [await bg.find(row.id) for row in rows]
    spent = [(job.attempts, job.crashes, job.interruptions) for job in ended if job]
    assert spent == [(0, LAST, 0)] * 3


async def test_suspects_delay_no_other_job(virtual_app: Harness) -> None:
    """While a suspect runs for an hour, other jobs use the other slots."""
    crashed_before(virtual_app.database, [suspect.request(3600)] * 3, crashes=LAST)
    config = virtual_app.config(suspect, harmless, sweep_interval=1)
    async with bgjobs.run(config) as bg:
        await virtual_app.recorder.wait_for(JobStarted)
        await bg.enqueue_many([harmless.request()] * 8)
        await virtual_app.recorder.wait_for(JobSucceeded, 8)
        assert [job.name for job in await bg.list(bgjobs.JobFilter("running"))] == ["suspect"]
        bg.stop(grace=0)


async def test_a_suspect_that_was_reserved_while_its_queue_was_paused_is_given_back(
    virtual_app: Harness,
) -> None:
    """Otherwise no process could run it while the queue is paused."""
    (row,) = crashed_before(virtual_app.database, [suspect.request()], crashes=LAST)
    store = FaultyStore(virtual_app.database.store())
    async with bgjobs.run(virtual_app.config(suspect, store=store)) as bg:
        store.hooks["reserve"] = bg.queue("default").pause
        await virtual_app.recorder.wait_for(QueuePaused)
        await anyio.sleep(1)
        found = await bg.find(row.id)
        assert isinstance(found, bgjobs.Job)
        assert (found.reserved_by, found.crashes, found.interruptions) == (None, LAST, 0)
        store.hooks.clear()
        bg.queue("default").resume()
        await virtual_app.recorder.wait_for(JobSucceeded)


async def test_a_suspect_that_was_reserved_when_its_queue_stopped_spends_no_attempt(
    virtual_app: Harness,
) -> None:
    (row,) = crashed_before(virtual_app.database, [suspect.request()], crashes=LAST)
    store = FaultyStore(virtual_app.database.store())
    async with bgjobs.run(virtual_app.config(suspect, store=store)) as bg:
        store.hooks["reserve"] = bg.stop
        await bg.wait_stopping()
    found = virtual_app.stored(row)
    assert found.reserved_by is None
    assert (found.attempts, found.crashes, found.interruptions) == (0, LAST, 0)


class Process:
    """A process that a handler can kill, and that is restarted until all jobs have ended.

    A dead one reaches no store any more: what it held is another's when its lease has ended.
    """

    def __init__(self, app: Harness, **settings: Any) -> None:
        self._app = app
        self._settings = settings
        self.deaths = 0

    async def live(self, *workers: Any) -> None:
        while not await self._ends_well(workers):
            self.deaths += 1

    async def _ends_well(self, workers: Sequence[Any]) -> bool:
        self._store = FaultyStore(self._app.database.store())
        settings = {"lease": LEASE, "sweep_interval": 1, **self._settings}
        with anyio.CancelScope() as self._scope:
            await run_all(self._app.config(*workers, store=self._store, **settings))
        return not self._scope.cancelled_caught

    async def die(self) -> None:
        self._store.away = True
        self._scope.cancel()
        await anyio.sleep_forever()


@pytest.mark.parametrize("crashes", [0, LAST])
async def test_a_job_that_kills_its_process_fails_alone(
    virtual_app: Harness, crashes: int
) -> None:
    process = Process(virtual_app, queue={"concurrency": 4})

    @bgjobs.worker
    async def poison() -> None:
        await process.die()

    requests = [poison.request(), *[harmless.request(1)] * 8]
    crashed_before(virtual_app.database, requests, crashes=crashes)
    await process.live(poison, harmless)
    with virtual_app.opened() as store:
        ended = [(job.name, job.crashes) for job in store.list(bgjobs.JobFilter("failed"))]
        assert ended == [("poison", LAST + 1)]
        assert len(store.list(bgjobs.JobFilter("succeeded"))) == 8
    assert process.deaths == LAST + 1 - crashes


async def test_two_jobs_that_kill_their_process_fail_and_no_other_does(
    virtual_app: Harness,
) -> None:
    process = Process(virtual_app, queue={"concurrency": 4})

    @bgjobs.worker
    async def poison() -> None:
        await process.die()

    crashed_before(virtual_app.database, [poison.request(), harmless.request(1)] * 2, crashes=0)
    await process.live(poison, harmless)
    with virtual_app.opened() as store:
        assert [job.name for job in store.list(bgjobs.JobFilter("failed"))] == ["poison"] * 2
        assert [job.name for job in store.list(bgjobs.JobFilter("succeeded"))] == [
            "harmless"
        ] * 2


async def test_draining_waits_for_suspects_that_were_delayed(virtual_app: Harness) -> None:
    """They were due when `drain` was called, though stored as delayed for a while."""
    crashed_before(virtual_app.database, [suspect.request(1)] * 6, crashes=LAST)
    config = virtual_app.config(suspect, queue={"concurrency": 4})
    async with bgjobs.run(config) as bg:
        assert await bg.drain()
        assert len(virtual_app.recorder.of(JobSucceeded)) == 6


async def test_draining_ends_with_the_last_suspect(virtual_app: Harness) -> None:
    """No suspect was delayed, so there is none to wait for."""
    crashed_before(virtual_app.database, [suspect.request()], crashes=LAST)
    async with bgjobs.run(virtual_app.config(suspect, sweep_interval=1)) as bg:
        await virtual_app.recorder.wait_for(JobSucceeded)
        ended = anyio.current_time()
        await bg.drain()
        assert anyio.current_time() == ended


async def test_draining_ends_when_the_monitor_fails_the_last_job(virtual_app: Harness) -> None:
    class Fatal(BaseException):
        """Ends the queue."""

    @bgjobs.worker
    async def poison() -> None:
        raise Fatal

    config = virtual_app.config(
        poison, queue={"poll_interval": HOUR}, limits=bgjobs.Limits(max_crashes=0)
    )
    async with bgjobs.run(config) as bg:
        await bg.enqueue(poison.request())
        begun = anyio.current_time()
        await bg.drain()
        assert anyio.current_time() - begun < HOUR
    assert len(virtual_app.recorder.of(MonitorFailed)) == 1


async def test_many_suspects_all_run(virtual_app: Harness) -> None:
    """More than can be delayed before the first of them are due again."""
    crashed_before(virtual_app.database, [suspect.request(0.1)] * 40, crashes=LAST)
    config = virtual_app.config(suspect, queue={"concurrency": 2})
    await run_all(config)
    assert len(virtual_app.recorder.of(JobSucceeded)) == 40
