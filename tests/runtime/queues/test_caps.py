"""Limits of a worker: the concurrency and the rate on all nodes together."""

import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs.errors import ConfigError, WorkerDefinitionError
from bgjobs.events import JobStarted
from tests.runtime.conftest import Harness, Wrapped, virtual_time

pytestmark = pytest.mark.anyio


async def test_concurrency_is_limited_across_several_applications(app: Harness) -> None:
    now = most = done = 0

    @bgjobs.worker(global_limit=2)
    async def narrow(number: int) -> None:
        nonlocal now, most, done
        now += 1
        most = max(most, now)
        await anyio.sleep(0.005)
        now -= 1
        done += 1

    @bgjobs.worker
    async def wide() -> None:
        await anyio.lowlevel.checkpoint()

    config = app.config(narrow, wide, queue={"poll_interval": 0.05})
    other = app.config(narrow, wide, queue={"poll_interval": 0.05})
    async with bgjobs.run(config) as bg, bgjobs.run(other):
        await bg.enqueue_many(narrow.request(number) for number in range(30))
        await bg.enqueue_many(wide.request() for _ in range(30))
        with anyio.fail_after(60):
            await bg.drain()
    assert (most, done) == (2, 30)


async def test_a_limited_worker_does_not_delay_the_others(sqlite_app: Harness) -> None:
    gate = anyio.Event()

    @bgjobs.worker(global_limit=1)
    async def stuck() -> None:
        await gate.wait()

    @bgjobs.worker
    async def free() -> None:
        """Succeed."""

    async with bgjobs.run(sqlite_app.config(stuck, free)) as bg:
        await bg.enqueue_many(stuck.request().priority(-5) for _ in range(20))
        job = await bg.enqueue(free.request())
        await bg.wait_for(job)
        assert len(await bg.list(bgjobs.JobFilter("running"))) == 1
        gate.set()
        await bg.drain()


async def test_reservations_keep_to_the_rate_in_any_period(app: Harness) -> None:
    """By all processes together, also if one of them gets the answer of `reserve` late."""
    reserved: list[datetime] = []

    @bgjobs.worker(rate_limit=bgjobs.RateLimit(3, 0.3))
    async def rated(context: bgjobs.JobContext) -> None:
        assert context.job.reserved_at is not None
        reserved.append(context.job.reserved_at)

    store = app.database.store()

    def reserve(*args: Any, **kwargs: Any) -> Sequence[bgjobs.Job]:
        jobs = store.reserve(*args, **kwargs)
        time.sleep(0.2)
        return jobs

    queue = {"poll_interval": 0.05, "concurrency": 2}
    config = app.config(rated, queue=queue)
    late = app.config(rated, queue=queue, store=Wrapped(store, reserve=reserve))
    async with bgjobs.run(config) as bg, bgjobs.run(late):
        await bg.enqueue_many(rated.request() for _ in range(12))
        with anyio.fail_after(60):
            await bg.drain()
    assert len(reserved) == 12
    in_order = sorted(reserved)
    for first, fourth in zip(in_order, in_order[3:], strict=False):
        assert fourth - first >= timedelta(seconds=0.3)


@virtual_time
async def test_starts_keep_to_the_rate_in_any_period(virtual_app: Harness) -> None:
    starts: list[float] = []

    @bgjobs.worker(rate_limit=bgjobs.RateLimit(3, 60.0))
    async def rated() -> None:
        starts.append(anyio.current_time())

    config = virtual_app.config(rated, queue={"poll_interval": 3600})
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many(rated.request() for _ in range(10))
        await bg.drain()
    assert len(starts) == 10
    window = deque(starts[:3])
    for start in starts[3:]:
        assert start - window.popleft() >= 60
        window.append(start)
    # And no wait is longer than that: only the rate limits the starts.
    assert starts[-1] - starts[0] < 3 * 60 + 5
    assert len(virtual_app.recorder.of(JobStarted)) == 10
    assert all(one <= other for one, other in pairwise(starts))


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "2"])
def test_a_limit_has_to_be_a_number_from_one(limit: int) -> None:
    with pytest.raises(WorkerDefinitionError, match="global_limit: expected a whole number"):
        bgjobs.worker(name="x", global_limit=limit)(lambda: None)


def test_a_rate_has_to_be_a_rate() -> None:
    wrong: bgjobs.RateLimit = 5  # type: ignore[assignment] # pyright: ignore[reportAssignmentType] - an untyped caller
    with pytest.raises(
        WorkerDefinitionError, match="rate_limit: expected a RateLimit, found int"
    ):
        bgjobs.worker(name="x", rate_limit=wrong)(lambda: None)
    with pytest.raises(ConfigError, match="allowed: expected 1 to 100,000, found 0") as caught:
        bgjobs.RateLimit(0, -1.0)
    assert "period: expected seconds above 0 and up to 86,400, found -1.0" in str(caught.value)
