"""Shielding from asyncio's native cancellation, which AnyIO's shields do not stop.

`asyncio.run` calls `asyncio.Task.cancel` on every task when one of them raised `SystemExit`,
and after a second Ctrl-C. This bypasses `anyio.CancelScope(shield=True)`, see
https://anyio.readthedocs.io/en/stable/cancellation.html. A task that serves other tasks has to
survive it, or those would wait for ever. Trio has no such cancellation.
"""

import sys
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from math import inf
from typing import Any, TypeVar, final

from anyio import CancelScope, current_effective_deadline, get_cancelled_exc_class
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

T = TypeVar("T")


async def run_shielded(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work` to its end, although this task is cancelled meanwhile, and return its result.

    A cancel scope inside `work` still cancels it. A cancellation by `Task.cancel` is raised
    once `work` has returned. `work` must not await code of users, which may rely on
    `Task.cancel`, as `asyncio.timeout` does.
    """
    results: list[T] = []
    with CancelScope(shield=True):
        results.append(await _ShieldedCoroutine(work()))
    return results.pop()


def clear_native_cancellation(down_to: int = 0) -> bool:
    """Clear the native cancellation that was just caught; whether it was a native one.

    Call it where the cancellation was caught. False for the cancellation of a scope, which the
    caller must raise again. `down_to` is the value of `Task.cancelling` to go back to.
    """
    if current_effective_deadline() == -inf:
        return False
    task = native_task()
    if task is None:  # Trio; a cancellation of a scope that was left already
        return False
    while task.cancelling() > down_to:  # several at once raise one error
        task.uncancel()
    return True


def is_natively_cancelled(task: Any) -> bool:
    """Whether `Task.cancel` was called on this `asyncio.Task`; False for None."""
    return task is not None and task.cancelling() > 0


def native_task() -> Any:
    """Return the current `asyncio.Task`, or None under Trio."""
    asyncio = sys.modules.get("asyncio")  # not imported here, as Trio does not need it
    if asyncio is None:
        return None
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop of asyncio runs in this thread
        return None


@final
class _ShieldedCoroutine:
    """An awaitable that runs a coroutine whose futures `Task.cancel` does not cancel."""

    __slots__ = ("_before", "_coroutine", "_deferred")

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = native_task()
        self._before: int = 0 if task is None else task.cancelling()
        self._coroutine = coroutine
        self._deferred: BaseException | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        """Pass on values between the coroutine and the event loop, which may be of any type."""
        coroutine = self._coroutine
        step: Callable[[], Any] = partial(coroutine.send, None)
        while True:
            try:
                awaited = step()
            except StopIteration as end:
                yield from self._raise_deferred()
                return end.value
            try:
                answer = yield from self._wait_for(awaited)
            except BaseException as error:  # noqa: BLE001 - raised in the coroutine
                step = partial(coroutine.throw, error)
            else:
                step = partial(coroutine.send, answer)

    def _wait_for(self, awaited: Any) -> Generator[Any, Any, Any]:
        is_future = getattr(awaited, "_asyncio_future_blocking", None) is not None
        cancelled = get_cancelled_exc_class()
        while True:
            try:
                return (yield _ShieldedFuture(awaited) if is_future else awaited)
            except cancelled as error:
                if clear_native_cancellation(self._before):
                    self._deferred = error
                elif is_future:
                    awaited.cancel(*error.args)  # as asyncio's task would have done
                else:
                    raise
            if not is_future or awaited.done():
                return None

    def _raise_deferred(self) -> Generator[Any, Any, None]:
        if self._deferred is not None:
            native_task().cancel(*self._deferred.args)
            yield  # the event loop raises it here


@final
class _ShieldedFuture:
    """A stand-in for a future: when the waiting task is cancelled, the future is not.

    It implements the protocol by which asyncio's tasks recognise futures, so waiting for it
    takes no additional iteration of the event loop.
    """

    __slots__ = ("_asyncio_future_blocking", "_context", "_future", "_wake")

    def __init__(self, future: Any) -> None:
        future._asyncio_future_blocking = False  # noqa: SLF001 - asyncio clears its own
        self._asyncio_future_blocking = True
        self._future = future
        self._wake: Callable[[Any], None] | None = None
        self._context: Any = None

    def get_loop(self) -> Any:
        """Return the event loop of the future."""
        return self._future.get_loop()

    def done(self) -> bool:
        """Return whether the future is done; AnyIO reads this of what a task waits for."""
        done: bool = self._future.done()
        return done

    def add_done_callback(self, wake: Callable[[Any], None], *, context: Any = None) -> None:
        """Wake the task when the future is done."""
        self._wake, self._context = wake, context
        self._future.add_done_callback(wake, context=context)

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - the task raises the message
        """Wake the task, which then raises the cancellation; the future is left running."""
        wake, self._wake = self._wake, None
        if wake is not None and self._future.remove_done_callback(wake):
            done = self.get_loop().create_future()
            done.set_result(None)
            done.add_done_callback(wake, context=self._context)
        return False


async def raise_if_cancelled() -> None:
    """Raise the cancellation if an enclosing scope was cancelled; otherwise return at once.

    `anyio.from_thread.run` calls functions inside the scope of the task that started the
    thread. Where that scope was cancelled before the call, AnyIO delivers no cancellation on
    asyncio, and its `checkpoint_if_cancelled` waits for it for ever in a busy loop.
    """
    if native_task() is None:
        await checkpoint_if_cancelled()  # Trio's own; it does not walk all scopes
    elif current_effective_deadline() == -inf:
        with CancelScope():  # noqa: ASYNC100 - leaving it makes AnyIO deliver again
            pass
        await checkpoint()
