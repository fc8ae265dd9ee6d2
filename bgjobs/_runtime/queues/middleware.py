"""Enter the middleware of a job around the call of its handler, and leave it.

The task of a slot does this, inside the cancel scope of the attempt and in one context, so a
middleware can reset the context variables that it has set. An exception passes through all
middleware; so does a cancellation, also where a middleware swallows it.
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from math import inf
from typing import Any, final

from anyio import current_effective_deadline, get_cancelled_exc_class
from anyio.lowlevel import checkpoint_if_cancelled

from bgjobs._core.context import JobContext
from bgjobs._core.exceptions import is_failure
from bgjobs._core.jobs import Job
from bgjobs._core.middleware import Middleware, as_context_manager, name_of
from bgjobs._runtime.cancellation import is_natively_cancelled, native_task


@final
class MiddlewareStack:
    """The middleware around one call of a handler, the outermost first."""

    __slots__ = ("_call", "_context", "_job", "_middleware", "_was_cancelled")

    def __init__(
        self,
        middleware: Sequence[Middleware],
        job: Job,
        context: JobContext[Any],
        call: Callable[[], Awaitable[None]],
    ) -> None:
        self._middleware = middleware
        self._job = job
        self._context = context
        self._call = call
        self._was_cancelled = False

    async def run(self, position: int = 0) -> None:
        """Call the handler inside the middleware from this position on.

        Raises what the handler or a middleware raises, `RuntimeError` if a middleware
        suppressed that, and a cancellation even if a middleware swallowed it.
        """
        await checkpoint_if_cancelled()  # the one around may have swallowed it on entering
        if position == len(self._middleware):
            await self._call()
            self._was_cancelled = _is_cancelled()
            return
        middleware, inner = self._middleware[position], position + 1
        manager = await self._enter(middleware)
        try:
            await self.run(inner)
        except BaseException as error:
            if await _leave(middleware, manager, error):
                await _refuse_suppression(middleware, error)
            raise
        await _leave(middleware, manager)
        if not self._was_cancelled and _is_cancelled():
            await checkpoint_if_cancelled()  # it may have been swallowed on leaving

    async def _enter(self, middleware: Middleware) -> AbstractAsyncContextManager[object]:
        with _named_in_errors("entering", middleware):
            manager = as_context_manager(middleware, middleware(self._job, self._context))
            await manager.__aenter__()
        return manager


async def _leave(
    middleware: Middleware,
    manager: AbstractAsyncContextManager[object],
    error: BaseException | None = None,
) -> bool | None:
    """Leave a context manager. Return what it returns: whether it suppresses the error."""
    with _named_in_errors("leaving", middleware, error):
        if error is None:
            return await manager.__aexit__(None, None, None)
        return await manager.__aexit__(type(error), error, error.__traceback__)


@contextmanager
def _named_in_errors(
    step: str, middleware: Middleware, inner: BaseException | None = None
) -> Generator[None]:
    """Note the middleware in an exception of its own, whose traceback need not show it.

    `inner` is the exception that passes through it.
    """
    try:
        yield
    except Exception as error:
        note = f"raised on {step} middleware {name_of(middleware)!r}"
        # Some libraries raise one object several times, such as the exception of a future.
        if error is not inner and note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise


async def _refuse_suppression(middleware: Middleware, error: BaseException) -> None:
    """Raise what ends the attempt if this middleware has suppressed `error`.

    Return for an error such as `KeyboardInterrupt`, and for a cancellation by `Task.cancel`:
    the caller raises these again.
    """
    if not is_failure(error, get_cancelled_exc_class()):
        return
    await checkpoint_if_cancelled()
    # A cancellation is one of a scope of the middleware now, or of another task.
    if is_failure(error) or not is_natively_cancelled(native_task()):
        raise RuntimeError(
            f"middleware {name_of(middleware)!r} suppressed {type(error).__name__}, so the "
            f"attempt has failed; raise it again, or raise another exception"
        ) from error


def _is_cancelled() -> bool:
    return current_effective_deadline() == -inf
