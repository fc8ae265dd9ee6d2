"""Faults put into the library on purpose, for the property to find."""

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias
from unittest.mock import patch

from bgjobs.planning import replanned
from bgjobs.runtime.planned_run import PlannedRun

Mutant: TypeAlias = Callable[[], AbstractContextManager[None]]
ROW = "bgjobs.runtime.scheduled_row."


@contextmanager
def planned_early() -> Generator[None]:
    """Plan by what this process took for the time before the end of the run was stored."""
    with patch.object(PlannedRun, "__call__", lambda run, now: run.request()):
        yield


@contextmanager
def patient() -> Generator[None]:
    """Make a row wait for the time of a clock that was ahead."""
    with patch(f"{ROW}is_ahead", lambda job, now: False), patch(f"{ROW}restarted", replanned):
        yield


@contextmanager
def provincial() -> Generator[None]:
    """Take what was planned with other time zone data for an occurrence."""
    with patch("bgjobs.planning._may_occur", lambda schedule, at: True):
        yield


@contextmanager
def silent() -> Generator[None]:
    """Emit nothing of what was missed while another run went on."""
    with patch("bgjobs.runtime.planner.missed_between", lambda plan, after, before: []):
        yield


MUTANTS: Mapping[str, tuple[Mutant, str]] = {
    "planned_early": (planned_early, "rush"),
    "patient": (patient, "standstill"),
    "provincial": (provincial, "no occurrence"),
    "silent": (silent, "missed"),
}
"""Each with the promise that it breaks first."""
