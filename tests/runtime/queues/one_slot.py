"""Run jobs through a queue with one slot and check that the slot is free afterwards."""

from typing import Any

import pytest

import bgjobs
from tests.runtime.conftest import Harness

ONE_RUN = {"max_retries": 0, "concurrency": 1}


class NotAnException(BaseException):
    """A BaseException that no handler should raise."""


async def run_then_prove_the_slot(app: Harness, config: bgjobs.Config, *requests: Any) -> Any:
    """Run jobs through a queue with one slot; if a slot leaked, the last job would not run."""
    async with bgjobs.run(config) as bg:
        jobs = await bg.enqueue_many(requests)
        await bg.drain()
        assert bg.queue("default").running == ()
        return [await bg.find(job.id) for job in jobs]


@bgjobs.worker
async def healthy() -> None:
    """Succeeds."""


def restarts() -> dict[str, Any]:
    tolerance = bgjobs.RestartTolerance(restarts=100, backoff=bgjobs.backoff.IMMEDIATE)
    return {"restart_tolerance": tolerance}


on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])
