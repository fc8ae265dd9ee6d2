"""Determinism: the scheduler of Trio, random delays and the ids of jobs follow a seed."""

import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import cache
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Protocol
from unittest.mock import patch

import trio
import trio.testing

import bgjobs._core.ids
import bgjobs._runtime.app


class Clock(Protocol):
    """A clock that determines the time in ids."""

    def microseconds(self) -> int:
        """Return the current time in microseconds."""
        ...


@contextmanager
def deterministic(seed: int, shared_clock: Clock) -> Generator[None]:
    """Derive all random numbers, ids and scheduling decisions from `seed`."""
    random = Random(f"entropy {seed}")
    time = SimpleNamespace(time_ns=lambda: shared_clock.microseconds() * 1000)
    with ExitStack() as stack:
        for module in _with_random():
            stack.enter_context(patch.object(module, "Random", lambda: Random(random.random())))
        stack.enter_context(
            patch.object(bgjobs._core.ids, "os", SimpleNamespace(urandom=random.randbytes))
        )
        stack.enter_context(patch.object(bgjobs._core.ids, "time", time))
        stack.enter_context(_scheduler_of(seed))
        stack.enter_context(_fast_clock())
        yield


@cache
def _with_random() -> tuple[ModuleType, ...]:
    """Return the modules of the runtime that use random numbers; all are imported."""
    modules = [one for name, one in sys.modules.items() if name.startswith("bgjobs._runtime")]
    return tuple(one for one in modules if hasattr(one, "Random"))


@contextmanager
def _scheduler_of(seed: int) -> Generator[None]:
    """Make Trio sort tasks before it shuffles them, as it does for Hypothesis."""
    scheduler = trio._core._run
    state = scheduler._r.getstate()
    with patch.object(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", new=True):
        scheduler._r.seed(seed)
        try:
            yield
        finally:
            scheduler._r.setstate(state)


@contextmanager
def _fast_clock() -> Generator[None]:
    """Make a `MockClock` of rate 0 skip its reading of the real time."""
    with patch.object(
        trio.testing.MockClock, "current_time", lambda clock: clock._virtual_base
    ):
        yield
