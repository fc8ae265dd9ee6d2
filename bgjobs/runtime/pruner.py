"""Deletes ended jobs that are old enough, a little at a time."""

from collections.abc import Iterator
from contextlib import aclosing, suppress
from datetime import timedelta
from functools import partial
from itertools import count
from typing import final

from anyio import sleep

from bgjobs.errors import RowRefusedError, StoreError
from bgjobs.events import Pruned
from bgjobs.runtime.engine import Engine
from bgjobs.runtime.isolating import prune_past_refused

BATCH = 1000
"""Rows in one transaction: a fraction of a second, so that nobody waits long for it."""
MOST_REFUSED = 10
"""Rows that may be passed over in one round; with more it is no matter of single rows."""


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
        """Delete everything that is old enough now, but what the database refuses to delete."""
        engine, retention = self._engine, self._engine.config.retention
        total = 0
        ages = {"succeeded_for": retention.succeeded, "failed_for": retention.failed}
        for kind, age in ages.items():
            if age is None:
                continue
            prune = partial(self._prune, {**dict.fromkeys(ages), kind: age})
            refused = partial(_pass_over, count(1))
            async with aclosing(prune_past_refused(prune, BATCH, refused)) as counts:
                async for deleted in counts:
                    total += deleted
        if total:
            engine.bus.emit(Pruned, total)

    async def _prune(self, ages: dict[str, timedelta | None], limit: int, skip: int) -> int:
        engine = self._engine
        now = engine.clock.store_now()
        return await engine.dispatch.once(
            engine.store.prune, **ages, limit=limit, skip=skip, now=now
        )


def _pass_over(numbers: Iterator[int], error: RowRefusedError) -> None:
    """Go on, as `StoreFailed` has told it, unless too many were refused."""
    if next(numbers) > MOST_REFUSED:
        raise error
