"""One start of a scheduled job: its row is looked after, beside a queue of one slot."""

import math
from contextlib import suppress

from anyio import create_task_group, move_on_after, sleep

from bgjobs._core.config import Queue, ScheduledJob
from bgjobs._runtime.queues.consumer import Consumer
from bgjobs._runtime.queues.state import QueueControl
from bgjobs._runtime.scheduled.planner import IMPOSSIBLE
from bgjobs._runtime.scheduled.row import ScheduledRow
from bgjobs._runtime.services import Services
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import QueueError

PREPARATION = 2.0
"""Seconds for which a start waits until its row is right; beyond, that comes later."""


def queue_of(job: ScheduledJob) -> Queue:
    """Give the queue of one slot that takes its runs, and other jobs of its worker."""
    return Queue(
        job.name,
        workers=[job.worker],
        concurrency=1,
        max_retries=job.max_retries,
        backoff=job.backoff,
        poll_interval=job.poll_interval,
    )


async def run_scheduled(
    row: ScheduledRow, queue: QueueControl, services: Services, node: str
) -> None:
    """Serve the occurrences until the queue is stopped or the scheduled job removed."""
    await _prepare(row)
    async with create_task_group() as tasks:
        tasks.start_soon(_look_after, row, queue, services)
        await Consumer(queue, services, node).run()
        tasks.cancel_scope.cancel()


async def _prepare(row: ScheduledRow) -> None:
    """Put the row right before its run can begin, unless something is in the way."""
    with move_on_after(PREPARATION), suppress(StoreError, *IMPOSSIBLE):
        await row.look_once()


async def _look_after(row: ScheduledRow, queue: QueueControl, services: Services) -> None:
    """Bring changes about at once, and now and then look whether the row is there."""
    tries = 0
    while not row.removed or row.pending:
        with move_on_after(row.job.poll_interval):
            await row.news.wait()
        try:
            await row.look_after()
        except StoreUnavailableError as error:
            row.bus.emit(QueueError, row.job.name, error)
            await sleep(services.dispatch.retry_delay(tries))
            tries += 1
            row.news.set()
        except IMPOSSIBLE as error:
            row.bus.emit(QueueError, row.job.name, error)
        else:
            tries = 0
    queue.stop(math.inf)  # what runs, an extra run perhaps, has as long as it takes
