"""A simulated process, which can be paused and killed between two steps, and the clocks."""

import math
from collections import deque
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, final
from uuid import UUID

import trio
from attrs import define, field, frozen
from trio.lowlevel import Task

from bgjobs._core.timestamps import to_microseconds

START = datetime(2030, 1, 1, tzinfo=UTC)


@final
class SharedClock:
    """The clock of the store, which determines leases and due jobs, and which may jump."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._jumps: list[tuple[float, float]] = []
        """When it has jumped, and by how many seconds."""

    def now(self) -> datetime:
        """Return the current time."""
        return START + timedelta(seconds=trio.current_time() + self._ahead)

    def microseconds(self) -> int:
        """Return the current time in microseconds, as the database stores it."""
        return to_microseconds(self.now())

    def jump(self, seconds: float) -> None:
        """Set the clock forward or back."""
        self._ahead += seconds
        self._jumps.append((trio.current_time(), seconds))

    def has_jumped_since(self, moment: float) -> bool:
        """Whether it has jumped at or after `moment`."""
        return any(at >= moment for at, _ in self._jumps)

    def microseconds_without(self, jumps_since: float) -> int:
        """Return the time that it would have if it had not jumped since then."""
        back = sum(size for at, size in self._jumps if at >= jumps_since)
        return to_microseconds(self.now() - timedelta(seconds=back))


@final
@frozen
class ProcessClock:
    """The `Clock` of a process, which differs from that of the store by `skew`."""

    shared_clock: SharedClock
    skew: timedelta
    inline: bool = field(default=True, init=False)

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self.shared_clock.now() + self.skew

    def store_now(self) -> datetime | None:
        """See `Clock.store_now`."""
        return None

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return trio.current_time()


@final
@define(eq=False)
class Process:
    """The state of a process, from its start to its end."""

    name: str
    """The number of its node, and the number of the start."""
    node: int
    skew: float
    """The difference between its clock and that of the store, in seconds."""
    was_killed: bool = False
    """Whether it was killed, so that nothing of it reaches the database any more."""
    is_paused: bool = False
    resumed_at: float = -math.inf
    """When it was last resumed."""
    died: set[UUID] = field(factory=set[UUID])
    """Its owners that have died, according to its events."""
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    stopping: trio.Event = field(factory=trio.Event)
    ended: trio.Event = field(factory=trio.Event)
    grace: float = 0.0
    """The grace period of its stop, in seconds."""
    held: list[Task] = field(factory=list[Task])
    """Its tasks that are ready to run while it is paused."""

    async def pause(self, seconds: float) -> None:
        """Stop the process between two steps of its tasks, as SIGSTOP does, for some seconds.

        A cancellation resumes it, so that its tasks can end.
        """
        self.is_paused = True
        try:
            await trio.sleep(seconds)
        finally:
            self.resume()

    def resume(self) -> None:
        """Continue the process, as SIGCONT does; all ready tasks run at once."""
        if self.is_paused:
            self.is_paused = False
            self.resumed_at = trio.current_time()
            held, self.held = self.held, []
            _runner().runq.extend(held)

    def kill(self) -> None:
        """End the process between two steps, as SIGKILL does."""
        self.was_killed = True
        self.resume()
        self.scope.cancel()

    def was_paused_since(self, moment: float) -> bool:
        """Whether it was paused at some time after `moment`."""
        return self.is_paused or self.resumed_at >= moment


PROCESS: ContextVar[Process] = ContextVar("PROCESS")
"""The process of a task; tasks of the simulation itself have none."""


@final
class RunQueue(deque[Task]):
    """The run queue of Trio, without the tasks of paused processes."""

    def append(self, task: Task) -> None:
        """Append a task, or keep it until its process is resumed."""
        process = task.context.get(PROCESS)
        if process is not None and process.is_paused:
            process.held.append(task)
        else:
            super().append(task)


def _runner() -> Any:
    # Any: the runner is private; no public function of Trio stops single tasks.
    return trio._core._run.GLOBAL_RUN_CONTEXT.runner


def make_pausable() -> None:
    """Make processes of the current run of Trio pausable."""
    runner = _runner()
    runner.runq = RunQueue(runner.runq)
