"""Chance made to follow a seed: Trio's scheduler, random delays, and the ids of jobs."""

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


class Shown(Protocol):
    """A clock."""

    def microseconds(self) -> int:
        """Return the present instant."""
        ...


@contextmanager
def entropy_of(seed: int, machine: Shown) -> Generator[None]:
    """Let everything that is left to chance be decided by `seed`."""
    random = Random(f"entropy {seed}")
    time = SimpleNamespace(time_ns=lambda: machine.microseconds() * 1000)
    with ExitStack() as stack:
        for module in _with_random():
            stack.enter_context(patch.object(module, "Random", lambda: Random(random.random())))
        stack.enter_context(
            patch.object(bgjobs._core.ids, "os", SimpleNamespace(urandom=random.randbytes))
        )
        stack.enter_context(patch.object(bgjobs._core.ids, "time", time))
        stack.enter_context(_scheduler_of(seed))
        stack.enter_context(_quick_clock())
        yield


@cache
def _with_random() -> tuple[ModuleType, ...]:
    """Give the modules of the runtime that draw by chance; all are imported."""
    modules = [one for name, one in sys.modules.items() if name.startswith("bgjobs._runtime")]
    return tuple(one for one in modules if hasattr(one, "Random"))


@contextmanager
def _scheduler_of(seed: int) -> Generator[None]:
    """Let Trio sort tasks before it shuffles them, as it does for Hypothesis."""
    scheduler = trio._core._run
    state = scheduler._r.getstate()
    with patch.object(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", new=True):
        scheduler._r.seed(seed)
        try:
            yield
        finally:
            scheduler._r.setstate(state)


@contextmanager
def _quick_clock() -> Generator[None]:
    """Let a `MockClock` of rate 0 say what it shows without asking for the real time."""
    with patch.object(
        trio.testing.MockClock, "current_time", lambda clock: clock._virtual_base
    ):
        yield
