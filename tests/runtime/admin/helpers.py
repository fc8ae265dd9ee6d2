"""Workers, scheduled jobs and failed jobs for the tests of `Admin`."""

from typing import Any
from uuid import UUID

import anyio

import bgjobs

NO_RETRIES = {"queue": {"max_retries": 0}}


@bgjobs.worker
async def broken(host: str = "") -> None:
    raise ConnectionError(f"no route to {host}")


@bgjobs.worker
async def fine() -> None:
    """Succeed."""


async def fail_some(bg: bgjobs.BgJobs, *hosts: str) -> list[UUID]:
    """Run a job that fails for each host, and return their ids."""
    jobs = await bg.enqueue_many(broken.request(host) for host in hosts)
    return [(await bg.wait_for(job)).id for job in jobs]


def nightly(**settings: Any) -> bgjobs.ScheduledJob:
    schedule = bgjobs.schedule().at(2, 30).build()
    return bgjobs.ScheduledJob(fine, schedule, name="nightly", poll_interval=0.1, **settings)


async def planned(client: bgjobs.Client, other_than: UUID | None = None) -> bgjobs.Job:
    """Wait until a delayed job with another id is stored, and return it."""
    while True:
        for job in await client.list(bgjobs.JobFilter("delayed")):
            if job.id != other_than:
                return job
        await anyio.sleep(0.01)
