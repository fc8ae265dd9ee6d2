"""Releases what the dead leave behind: owners of this process at once, all others by lease."""

from contextlib import suppress
from math import inf
from typing import final

from anyio import move_on_after

from bgjobs._runtime.engine import Engine
from bgjobs._runtime.release import forget_ended, release_owner, sweep
from bgjobs.errors import StoreUnavailableError

FORGET_EVERY = 300.0
"""Seconds after which owners are forgotten that held nothing when their lease ended."""


@final
class Monitor:
    """Told of every owner's death by the registry; sweeps ended leases on an interval."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self) -> None:
        """Release first for those who are dead already, then watch, until cancelled."""
        forget_at, interval = -inf, self._engine.config.sweep_interval
        while True:
            # All failures are told as StoreFailed; one does not keep the rest from being done.
            with suppress(StoreUnavailableError):
                await self.release_dead()
            try:
                found, now = await sweep(self._engine), self._engine.clock.monotonic()
            except StoreUnavailableError:
                await self._engine.dispatch.recovery.wait(interval)
                continue
            with suppress(StoreUnavailableError):  # it waits for the next round
                if found or now >= forget_at:
                    await forget_ended(self._engine)
                    forget_at = now + FORGET_EVERY
            with move_on_after(interval):
                await self._engine.registry.wait_dead()

    async def release_dead(self) -> None:
        """Release what the dead owners of this process hold."""
        for dead in self._engine.registry.dead():
            await release_owner(self._engine, dead)
