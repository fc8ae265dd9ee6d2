"""`Runs`: the actions that users have begun, which go on without their browsers."""

import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Literal, TypeAlias, final

from anyio import CancelScope, Event, create_task_group
from anyio.abc import TaskGroup
from attrs import define, field, frozen

from bgjobs._core.exceptions import unwrapped
from bgjobs.web.failures import refusal_for
from bgjobs.web.refusals import Refusal, RefusedError

MOST_RUNNING = 20
"""Actions that run at the same time."""
MOST_KEPT = 200
"""Actions that are remembered, those that run included."""
TOO_MANY = Refusal(
    429,
    "Too many actions",
    f"Nothing was changed: {MOST_RUNNING} actions are running. Wait until one has ended.",
    {"Retry-After": "10"},
)

Outcome: TypeAlias = Literal["running", "done", "stopped", "failed"]


@final
@frozen
class Plan:
    """What a user has asked for."""

    title: str
    """What it does, such as ``Retry 3 jobs``."""
    author: str
    """The name of the user."""
    expected: int | None
    """How many jobs it may change; None if that was not counted to the end."""
    again: str
    """The address of the form that asks for the same again."""
    links: Sequence[tuple[str, str]] = ()
    """Texts and addresses of pages that show its effect."""


@final
@define(eq=False)
class Run:
    """An action that was begun, and how far it is."""

    id: str
    plan: Plan
    begun_at: datetime
    changed: int = 0
    """How many jobs it has changed so far."""
    outcome: Outcome = "running"
    ended_at: datetime | None = None
    problem: str = ""
    """Why it failed."""
    ended: Event = field(factory=Event)
    _scope: CancelScope = field(factory=CancelScope)

    def report(self, changed: int) -> None:
        """Set how many jobs it has changed."""
        self.changed = changed

    def stop(self) -> None:
        """End it behind the batch that it changes; what it has changed stays."""
        self._scope.cancel()

    async def carry_out(self, work: "Work", now: Callable[[], datetime]) -> None:
        """Do the work, and keep how it ended; errors are logged and kept as a text."""
        try:
            with self._scope:
                await work(self)
                self.outcome = "done"
        except Exception as error:  # noqa: BLE001 - the user reads it at the page of the action
            self.outcome, self.problem = "failed", refusal_for(error, "/actions").text
        finally:
            if self.outcome == "running":
                self.outcome = "stopped"
            self.ended_at = now()
            self.ended.set()


Work: TypeAlias = Callable[[Run], Awaitable[None]]
"""What changes jobs, and reports to the run how many."""


@final
class Runs:
    """The actions of a system, the latest ones."""

    def __init__(self, nursery: TaskGroup, now: Callable[[], datetime]) -> None:
        self._nursery = nursery
        self._now = now
        self._runs = OrderedDict[str, Run]()

    @property
    def latest(self) -> Sequence[Run]:
        """The actions, the latest one first."""
        return [*reversed(self._runs.values())]

    def find(self, run_id: str) -> Run | None:
        """Return the action of an id, or None."""
        return self._runs.get(run_id)

    def begin(self, plan: Plan, work: Work) -> Run:
        """Begin an action in a task of its own.

        Raises:
            RefusedError: Too many actions are running.
        """
        running = [one for one in self._runs.values() if one.outcome == "running"]
        if len(running) >= MOST_RUNNING:
            raise RefusedError(TOO_MANY)
        run = Run(secrets.token_urlsafe(12), plan, self._now())
        self._runs[run.id] = run
        self._forget()
        self._nursery.start_soon(run.carry_out, work, self._now)
        return run

    def _forget(self) -> None:
        ended = [one.id for one in self._runs.values() if one.outcome != "running"]
        for run_id in ended[: max(0, len(self._runs) - MOST_KEPT)]:
            del self._runs[run_id]


@asynccontextmanager
async def nursery_of_runs() -> AsyncGenerator[TaskGroup]:
    """Open the task group of actions; they are stopped when the block ends.

    An error of the block is raised as it is, without a group around it.
    """
    block_error: BaseException | None = None
    try:
        async with create_task_group() as nursery:
            try:
                yield nursery
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        block_error = unwrapped(group)
    if block_error is not None:
        raise block_error  # outside of the handler, which would change its cause and context
