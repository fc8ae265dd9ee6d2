"""Clocks that jump, and the trace of everything observed, in order and with their times."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Literal, TypeAlias, final
from uuid import UUID

from anyio import current_time
from attrs import define, field, frozen

from bgjobs._core.timestamps import to_microseconds
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

Which = Literal["store", "processes", "all"]


@final
@frozen
class Jump:
    """A change of one clock, or of all of them, by some seconds."""

    by: float
    """Seconds; negative sets them back."""
    which: Which = "all"
    at: float | None = None
    """Seconds after the start of its life; None if `step` determines the moment."""
    step: int = 0
    """The number of events of its life after which it happens."""
    back: bool = False
    """Whether the clocks are set to the right time instead."""


@final
@define(eq=False)
class Clocks:
    """All clocks of a world, except that of the event loop, which is monotonic."""

    start: datetime
    store: timedelta = timedelta(0)
    """How far the store's clock is ahead of the right time."""
    processes: timedelta = timedelta(0)
    _began: float | None = field(default=None, init=False)

    def right(self) -> datetime:
        """Return the right time."""
        if self._began is None:
            self._began = current_time()
        return self.start + timedelta(seconds=current_time() - self._began)

    def shown(self) -> datetime:
        """Return the time of the store's clock."""
        return self.right() + self.store

    def microseconds(self) -> int:
        """Return the time of the store's clock, in microseconds since 1970."""
        return to_microseconds(self.shown())

    def jump(self, jump: Jump) -> None:
        """Set the clocks."""
        by = timedelta(seconds=jump.by)
        if jump.which in ("store", "all"):
            self.store = timedelta(0) if jump.back else self.store + by
        if jump.which in ("processes", "all"):
            self.processes = timedelta(0) if jump.back else self.processes + by


@final
@frozen
class ProcessClock:
    """A `bgjobs._core.clock.Clock` of one process; the store has its own."""

    clocks: Clocks
    inline: bool = field(default=True, init=False)

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self.clocks.right() + self.clocks.processes

    def store_now(self) -> datetime | None:
        """See `Clock.store_now`."""
        return self.clocks.shown()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return current_time()


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
class Started:
    """The start of a life, with these time zones."""

    zones: Mapping[str, tzinfo]


@final
@frozen
class Stopped:
    """The end of a life."""


@final
@frozen
class Jumped:
    """A jump; `before` is the time of the store's clock before it."""

    jump: Jump
    before: datetime


@final
@frozen
class HandlerEnded:
    """A handler is about to return or to raise."""

    job: UUID


Observation: TypeAlias = Event | Started | Stopped | Jumped | HandlerEnded


@final
@frozen
class Entry:
    """One observation."""

    loop: float
    """The time of the event loop's clock."""
    shown: datetime
    """The time of the store's clock, after a jump."""
    node: int
    """The process that reported it; -1 for all."""
    what: Observation


@final
@define(eq=False)
class Trace:
    """Records observations, and lets clocks jump after the number of events they wait for."""

    clocks: Clocks
    entries: list[Entry] = field(factory=list[Entry], init=False)
    steps: int = field(default=0, init=False)
    """The events since the start of the life."""
    jumps: list[Jump] = field(factory=list[Jump], init=False)
    """The jumps of this life that wait for their step."""

    def note(self, what: Observation, node: int = -1) -> None:
        """Record an observation."""
        self.entries.append(Entry(current_time(), self.clocks.shown(), node, what))

    def jump(self, jump: Jump) -> None:
        """Set the clocks now."""
        before = self.clocks.shown()
        self.clocks.jump(jump)
        self.note(Jumped(jump, before))

    def listener(self, node: int) -> Callable[[Event], None]:
        """Return the listener of a process."""

        def hear(event: Event) -> None:
            if isinstance(event, KEPT):
                self.note(event, node)
            self.steps += 1
            for jump in self.jumps:
                if jump.step == self.steps:
                    self.jump(jump)

        return hear
