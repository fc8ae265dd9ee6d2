"""The benchmark of activity: a process in which nothing is counted."""

from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

import bgjobs
from benchmarks.processes.uncounted import uncounted

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("counts", [True, False])
def test_without_activity_nothing_is_counted(sqlite_path: Path, *, counts: bool) -> None:
    @bgjobs.worker
    async def work() -> None: ...

    queue = bgjobs.Queue("mail", workers=[work])
    config = bgjobs.Config(store=bgjobs.SQLiteStore(sqlite_path), queues=[queue])

    async def run() -> int:
        async with bgjobs.run(config) as bg:
            await bg.enqueue(work.request())
            await bg.drain()
        async with bgjobs.connect(config) as client:
            return sum(one.succeeded for one in await client.activity(HOUR, HOUR))

    with nullcontext() if counts else uncounted():
        assert anyio.run(run, backend="trio") == int(counts)
