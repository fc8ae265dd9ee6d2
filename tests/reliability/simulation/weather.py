"""What may go wrong on the way to the store."""

from random import Random
from typing import Literal, final

import trio

from tests.reliability.simulation.plan import Faults
from tests.reliability.simulation.process import Process

Fault = Literal["before", "after"]
ALL = -1
"""Stands for every node."""


@final
class Weather:
    """Decides about each call, until it is calm."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self._random = Random(f"weather {seed}")
        self._faults = faults
        self._away: dict[int, float] = {}
        self.is_calm = False

    @property
    def ghosts(self) -> bool:
        """Whether calls of the dead still arrive."""
        return self._faults.ghosts

    @property
    def is_slow(self) -> bool:
        """Whether some calls take their time."""
        return self._faults.slow > 0 or self._faults.silence > 0

    def calm(self) -> None:
        """Let nothing go wrong from now on."""
        self.is_calm = True
        self._faults = Faults()
        self._away.clear()

    def outage(self, node: int | None, seconds: float) -> None:
        """Let the store be away for a node, or for all, from now on."""
        self._away[ALL if node is None else node] = trio.current_time() + seconds

    def fault(self, process: Process) -> Fault | None:
        """Say what goes wrong with the next call."""
        faults = self._faults
        if trio.current_time() < max(self._away.get(n, 0.0) for n in (ALL, process.node)):
            return "before"
        if faults.before and self._random.random() < faults.before:
            return "before"
        if faults.after and self._random.random() < faults.after:
            return "after"
        return None

    def way(self) -> float:
        """Say how many seconds one way takes."""
        if self._random.random() < self._faults.slow:
            return self._faults.longest * self._random.random() ** 2
        return 0.0

    def silence(self) -> float:
        """Say after how many seconds it is noticed that an answer is lost."""
        return self._faults.silence * self._random.random()
