"""The application of these tests; its database is ``shop.db``."""

import sys

import anyio
from attrs import frozen

import bgjobs


@frozen
class Mail:
    """An argument that is converted from JSON."""

    to: str
    copies: int = 1


@bgjobs.worker
async def greet(name: str, times: int = 1) -> None:
    """Succeed."""


@bgjobs.worker
async def send(context: bgjobs.JobContext, mail: Mail) -> None:
    """Fail with an error that contains an escape sequence."""
    raise ValueError(f"no such \x1b[31m mail box, attempt {context.attempt}")


@bgjobs.worker
async def slow(seconds: float) -> None:
    """Sleep, and print when it begins and ends."""
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    await anyio.sleep(seconds)
    sys.stdout.write("ended\n")
    sys.stdout.flush()


@bgjobs.worker
async def purge() -> None:
    """Do nothing; the scheduled job runs it."""


config = bgjobs.Config(
    store=bgjobs.SQLiteStore("shop.db"),
    queues=[
        bgjobs.Queue("default", workers=[greet, slow], poll_interval=0.1),
        bgjobs.Queue("mail", workers=[send], max_retries=0, poll_interval=0.1),
    ],
    scheduled_jobs=[bgjobs.ScheduledJob(purge, bgjobs.every(hours=6), name="cleaning")],
)
