"""A worker, a queue with listeners, and the run of one job."""

from typing import Any

import bgjobs


@bgjobs.worker
async def note(text: str) -> None: ...


def queue(name: str, worker: Any, *listeners: Any) -> bgjobs.Queue:
    return bgjobs.Queue(name, workers=[worker], listeners=listeners)


async def run_one(config: bgjobs.Config) -> bgjobs.SucceededJob:
    """Run one job, which has to succeed."""
    async with bgjobs.run(config) as bg:
        await bg.enqueue(note.request("a"))
        await bg.drain()
        (done,) = await bg.list(bgjobs.JobFilter("succeeded"))
    return done
