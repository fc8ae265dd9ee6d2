"""Run a coroutine in a context of its own, inside the task that awaits it.

Context variables that a handler sets must not reach the next job of its slot, which runs in the
same task. A task per job would isolate them, too, but cost more than all other work for the
job. Cancellation passes through: the coroutine gets it as if the task awaited it directly.
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
    """Awaiting it awaits the coroutine, each step of which runs in `context`."""

    __slots__ = ("_context", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, T], context: Context) -> None:
        self._coroutine = coroutine
        self._context = context

    def __await__(self) -> Generator[Any, Any, Any]:
        """Pass on what the event loop and the coroutine send to each other, hence Any."""
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
"""The errors of a call on the wrong loop; other errors have other causes."""
_OF_ASYNCIO = ("no running event loop", "no current event loop", "unrecognized yield message")
_OF_TRIO = ("must be called from async context", "Task got bad yield")
_OF_TRIO_IN_THREADS = "this thread wasn't created by Trio"
_DEEPEST = 100
"""How many causes and members of groups are searched at most."""


def other_loop_hint(error: BaseException, *, on_loop: bool) -> str:
    """Return advice if a handler seems to need the other event loop, else ''.

    Call this on the event loop. In a thread no loop runs, so a plain handler that needs one
    would find none on the other loop either. Calls from a thread to Trio are the exception.
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
    """Whether an error, or one inside it, has one of these texts or was raised in `library`."""
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
    """Whether the innermost frame belongs to `library`."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = "" if trace is None else trace.tb_frame.f_globals.get("__name__")
    return isinstance(name, str) and bool(library) and name.partition(".")[0] == library
