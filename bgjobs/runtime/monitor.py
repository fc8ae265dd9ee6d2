"""Releases what the dead leave behind: owners of this process at once, all others by lease."""

from contextlib import suppress
from typing import final

from anyio import move_on_after

from bgjobs.errors import StoreUnavailableError
from bgjobs.runtime.engine import Engine
from bgjobs.runtime.release import release_owner, sweep


@final
class Monitor:
    """Told of every owner's death by the registry; sweeps ended leases on an interval."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self) -> None:
        """Release first for those who are dead already, then watch, until cancelled."""
        while True:
            with suppress(StoreUnavailableError):  # told as StoreFailed; the dead wait a round
                await self.release_dead()
                await sweep(self._engine)
            with move_on_after(self._engine.config.sweep_interval):
                await self._engine.registry.wait_dead()

    async def release_dead(self) -> None:
        """Release what the dead owners of this process hold."""
        for dead in self._engine.registry.dead():
            await release_owner(self._engine, dead)
