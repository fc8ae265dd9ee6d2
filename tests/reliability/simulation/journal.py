"""The journal of a simulation: its steps and its problems."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import final

import trio

MOST_PROBLEMS = 20
"""The number of problems that are kept; the first one is the most useful."""
MOST_CALLS = 50_000
"""The most calls of the store in a simulation; only an endless loop makes more."""


@final
class Journal:
    """Records every step; the first problem ends the simulation."""

    def __init__(self) -> None:
        self.steps: list[tuple[object, ...]] = []
        self.problems: list[str] = []
        self.calls = 0
        self.stop: Callable[[], None] = lambda: None
        """Ends the simulation."""

    def record(self, *facts: object) -> None:
        """Record a step."""
        self.steps.append((trio.current_time(), *facts))

    def called(self) -> None:
        """Count a call of the store."""
        self.calls += 1
        if self.calls == MOST_CALLS:
            self.fail(f"{MOST_CALLS} calls of the store without an end")

    def fail(self, text: str) -> None:
        """Record a problem, and end the simulation."""
        if len(self.problems) < MOST_PROBLEMS:
            self.record("PROBLEM", text)
            self.problems.append(f"{trio.current_time():.6f}: {text}")
        self.stop()

    def expect(self, condition: object, text: str) -> None:
        """Record a problem unless the condition holds."""
        if not condition:
            self.fail(text)


def fingerprint(steps: Sequence[tuple[object, ...]]) -> str:
    """Return a digest of all steps, to compare two simulations of a seed."""
    return sha256("\n".join(map(repr, steps)).encode()).hexdigest()
