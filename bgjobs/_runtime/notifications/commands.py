"""Applies the commands of operators to the queues of this process.

Commands are rows in the database, written by any process: jobs to cancel, queues to pause. The
task `CommandListener.run`, a child of the supervisor, reads them when a notification says that
there are new ones; the heartbeat reads them in any case. It ends when it is cancelled. While
the store is unavailable it retries with backoff.
"""

from typing import final

from anyio import sleep

from bgjobs._runtime.queues.state import QueueControl
from bgjobs._runtime.services import Services
from bgjobs.errors import StoreError
from bgjobs.stores.operations import Operations, operations_of
from bgjobs.stores.types import Commands

COMMANDS = "\x1borders"
"""The name in a notification of new commands; no name of a worker has a control character."""
PAUSE = 0.2
"""Seconds between two reads: on SQLite, every commit of another process wakes this task."""


@final
class CommandListener:
    """Reads new commands and applies them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def run(self) -> None:
        """Read and apply commands whenever there may be new ones, until cancelled."""
        operations = operations_of(self._services.store)
        if operations is None:
            return
        with self._services.wakeups.subscribed([COMMANDS]) as new_commands:
            tries = 0
            while True:
                await new_commands.wait()
                try:
                    await self._read_and_apply(operations)
                except StoreError:  # emitted as StoreFailed; the next heartbeat reads them
                    await sleep(self._services.dispatch.retry_delay(tries))
                    tries += 1
                else:
                    tries = 0
                await sleep(PAUSE)

    async def _read_and_apply(self, operations: Operations) -> None:
        owners = [lease.owner.id for lease in self._services.registry.alive()]
        apply(self._services, await self._services.dispatch.once(operations.commands, owners))


async def first_commands(services: Services, control: QueueControl) -> None:
    """Read whether a starting queue is paused everywhere, before it reserves a job."""
    operations = operations_of(services.store)
    if operations is not None:
        commands = await services.dispatch.once(operations.commands, ())
        control.set_paused_everywhere(paused=control.name in commands.paused)


def are_new(services: Services, commands: Commands) -> bool:
    """Whether these commands ask for anything that is not applied yet."""
    queues = [queue for queue in services.queues if not queue.is_scheduled]
    return bool(commands.cancelled) or any(
        queue.paused_everywhere != (queue.name in commands.paused) for queue in queues
    )


def apply(services: Services, commands: Commands) -> None:
    """Pause and resume queues, and cancel jobs that they hold."""
    for queue in services.queues:
        if not queue.is_scheduled:
            queue.set_paused_everywhere(paused=queue.name in commands.paused)
        if commands.cancelled:
            for attempt, job in tuple(queue.held.items()):
                reason = commands.cancelled.get(job.id)
                if reason is not None:
                    attempt.cancel(reason)
