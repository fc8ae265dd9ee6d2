"""What happened, step by step, and what was wrong with it."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import final

import trio

MOST_PROBLEMS = 20
"""So many are kept; the first one tells the most."""
MOST_CALLS = 50_000
"""Calls of the store in one world; a loop that never ends makes more."""


@final
class Journal:
    """Notes every step; the first problem ends the world."""

    def __init__(self) -> None:
        self.steps: list[tuple[object, ...]] = []
        self.problems: list[str] = []
        self.calls = 0
        self.stop: Callable[[], None] = lambda: None
        """Ends the world."""

    def note(self, *facts: object) -> None:
        """Write a step down."""
        self.steps.append((trio.current_time(), *facts))

    def called(self) -> None:
        """Count a call of the store."""
        self.calls += 1
        if self.calls == MOST_CALLS:
            self.wrong(f"{MOST_CALLS} calls of the store, and no end")

    def wrong(self, text: str) -> None:
        """Write a problem down and end the world."""
        if len(self.problems) < MOST_PROBLEMS:
            self.note("WRONG", text)
            self.problems.append(f"{trio.current_time():.6f}: {text}")
        self.stop()

    def expect(self, condition: object, text: str) -> None:
        """Write a problem down unless the condition holds."""
        if not condition:
            self.wrong(text)


def fingerprint(steps: Sequence[tuple[object, ...]]) -> str:
    """Give a digest of all steps, to compare two simulations of a seed."""
    return sha256("\n".join(map(repr, steps)).encode()).hexdigest()
