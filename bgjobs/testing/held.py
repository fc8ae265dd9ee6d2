"""Plain handlers in virtual time, which would run ahead of their threads."""

from collections.abc import Callable, Iterable
from functools import partial, wraps
from math import inf
from typing import Any, final

from anyio import CapacityLimiter, to_thread
from attrs import evolve

from bgjobs.config import AnyWorker
from bgjobs.testing.virtual_time import time_held


@final
class HeldWorkers:
    """Makes workers whose threads hold the time; one handler stays one."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(inf)  # a queue has its slots
        self._made: dict[Callable[..., Any], Callable[..., Any]] = {}

    def all(self, workers: Iterable[AnyWorker]) -> list[AnyWorker]:
        """Make them of these workers."""
        return [self.one(worker) for worker in workers]

    def one(self, worker: AnyWorker) -> AnyWorker:
        """Make one; an async worker is as it should be."""
        if worker.is_async:
            return worker
        if worker.handler not in self._made:
            self._made[worker.handler] = self._held(worker.handler)
        return evolve(worker, handler=self._made[worker.handler], is_async=True)

    def _held(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(handler)
        async def call(*args: Any, **kwargs: Any) -> Any:
            with time_held():
                return await to_thread.run_sync(
                    partial(handler, *args, **kwargs), limiter=self._limiter
                )

        return call
