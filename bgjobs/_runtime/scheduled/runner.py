"""One start of a scheduled job: a task that maintains its row, beside a queue of one slot.

The supervisor runs `run_scheduled` in a task, and starts it again after a crash. It ends when
the queue is stopped or the scheduled job is removed. A cancellation ends the handler and the
maintenance; changes that are pending then are tried once more at the end of the application.
While the store is unavailable the maintenance retries with backoff.
"""

import math
from contextlib import suppress

from anyio import create_task_group, move_on_after, sleep

from bgjobs._core.config import Queue, ScheduledJob
from bgjobs._core.outcomes import RetryPolicy
from bgjobs._runtime.queues.consumer import Consumer
from bgjobs._runtime.queues.state import QueueState
from bgjobs._runtime.scheduled.kept_row import KeptRow
from bgjobs._runtime.scheduled.planner import IMPOSSIBLE
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import QueueError

PREPARATION = 2.0
"""Seconds for which a start waits until its row is written; after that it goes on."""


def queue_of(job: ScheduledJob) -> Queue:
    """Return the queue of one slot that runs it, and other jobs of its worker."""
    policy = RetryPolicy().overridden(job.max_retries, job.backoff)
    return Queue(
        job.name,
        workers=[job.worker],
        concurrency=1,
        max_retries=policy.max_retries,
        backoff=policy.backoff,
        poll_interval=job.poll_interval,
    )


async def run_scheduled(
    row: KeptRow, queue: QueueState, services: WorkerServices, consumer: Consumer
) -> None:
    """Run the occurrences until the queue is stopped or the scheduled job is removed."""
    await _prepare(row)
    async with create_task_group() as tasks:
        tasks.start_soon(_maintain, row, queue, services)
        await consumer.run()
        tasks.cancel_scope.cancel()


async def _prepare(row: KeptRow) -> None:
    """Write the row before its run can begin, if that is possible at once."""
    with move_on_after(PREPARATION), suppress(StoreError, *IMPOSSIBLE):
        await row.try_to_apply()


async def _maintain(row: KeptRow, queue: QueueState, services: WorkerServices) -> None:
    """Apply changes at once, and check the row at every poll interval."""
    tries = 0
    while not row.removed or row.pending:
        with move_on_after(row.job.poll_interval):
            await row.wakeup.wait()
        try:
            await row.maintain()
        except StoreUnavailableError as error:
            row.bus.emit(QueueError, row.name, error)
            await sleep(services.dispatch.retry_delay(tries))
            tries += 1
            row.wakeup.set()
        except IMPOSSIBLE as error:
            row.bus.emit(QueueError, row.name, error)
        else:
            tries = 0
    queue.stop(math.inf)  # a handler that still runs, as of an extra run, has unlimited time
