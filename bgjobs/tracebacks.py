"""Tracebacks that begin where the code of users does, and not in what has called it."""

import traceback
from types import TracebackType
from typing import cast

_CALLERS = frozenset(
    ("bgjobs", "anyio", "trio", "outcome", "asyncio", "concurrent", "threading")
)
"""Top packages whose frames stand between an event loop and a handler."""


def traceback_text(error: BaseException) -> str:
    """Return the traceback of `error`, its causes and its group, as Python writes it.

    Each begins with the first frame that is neither of bgjobs nor of what runs an event loop;
    one that has no other frames is left whole. May raise whatever the error's methods raise.
    """
    found = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
    pairs = [(error, found)]
    while pairs:
        error, written = pairs.pop()
        count = _callers(error.__traceback__)
        if count < len(written.stack):
            del written.stack[:count]
        pairs += _around(error, written)
    return "".join(found.format())


_Pair = tuple[BaseException, traceback.TracebackException]


def _around(error: BaseException, written: traceback.TracebackException) -> list[_Pair]:
    """Return the cause, the context and the group of an error, each with what is written."""
    near = [(error.__cause__, written.__cause__), (error.__context__, written.__context__)]
    if isinstance(error, BaseExceptionGroup):
        members = cast("BaseExceptionGroup[BaseException]", error).exceptions
        near += zip(members, written.exceptions or (), strict=False)
    return [(one, text) for one, text in near if one is not None and text is not None]


def _callers(trace: TracebackType | None) -> int:
    """Count the frames in front of the first one that is the user's."""
    count = 0
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__")
        if not isinstance(name, str) or name.partition(".")[0] not in _CALLERS:
            break
        count, trace = count + 1, trace.tb_next
    return count
