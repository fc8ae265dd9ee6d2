"""What was heard of a world, in its order, with what the store's clock showed meanwhile."""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import TypeAlias, final
from uuid import UUID

from anyio import current_time
from attrs import define, field, frozen

from bgjobs.events import (
    Event,
    JobFailed,
    JobReserved,
    JobStarted,
    JobSucceeded,
    OccurrencePlanned,
    OccurrenceReplanned,
    OccurrencesMissed,
    QueueError,
)
from tests.reliability.clock_jumps.clocks import Clocks, Jump

KEPT = (
    JobFailed,
    JobReserved,
    JobStarted,
    JobSucceeded,
    OccurrencePlanned,
    OccurrenceReplanned,
    OccurrencesMissed,
    QueueError,
)


@final
@frozen
class Born:
    """A life begins, with these time zones."""

    zones: Mapping[str, tzinfo]


@final
@frozen
class Gone:
    """A life has ended."""


@final
@frozen
class Jumped:
    """The clocks were set; `before` is what the store's showed."""

    jump: Jump
    before: datetime


@final
@frozen
class HandlerEnded:
    """A handler is about to return or to raise."""

    job: UUID


What: TypeAlias = Event | Born | Gone | Jumped | HandlerEnded


@final
@frozen
class Entry:
    """One thing that happened."""

    loop: float
    """When, by the clock that never jumps."""
    shown: datetime
    """What the store's clock showed then, or after it."""
    node: int
    """The process that told it; -1 for what happens to all."""
    what: What


@final
@define(eq=False)
class Trace:
    """Keeps what happens, and lets clocks jump at the steps for which that was asked."""

    clocks: Clocks
    entries: list[Entry] = field(factory=list[Entry], init=False)
    steps: int = field(default=0, init=False)
    """Events that were heard since the life has begun."""
    jumps: list[Jump] = field(factory=list[Jump], init=False)
    """Those of this life that wait for their step."""

    def note(self, what: What, node: int = -1) -> None:
        """Write it down."""
        self.entries.append(Entry(current_time(), self.clocks.shown(), node, what))

    def jump(self, jump: Jump) -> None:
        """Set the clocks now."""
        before = self.clocks.shown()
        self.clocks.jump(jump)
        self.note(Jumped(jump, before))

    def listener(self, node: int) -> Callable[[Event], None]:
        """Make the listener of a process."""

        def hear(event: Event) -> None:
            if isinstance(event, KEPT):
                self.note(event, node)
            self.steps += 1
            for jump in self.jumps:
                if jump.step == self.steps:
                    self.jump(jump)

        return hear
