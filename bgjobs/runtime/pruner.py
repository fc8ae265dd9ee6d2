"""Deletes ended jobs that are old enough, a little at a time."""

from contextlib import suppress
from typing import final

from anyio import sleep

from bgjobs.errors import StoreError
from bgjobs.events import Pruned
from bgjobs.runtime.engine import Engine

BATCH = 1000
"""Rows in one transaction: a fraction of a second, so that nobody waits long for it."""


@final
class Pruner:
    """Applies the retention."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self) -> None:
        """Prune until cancelled."""
        while True:
            # Told as StoreFailed; the old stays a round, and nothing else depends on it.
            with suppress(StoreError):
                await self.prune()
            await sleep(self._engine.config.retention.interval)

    async def prune(self) -> None:
        """Delete everything that is old enough now."""
        engine, retention = self._engine, self._engine.config.retention
        total = 0
        while count := await engine.dispatch.once(
            engine.store.prune,
            succeeded_for=retention.succeeded,
            failed_for=retention.failed,
            limit=BATCH,
            now=engine.clock.store_now(),
        ):
            total += count
        if total:
            engine.bus.emit(Pruned, total)
