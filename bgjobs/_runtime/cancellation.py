"""Holds back native cancellation until work that others wait for has ended.

asyncio has a cancellation of its own, `Task.cancel`: `asyncio.run` calls it on every task when
one of them raised `SystemExit`, and after a second Ctrl-C. No shield of AnyIO stops it. A
task that answers others must go on all the same, or they would wait for ever. Trio has no such
cancellation.
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
    """Do `work` to its end, whatever cancels this task meanwhile.

    A cancel scope inside `work` cancels it as ever. A cancellation by `Task.cancel` is raised
    when `work` has returned. `work` must not await code of users: that may rely on
    `Task.cancel`, as `asyncio.timeout` does.
    """
    results: list[T] = []
    with CancelScope(shield=True):
        results.append(await _Outliving(work()))
    return results.pop()


def took_back_native_cancellation(down_to: int = 0) -> bool:
    """Whether a cancellation, just caught, came by `Task.cancel`; then it counts no longer.

    To be called where it was caught; `down_to` is what `Task.cancelling` was before. False for
    the cancellation of a scope, which must be raised again.
    """
    if current_effective_deadline() == -inf:
        return False
    task = native_task()
    if task is None:  # a cancellation of Trio's that is over
        return False
    while task.cancelling() > down_to:  # several at once raise one error
        task.uncancel()
    return True


def is_natively_cancelled(task: Any) -> bool:
    """Whether somebody has asked this `asyncio.Task` to end; False for None."""
    return task is not None and task.cancelling() > 0


def native_task() -> Any:
    """Return the `asyncio.Task` that runs, or None where the event loop is not asyncio's."""
    asyncio = sys.modules.get("asyncio")  # not imported here: Trio does not need it
    if asyncio is None:
        return None
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop of asyncio runs
        return None


@final
class _Outliving:
    """Awaiting it awaits the coroutine, whose own futures `Task.cancel` does not reach."""

    __slots__ = ("_before", "_coroutine", "_held")

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = native_task()
        self._before: int = 0 if task is None else task.cancelling()
        self._coroutine = coroutine
        self._held: BaseException | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        """Pass on what the event loop and the coroutine tell each other; hence Any."""
        coroutine = self._coroutine
        step: Callable[[], Any] = partial(coroutine.send, None)
        while True:
            try:
                asked = step()
            except StopIteration as end:
                yield from self._raise_held()
                return end.value
            try:
                answer = yield from self._answer_to(asked)
            except BaseException as error:  # noqa: BLE001 - the coroutine decides about it
                step = partial(coroutine.throw, error)
            else:
                step = partial(coroutine.send, answer)

    def _answer_to(self, asked: Any) -> Generator[Any, Any, Any]:
        is_future = getattr(asked, "_asyncio_future_blocking", None) is not None
        cancelled = get_cancelled_exc_class()
        while True:
            try:
                return (yield _Uncancelled(asked) if is_future else asked)
            except cancelled as error:
                if took_back_native_cancellation(self._before):
                    self._held = error
                elif is_future:
                    asked.cancel(*error.args)  # as the task would have done
                else:
                    raise
            if not is_future or asked.done():
                return None

    def _raise_held(self) -> Generator[Any, Any, None]:
        if self._held is not None:
            native_task().cancel(*self._held.args)
            yield  # raises it


@final
class _Uncancelled:
    """What a task waits for instead of a future, which the task's cancellation leaves alone.

    It follows the protocol by which asyncio's tasks recognise futures, so that waiting for it
    costs no additional turn of the event loop.
    """

    __slots__ = ("_asyncio_future_blocking", "_context", "_future", "_wake")

    def __init__(self, future: Any) -> None:
        future._asyncio_future_blocking = False  # noqa: SLF001 - the task clears it on what it is given
        self._asyncio_future_blocking = True
        self._future = future
        self._wake: Callable[[Any], None] | None = None
        self._context: Any = None

    def get_loop(self) -> Any:
        """Return the event loop of the future."""
        return self._future.get_loop()

    def done(self) -> bool:
        """Return whether the future is done; AnyIO asks what a task waits for."""
        done: bool = self._future.done()
        return done

    def add_done_callback(self, wake: Callable[[Any], None], *, context: Any = None) -> None:
        """Wake the task when the future is done."""
        self._wake, self._context = wake, context
        self._future.add_done_callback(wake, context=context)

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - the task raises the message
        """Wake the task, which is told of the cancellation; the future goes on."""
        wake, self._wake = self._wake, None
        if wake is not None and self._future.remove_done_callback(wake):
            done = self.get_loop().create_future()
            done.set_result(None)
            done.add_done_callback(wake, context=self._context)
        return False


async def raise_if_cancelled() -> None:
    """Raise the cancellation if a scope around has been cancelled; else return at once.

    `anyio.from_thread.run` calls inside the scope of the task that has lent the thread. Where
    that scope was cancelled before, AnyIO delivers nothing on asyncio, and its own
    `checkpoint_if_cancelled` waits for the delivery for ever, at full load.
    """
    if native_task() is None:
        await checkpoint_if_cancelled()  # Trio's own, which need not walk through all scopes
    elif current_effective_deadline() == -inf:
        with CancelScope():  # noqa: ASYNC100 - leaving it makes AnyIO deliver again
            pass
        await checkpoint()
