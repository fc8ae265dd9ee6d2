"""Wrong clocks neither end a lease early nor delay jobs, and the faults of clocks work."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.clock import SystemClock
from bgjobs._core.ids import new_id
from bgjobs.events import ClockSkew, OwnerDied, ReservationLost
from bgjobs.stores.types import NewJob
from bgjobs.testing import Recorder
from tests.fixtures.databases import Database, SQLiteFile
from tests.reliability.chaos.faults.clocks import (
    FAULTS,
    OFFSETS,
    MachineClock,
    SkewedClock,
    offset_of,
    read_offset,
)
from tests.reliability.chaos.faults.idle_cluster import idle_cluster_on, inject_until
from tests.reliability.chaos.settings import inner_store, load

PATIENCE = 30.0
LEASE = 3.0


class Ahead:
    """A clock that is an hour ahead or behind."""

    inline = False

    def __init__(self) -> None:
        self.off = timedelta(hours=1)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.off

    def store_now(self) -> datetime | None:
        return None

    def monotonic(self) -> float:
        return SystemClock().monotonic()


@pytest.mark.slow
@pytest.mark.trio
async def test_a_process_whose_clock_is_an_hour_off_takes_no_job_of_a_living_owner(
    database: Database,
) -> None:
    recorder, clock = Recorder(), Ahead()
    runs: list[int] = []
    ended = anyio.Event()

    @bgjobs.worker
    async def work(number: int) -> None:
        runs.append(number)
        await ended.wait()

    def config(**more: Any) -> bgjobs.Config:
        queues = [bgjobs.Queue("all", workers=[work], concurrency=4)]
        listeners = [recorder]
        store = database.store()
        return bgjobs.Config(
            store=store, queues=queues, listeners=listeners, lease=LEASE, **more
        )

    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config()) as right, bgjobs.run(config(clock=clock)):
            await right.enqueue_many(work.request(number) for number in range(6))
            # A sweep comes every quarter of a lease, too.
            for _ in range(6):
                await anyio.sleep(LEASE / 4)
                clock.off = -clock.off
            ended.set()
            assert await right.drain(with_delayed=True)
    assert sorted(runs) == list(range(6))
    assert not recorder.of(ReservationLost)
    assert not recorder.of(OwnerDied)
    assert {round(abs(one.seconds) / 3600) for one in recorder.of(ClockSkew)} == {1}


def test_a_skewed_clock_steps_by_itself() -> None:
    one, other = SkewedClock(1), SkewedClock(2)
    assert {one.off(step) for step in range(100)} == set(OFFSETS)
    assert [one.off(step) for step in range(100)] != [other.off(step) for step in range(100)]
    off = (one.now() - datetime.now(UTC)).total_seconds()
    assert min(abs(off - wrong) for wrong in OFFSETS) < 0.5


def test_all_processes_read_the_offset_of_the_machine(
    sqlite_file: SQLiteFile, tmp_path: Path
) -> None:
    fault = FAULTS[1]
    cluster = idle_cluster_on(sqlite_file, tmp_path, fault)
    file = offset_of(cluster.settings)
    clocks = [MachineClock(file), MachineClock(file)]
    offsets = [read_offset(file)]
    for _ in range(20):
        inject_until(fault, cluster, "clock steps")
        offsets.append(read_offset(file))
        seen = [(clock.now() - datetime.now(UTC)).total_seconds() for clock in clocks]
        assert all(abs(one - offsets[-1]) < 0.5 for one in seen)
    steps = [after - before for before, after in pairwise(offsets)]
    assert min(steps) < 0 < max(steps)
    assert min(steps) >= -1
    assert max(offsets) < 600


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_workers_are_configured_with_the_clock_of_the_fault(
    fault: Any, sqlite_file: SQLiteFile, tmp_path: Path
) -> None:
    @bgjobs.worker
    async def work() -> None: ...

    cluster = idle_cluster_on(sqlite_file, tmp_path, fault)
    [config_hooks] = cluster.settings.config_hooks
    config = bgjobs.Config(store=cluster.settings.store(), enqueue_only=[work])
    clock = load(config_hooks)(config, cluster.settings).clock
    assert isinstance(clock, SkewedClock | MachineClock)
    assert clock.store_now() is None


def test_a_store_uses_the_clock_of_its_machine(sqlite_file: SQLiteFile, tmp_path: Path) -> None:
    @bgjobs.worker
    async def work() -> None: ...

    cluster = idle_cluster_on(sqlite_file, tmp_path, FAULTS[1])
    offset_of(cluster.settings).write_text("500")
    [config_hooks] = cluster.settings.config_hooks
    config = bgjobs.Config(store=cluster.settings.store(), enqueue_only=[work])
    store = inner_store(load(config_hooks)(config, cluster.settings))
    store.open()
    store.migrate()
    [job] = store.write([NewJob(new_id(), work.request())]).jobs
    store.close()
    assert job.created_at > datetime.now(UTC) + timedelta(seconds=400)
