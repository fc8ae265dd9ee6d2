"""Applies the commands of operators to the queues of this process.

Commands are rows in the database, written by any process: jobs to cancel, queues to pause. The
task `CommandListener.run`, a child of the supervisor, reads them when a notice reports new
ones, and every `heartbeat_interval` in any case, because a notice may be lost. It ends
when it is cancelled. While the store is unavailable it retries with backoff.
"""

from typing import final

from anyio import move_on_after, sleep

from bgjobs._runtime.queues.state import QueueState
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import StoreError
from bgjobs.stores.operations import Operations, operations_of
from bgjobs.stores.types import Commands

PAUSE = 0.2
"""Seconds between two reads: on SQLite, every commit of another process wakes this task."""


@final
class CommandListener:
    """Reads new commands and applies them."""

    def __init__(self, services: WorkerServices) -> None:
        self._services = services

    async def run(self) -> None:
        """Read and apply commands whenever there may be new ones, until cancelled."""
        operations = operations_of(self._services.store)
        if operations is None:
            return
        interval = self._services.config.heartbeat_interval
        wait, tries = interval, 0
        with self._services.wakeups.commands() as new_commands:
            while True:
                with move_on_after(wait):
                    await new_commands.wait()
                try:
                    await self._read_and_apply(operations)
                except StoreError:  # emitted as StoreFailed
                    await sleep(self._services.dispatch.retry_delay(tries))
                    wait, tries = 0.0, tries + 1
                else:
                    wait, tries = max(0.0, interval - PAUSE), 0
                await sleep(PAUSE)

    async def _read_and_apply(self, operations: Operations) -> None:
        owners = [lease.owner.id for lease in self._services.registry.alive()]
        if owners:
            commands = await self._services.dispatch.once(operations.commands, owners)
            apply(self._services, commands)


async def first_commands(services: WorkerServices, state: QueueState) -> None:
    """Read whether a starting queue is paused everywhere, before it reserves a job."""
    operations = operations_of(services.store)
    if operations is not None:
        commands = await services.dispatch.once(operations.commands, ())
        state.set_paused_everywhere(paused=state.name in commands.paused)


def apply(services: WorkerServices, commands: Commands) -> None:
    """Pause and resume queues, cancel jobs that they hold, and report marked ends."""
    services.marks.add(commands.marked)
    for queue in services.queues:
        if not queue.is_scheduled:
            queue.set_paused_everywhere(paused=queue.name in commands.paused)
        if commands.cancelled:
            for attempt, job in tuple(queue.held.items()):
                cancelled = commands.cancelled.get(job.id)
                if cancelled is not None:
                    attempt.cancel(cancelled)
