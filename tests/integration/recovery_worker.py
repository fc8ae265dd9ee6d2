"""One application of test_recovery: ``python -m tests.integration.recovery_worker ORDERS``.

It runs jobs until it is killed, and writes one line to its journal for each run that begins.
"""

import json
import os
import signal
import sys
from typing import Any

import anyio
from attrs import frozen

import bgjobs
from tests.reliability.chaos.settings import monotonic

JOURNAL: Any = None
"""The open file, which all handlers append to."""


@frozen(kw_only=True)
class Orders:
    """Where to work and how; written as JSON on the command line."""

    store: str
    place: str
    schema: str
    journal: str
    concurrency: int = 4
    settings: dict[str, Any]
    """For `Config`, all that is not left to its defaults."""


@bgjobs.worker
async def note(context: bgjobs.JobContext, number: int) -> None:
    """End at once."""
    write(context)


@bgjobs.worker
async def hang(context: bgjobs.JobContext) -> None:
    """Never end, unless an earlier run was cut off."""
    write(context)
    if context.job.crashes == 0:
        await anyio.sleep_forever()


@bgjobs.worker
async def die(context: bgjobs.JobContext) -> None:
    """Take the process along, each time."""
    write(context)
    os.kill(os.getpid(), signal.SIGKILL)


def write(context: bgjobs.JobContext) -> None:
    """Write down that a run begins; one write of one line stays whole."""
    line = [context.job.name, str(context.job.id), os.getpid(), monotonic()]
    os.write(JOURNAL, f"{json.dumps(line)}\n".encode())


def store_of(commands: Orders) -> bgjobs.Store:
    """Give the store, not open."""
    if commands.store == "postgres":
        return bgjobs.PostgresStore(commands.place, schema=commands.schema, pool_size=2)
    return bgjobs.SQLiteStore(commands.place)


async def main(commands: Orders) -> None:
    """Work until killed."""
    queue = bgjobs.Queue("all", workers=[note, hang, die], concurrency=commands.concurrency)
    config = bgjobs.Config(store=store_of(commands), queues=[queue], **commands.settings)
    async with bgjobs.run(config) as bg:
        sys.stdout.write("started\n")
        sys.stdout.flush()
        await bg.run_until_stopped()


if __name__ == "__main__":
    told = Orders(**json.loads(sys.argv[1]))
    JOURNAL = os.open(told.journal, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    anyio.run(main, told, backend="trio")
