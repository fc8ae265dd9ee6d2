"""Runs a coroutine in a context of its own, inside the task that awaits it.

What a handler sets in context variables must not reach the next job of its slot, which is one
long-lived task; and a task for each job would cost more than the rest of the job.
"""

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from functools import partial
from types import TracebackType
from typing import Any, TypeVar, cast, final

from bgjobs._runtime.cancellation import native_task

T = TypeVar("T")


@final
class IsolatedContext:
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


_KINDS = (RuntimeError, AttributeError, TypeError)
"""What such a call ends in; other errors of these libraries say something else."""
_OF_ASYNCIO = ("no running event loop", "no current event loop", "unrecognized yield message")
_OF_TRIO = ("must be called from async context", "Task got bad yield")
_OF_TRIO_IN_THREADS = "this thread wasn't created by Trio"
_DEEPEST = 100
"""Causes and members of groups that are looked at."""


def other_loop_hint(error: BaseException, *, on_loop: bool) -> str:
    """Return what to do where a handler seems to need the other event loop, else ''.

    To be asked on the event loop. In a thread neither loop runs, so a plain handler that calls
    for one would find none on the other loop either; only calls from a thread to Trio differ.
    """
    if native_task() is None:
        is_misplaced = on_loop and _is_any(error, "asyncio", _OF_ASYNCIO)
        return _hint("Trio", "asyncio", "asyncio") if is_misplaced else ""
    found = _is_any(error, "trio", _OF_TRIO) if on_loop else False
    is_misplaced = found or _is_any(error, "", (_OF_TRIO_IN_THREADS,))
    return _hint("asyncio", "Trio", "trio") if is_misplaced else ""


def _hint(found: str, needed: str, name: str) -> str:
    return (
        f"This handler ran on {found}; if it needs {needed}, set "
        f"Config(event_loop={name!r}) or run with --backend {name}."
    )


def _is_any(error: BaseException, library: str, texts: tuple[str, ...]) -> bool:
    """Whether the error, or one in it, has one of these texts or was raised in the library."""
    rest = [error]
    for _ in range(_DEEPEST):
        if not rest:
            break
        one = rest.pop()
        if isinstance(one, BaseExceptionGroup):
            rest += cast("BaseExceptionGroup[BaseException]", one).exceptions
        elif type(one) in _KINDS and (_in(library, one.__traceback__) or _has(one, texts)):
            return True
        rest += [near for near in (one.__cause__, one.__context__) if near is not None]
    return False


def _has(error: BaseException, texts: tuple[str, ...]) -> bool:
    message: object = error.args[0] if error.args else ""
    return type(message) is str and any(text in message for text in texts)


def _in(library: str, trace: TracebackType | None) -> bool:
    """Whether the innermost frame is one of the library."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = "" if trace is None else trace.tb_frame.f_globals.get("__name__")
    return isinstance(name, str) and bool(library) and name.partition(".")[0] == library
