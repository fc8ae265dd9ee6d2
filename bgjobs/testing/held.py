"""Plain handlers in virtual time, which would run ahead of their threads."""

from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from inspect import isawaitable
from math import inf
from typing import Any, final

from anyio import CapacityLimiter
from attrs import evolve

from bgjobs._core.config import AnyWorker
from bgjobs._runtime.queues.attempt import call_in_thread
from bgjobs._runtime.queues.isolated_context import IsolatedContext
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
                answer, context = await call_in_thread(handler, args, kwargs, self._limiter)
            if isawaitable(answer):
                return await IsolatedContext(_awaited(answer), context)
            return answer

        return call


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer
