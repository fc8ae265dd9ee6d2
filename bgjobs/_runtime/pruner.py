"""Deletes ended jobs that are old enough, a little at a time."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from datetime import timedelta
from functools import partial
from itertools import count
from typing import final

from anyio import sleep

from bgjobs._runtime.bus import Bus
from bgjobs._runtime.engine import Engine
from bgjobs._runtime.persistence.refusals import answered, answering, prune_past_refused
from bgjobs.errors import RowRefusedError, StoreError
from bgjobs.events import Pruned, StoreFailed

BATCH = 1000
"""Rows in one transaction: a fraction of a second, so that nobody waits long for it."""
MOST_REFUSED = 10
"""Rows of one kind that may be passed over in one round; the next one ends it for this kind."""


@final
class Pruner:
    """Applies the retention."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._skips: dict[str, int] = {}
        """How many of each kind the last round has passed over, and ended at the next one."""

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
            async with aclosing(self._pruned(kind, prune)) as counts:
                async for deleted in counts:
                    total += deleted
        if total:
            engine.bus.emit(Pruned, total)

    async def _pruned(
        self, kind: str, prune: Callable[[int, int], Awaitable[int]]
    ) -> AsyncGenerator[int]:
        """Yield how many each call has deleted, until the end or until too many are refused.

        The next round begins behind those, and the one that reaches the end lets all be tried.
        """
        refused = partial(_pass_over, self._engine.bus, count(1))
        skip = self._skips.get(kind, 0)
        try:
            async with aclosing(prune_past_refused(prune, BATCH, refused, skip)) as counts:
                async for deleted in counts:
                    yield deleted
        except RowRefusedError:
            self._skips[kind] = skip + MOST_REFUSED
        else:
            self._skips[kind] = 0

    async def _prune(self, ages: dict[str, timedelta | None], limit: int, skip: int) -> int:
        engine = self._engine
        now = engine.clock.store_now()
        prune = answering(engine.store.prune)
        return answered(
            await engine.dispatch.once(prune, **ages, limit=limit, skip=skip, now=now)
        )


def _pass_over(bus: Bus, numbers: Iterator[int], error: RowRefusedError) -> None:
    """Go on, unless too many were refused."""
    bus.emit(StoreFailed, "prune", error)
    if next(numbers) > MOST_REFUSED:
        raise error
