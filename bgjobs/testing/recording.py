"""A listener that keeps what it hears."""

from typing import TypeVar, final

from anyio import Event as Flag
from anyio import fail_after

from bgjobs.events import Event

E = TypeVar("E", bound=Event)

PATIENCE = 30.0
"""Seconds after which waiting for an event is an error; a safety net, not a measure."""


@final
class Recorder:
    """Give it to `Config(listeners=[...])`, then look at what happened, or wait for it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._heard = Flag()

    def __call__(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)
        self._heard.set()

    def of(self, kind: type[E]) -> list[E]:
        """Give the events of one kind, in their order."""
        return [event for event in self.events if isinstance(event, kind)]

    def names(self, *kinds: type[Event]) -> list[str]:
        """Give the names of the events, of these kinds or of all, in their order."""
        return [
            type(event).__name__
            for event in self.events
            if not kinds or isinstance(event, kinds)
        ]

    async def wait_for(self, kind: type[E], count: int = 1) -> list[E]:
        """Wait until `count` events of a kind were heard; `TimeoutError` after 30 seconds."""
        with fail_after(PATIENCE):
            while len(self.of(kind)) < count:
                self._heard = Flag()
                await self._heard.wait()
        return self.of(kind)
