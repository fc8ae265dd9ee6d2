"""Writes what the queues of this process have done, and reports the process, to the store.

`ActivityWriter.run` is a task of its own. While the store does not take a write, it waits
longer and longer, and writes the totals later. So its failure affects no job and no lease: it
is emitted as `StoreFailed`. `ActivityWriter.finish` writes what is left when all queues have
ended.
"""

import platform
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache
from importlib.metadata import version
from math import inf
from typing import final

from anyio import current_time, move_on_after, sleep

from bgjobs._core.activity import ProcessReport
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import StoreError
from bgjobs.stores.operations import Operations, operations_of

LONGEST_PAUSE = 300.0
"""Seconds between two tries while the store takes no write, unless heartbeats are rarer."""
REPORT_INTERVAL = 30.0
"""Seconds between two reports of a process, at least."""
ROLL_UP_INTERVAL = 3600.0
"""Seconds after which old minutes are added up again, at least."""
LAST_WRITE = 2.0
"""Seconds that the last write may take, so that a shutdown does not wait for the store."""


@final
class ActivityWriter:
    """Writes the counts of one process, every `Config.heartbeat_interval` seconds."""

    def __init__(
        self, services: WorkerServices, node: str, take_lag: Callable[[], float]
    ) -> None:
        self._services = services
        self._node = node
        self._take_lag = take_lag
        self._reported_at = self._rolled_up_at = -inf

    async def run(self) -> None:
        """Write until cancelled; return at once if the store has no operations."""
        operations = operations_of(self._services.store)
        interval = pause = self._services.config.heartbeat_interval
        while operations is not None:
            await sleep(pause)
            try:
                await self._write(operations)
                pause = interval
            except StoreError:  # emitted as StoreFailed
                pause = max(interval, min(2 * pause, LONGEST_PAUSE))

    async def finish(self) -> None:
        """Write what is left, and delete the report of this process."""
        operations = operations_of(self._services.store)
        if operations is None:
            return
        with move_on_after(LAST_WRITE), suppress(StoreError):
            await self._write_totals(operations, None)
            if self._reported_at > -inf:
                process_id = self._services.counts.process.owner
                await self._services.dispatch.once(operations.forget_process, process_id)

    async def _write(self, operations: Operations) -> None:
        now = current_time()
        reports = now >= self._reported_at + REPORT_INTERVAL
        await self._write_totals(operations, self._report() if reports else None)
        if reports:
            self._reported_at = now
        if now >= self._rolled_up_at + ROLL_UP_INTERVAL:
            services, kept = self._services, self._services.config.retention.activity
            roll_up, moment = operations.roll_up_activity, services.clock.store_now()
            await services.dispatch.once(roll_up, kept, now=moment)
            self._rolled_up_at = now

    async def _write_totals(
        self, operations: Operations, process: ProcessReport | None
    ) -> None:
        counts, services = self._services.counts, self._services
        rows = counts.totals(services.time.shown())
        if rows or process is not None:
            now = services.clock.store_now()
            await services.dispatch.once(operations.record_activity, rows, process, now=now)
            counts.written(rows)

    def _report(self) -> ProcessReport:
        return ProcessReport(
            self._services.counts.process.owner,
            self._node,
            _version(),
            platform.python_version(),
            timedelta(seconds=self._take_lag()),
        )


@cache
def _version() -> str:
    """Return the version of bgjobs, which is read from the files of its distribution."""
    return version("bgjobs")
