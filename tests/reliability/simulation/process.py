"""One process of the world; it can be stopped as by SIGSTOP and killed as by SIGKILL."""

import math
from collections import deque
from contextvars import ContextVar
from typing import Any, final
from uuid import UUID

import trio
from attrs import define, field
from trio.lowlevel import Task


@final
@define(eq=False)
class Process:
    """Everything that the world knows of one process, from its start to its end."""

    name: str
    """The node and the number of its start."""
    node: int
    skew: float
    """By how many seconds its clock differs from the store's."""
    dead: bool = False
    """It was killed; nothing of it reaches the database any more."""
    frozen: bool = False
    thawed_at: float = -math.inf
    """When it was last let go on."""
    died: set[UUID] = field(factory=set[UUID])
    """The owners that have died, as it says itself."""
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    stopping: trio.Event = field(factory=trio.Event)
    over: trio.Event = field(factory=trio.Event)
    grace: float = 0.0
    """How long its handlers have once it is told to stop."""
    held: list[Task] = field(factory=list[Task])
    """Tasks that would run if it were not frozen."""

    def freeze(self) -> None:
        """Stop it between two steps, wherever its tasks are."""
        self.frozen = True

    def thaw(self) -> None:
        """Let it go on; what has come due meanwhile comes all at once."""
        if self.frozen:
            self.frozen = False
            self.thawed_at = trio.current_time()
            held, self.held = self.held, []
            _runner().runq.extend(held)

    def kill(self) -> None:
        """End it between two steps."""
        self.dead = True
        self.thaw()
        self.scope.cancel()

    def was_frozen_since(self, moment: float) -> bool:
        """Say whether it has stood still at some time after `moment`."""
        return self.frozen or self.thawed_at >= moment


PROCESS: ContextVar[Process] = ContextVar("PROCESS")
"""In which process a task runs; the world's own tasks are in none."""


@final
class RunQueue(deque[Task]):
    """Trio's queue of the tasks that can run, which holds back those of frozen processes."""

    def append(self, task: Task) -> None:
        """Put a task at the end, or keep it until its process goes on."""
        process = task.context.get(PROCESS)
        if process is not None and process.frozen:
            process.held.append(task)
        else:
            super().append(task)


def _runner() -> Any:
    # Any: Trio's runner is its own; nothing public stops single tasks.
    return trio._core._run.GLOBAL_RUN_CONTEXT.runner


def make_freezable() -> None:
    """Let processes of the Trio run that goes on be frozen from now on."""
    runner = _runner()
    runner.runq = RunQueue(runner.runq)
