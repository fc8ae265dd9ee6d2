"""Event loops in virtual time: how to get one, and whether this is one."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from math import inf
from typing import Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

import trio
from trio.testing import MockClock

from bgjobs._core.arguments import as_span
from bgjobs._core.text import value_text
from bgjobs.errors import BgJobsError
from bgjobs.testing.loop import VirtualEventLoop

Backend: TypeAlias = tuple[str, dict[str, Any]]
"""The name and the options of an event loop, as `anyio.run` and its pytest plugin take them."""

REAL_PATIENCE = 30.0
"""Seconds after which waiting for something is an error; a safety net, not a measure."""
VIRTUAL_PATIENCE = timedelta(days=366).total_seconds()
"""The same in virtual time, where schedules and backoffs are waited for."""

_HELP = """\
expected an event loop in virtual time, found {found}; take one of
  - pytest-trio: give the test the fixture autojump_clock
  - AnyIO's pytest plugin: let the fixture anyio_backend give bgjobs.testing.virtual_backend()
  - trio: trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
  - asyncio: asyncio.Runner(loop_factory=bgjobs.testing.VirtualEventLoop)"""


class RealTimeError(BgJobsError, RuntimeError):
    """Something needs an event loop in virtual time and runs in one of real time."""

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(found)

    def __str__(self) -> str:
        return _HELP.format(found=self.found)


def virtual_backend(name: Literal["trio", "asyncio"] = "trio") -> Backend:
    """Give an event loop in virtual time, for the fixture `anyio_backend` or `anyio.run`.

    A new one each time: its clock begins at 0.
    """
    if name == "trio":
        return name, {"clock": MockClock(autojump_threshold=0)}
    if name == "asyncio":
        return name, {"loop_factory": VirtualEventLoop}
    raise ValueError(f"event loop: expected 'trio' or 'asyncio', found {value_text(name)}")


def virtual_clock() -> MockClock | VirtualEventLoop | None:
    """Give what makes the time of the loop that runs; None when it is real."""
    found = _what_makes_the_time()
    return found if isinstance(found, MockClock | VirtualEventLoop) else None


def check_virtual() -> None:
    """Raise `RealTimeError` in an event loop of real time."""
    if virtual_clock() is None:
        raise RealTimeError(type(_what_makes_the_time()).__name__)


def patience(within: float | timedelta | None) -> float:
    """Give how many seconds to wait: those that were said, or else what suits the loop."""
    if within is not None:
        return as_span("within", within).total_seconds()
    return REAL_PATIENCE if virtual_clock() is None else VIRTUAL_PATIENCE


@contextmanager
def time_held() -> Generator[None]:
    """Let virtual time stand still in the block, whatever waits: a thread is at work."""
    clock = virtual_clock()
    if isinstance(clock, VirtualEventLoop):
        clock.held += 1
        try:
            yield
        finally:
            clock.held -= 1
    elif clock is not None:
        with _autojump_held(clock):
            yield
    else:
        yield


_holders: WeakKeyDictionary[MockClock, tuple[int, float]] = WeakKeyDictionary()
"""How many hold each clock, and its threshold before."""


@contextmanager
def _autojump_held(clock: MockClock) -> Generator[None]:
    count, threshold = _holders.get(clock, (0, clock.autojump_threshold))
    _holders[clock] = count + 1, threshold
    clock.autojump_threshold = inf
    try:
        yield
    finally:
        left = _holders[clock][0] - 1
        _holders[clock] = left, threshold
        if not left:
            del _holders[clock]
            clock.autojump_threshold = threshold


def _what_makes_the_time() -> object:
    try:
        return trio.lowlevel.current_clock()
    except RuntimeError:
        return asyncio.get_running_loop()
