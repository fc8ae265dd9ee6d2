"""Carries out what operators want of the queues of this process, wherever they said it.

Orders are rows: jobs to be cancelled, queues to be paused. They are read when something tells
that there are new ones, and with each heartbeat in any case.
"""

from typing import final

from anyio import sleep

from bgjobs._runtime.queues.state import QueueControl
from bgjobs._runtime.services import Services
from bgjobs.errors import StoreError
from bgjobs.stores.operations import Operations, operations_of
from bgjobs.stores.types import Commands

COMMANDS = "\x1borders"
"""What a notification of new orders names: no worker's name has a control character."""
PAUSE = 0.2
"""Seconds between two looks: on SQLite, every commit of another process may bring orders."""


@final
class CommandListener:
    """Reads orders and passes them to the queues that they are for."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def run(self) -> None:
        """Look whenever there may be news, until cancelled."""
        operations = operations_of(self._services.store)
        if operations is None:
            return
        with self._services.wakeups.subscribed([COMMANDS]) as news:
            tries = 0
            while True:
                await news.wait()
                try:
                    await self._look(operations)
                except StoreError:  # told as StoreFailed; the next heartbeat has them
                    await sleep(self._services.dispatch.retry_delay(tries))
                    tries += 1
                else:
                    tries = 0
                await sleep(PAUSE)

    async def _look(self, operations: Operations) -> None:
        owners = [lease.owner.id for lease in self._services.registry.alive()]
        apply(self._services, await self._services.dispatch.once(operations.commands, owners))


async def first_commands(services: Services, control: QueueControl) -> None:
    """Learn whether a queue that starts is paused everywhere, before it reserves anything."""
    operations = operations_of(services.store)
    if operations is not None:
        commands = await services.dispatch.once(operations.commands, ())
        control.heed(paused=control.name in commands.paused)


def are_new(services: Services, commands: Commands) -> bool:
    """Say whether these ask for anything that is not so already."""
    queues = [queue for queue in services.queues if not queue.is_scheduled]
    return bool(commands.cancelled) or any(
        queue.paused_everywhere != (queue.name in commands.paused) for queue in queues
    )


def apply(services: Services, commands: Commands) -> None:
    """Pause and resume queues, and cancel jobs that they hold."""
    for queue in services.queues:
        if not queue.is_scheduled:
            queue.heed(paused=queue.name in commands.paused)
        if commands.cancelled:
            for attempt, job in tuple(queue.held.items()):
                reason = commands.cancelled.get(job.id)
                if reason is not None:
                    attempt.cancel(reason)
