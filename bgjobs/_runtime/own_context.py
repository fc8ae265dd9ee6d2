"""Runs a coroutine in a context of its own, inside the task that awaits it.

What a handler sets in context variables must not reach the next job of its slot, which is one
long-lived task; and a task for each job would cost more than the rest of the job.
"""

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from functools import partial
from typing import Any, TypeVar, final

T = TypeVar("T")


@final
class InOwnContext:
    """Awaiting it awaits the coroutine, each step of which sees `context`."""

    __slots__ = ("_context", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, T], context: Context) -> None:
        self._coroutine = coroutine
        self._context = context

    def __await__(self) -> Generator[Any, Any, Any]:
        """Pass on what the event loop and the coroutine say to each other; hence Any."""
        run: Callable[..., Any] = self._context.run
        coroutine = self._coroutine
        step = partial(run, coroutine.send, None)
        while True:
            try:
                asked = step()
            except StopIteration as end:
                return end.value
            try:
                answer = yield asked
            except BaseException as error:  # noqa: BLE001 - the coroutine decides about it
                step = partial(run, coroutine.throw, error)
            else:
                step = partial(run, coroutine.send, answer)
