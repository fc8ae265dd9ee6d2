"""What handlers return: from a thread, or as something that has to be awaited."""

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, copy_context
from inspect import isawaitable
from typing import Any

from anyio import CapacityLimiter, to_thread

from bgjobs._core.lazy import close_coroutines, description, is_unfinished

MOST_AWAITS = 10
"""How often a result is awaited whose own result can be awaited: decorators may be nested."""


async def call_in_thread(
    handler: Callable[..., object],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    threads: CapacityLimiter,
) -> tuple[object, Context]:
    """Call a plain handler in a thread. Return its result and the context that it left."""

    def call() -> tuple[object, Context]:
        return handler(*args, **kwargs), copy_context()

    return await to_thread.run_sync(call, limiter=threads)


async def awaited(worker: str, answer: Any) -> object:
    """Await what a handler has returned, and what that returns; return the last answer.

    Raises `TypeError` if it cannot be awaited, or if there is no end.
    """
    for _ in range(MOST_AWAITS):
        before = answer
        if _has_ended(answer):
            answer = answer.result()
        elif isawaitable(answer):
            answer = await answer
        else:
            break
        if answer is before or not is_unfinished(answer):
            return answer
    close_coroutines(answer)
    is_future = isinstance(answer, Future)
    missing = "which has not ended" if is_future else "of which nothing has run"
    raise TypeError(
        f"worker {worker!r}: its handler returned {description(answer)}, "
        f"{missing}; do the work before returning"
    )


def _has_ended(answer: object) -> bool:
    return isinstance(answer, Future) and answer.done()
