"""`Recorder`: a listener that keeps the events it receives."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar, final

from anyio import Event as Flag
from anyio import move_on_after

from bgjobs._core.arguments import check_type, check_whole
from bgjobs._core.config import AnyWorker
from bgjobs._core.workers import Worker
from bgjobs.events import Event
from bgjobs.testing.clock import wait_limit

E = TypeVar("E", bound=Event)

_SHOWN = 20  # names in one message


@final
class Recorder:
    """A listener that keeps all events, for `Config(listeners=[...])`.

    `events` is the list of all events in the order in which they arrived.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._waiting: list[Flag] = []

    def __call__(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)
        waiting, self._waiting = self._waiting, []
        for flag in waiting:
            flag.set()

    def of(self, kind: type[E], worker: AnyWorker | None = None) -> list[E]:
        """Return the events of a class in the order in which they arrived.

        Args:
            kind: The class of the events.
            worker: Only events about jobs of this worker.
        """
        check_type("kind", kind, type, "a class of events")
        if worker is not None:
            check_type("worker", worker, Worker, "a worker made by @bgjobs.worker")
        return [
            event
            for event in self.events
            if isinstance(event, kind) and (worker is None or _worker_of(event) == worker.name)
        ]

    def one(self, kind: type[E], worker: AnyWorker | None = None) -> E:
        """Return the only event of a class; the arguments are those of `of`.

        Raises:
            AssertionError: There is none, or more than one.
        """
        __tracebackhide__ = True  # pytest shows the line of the test
        found = self.of(kind, worker)
        if len(found) != 1:
            raise AssertionError(f"expected one {kind.__name__}, found {self._text(found)}")
        return found[0]

    def names(self, *kinds: type[Event]) -> list[str]:
        """Return the class names of the events of these classes, or of all, in their order."""
        for kind in kinds:
            check_type("kinds", kind, type, "classes of events")
        return [
            type(event).__name__
            for event in self.events
            if not kinds or isinstance(event, kinds)
        ]

    def clear(self) -> None:
        """Delete the events received so far."""
        self.events.clear()

    async def wait_for(
        self,
        kind: type[E],
        count: int = 1,
        *,
        worker: AnyWorker | None = None,
        within: float | timedelta | None = None,
    ) -> list[E]:
        """Wait for events of a class; those that arrived before the call count.

        Args:
            kind: The class of the events.
            count: How many events to wait for.
            worker: Only events about jobs of this worker.
            within: How long to wait, in seconds or as a `timedelta`; by default 30 seconds of
                real time or 366 days of virtual time.

        Returns:
            All events of the class so far, at least `count`, in the order in which they
            arrived.

        Raises:
            TimeoutError: Too few events arrived in time; the message lists the last events.
        """
        check_whole("count", count, least=0)
        with move_on_after(wait_limit(within)):
            while len(self.of(kind, worker)) < count:
                arrived = Flag()
                self._waiting.append(arrived)
                await arrived.wait()
        found = self.of(kind, worker)
        if len(found) < count:
            raise TimeoutError(
                f"expected {count} of {kind.__name__}, found {self._text(found)}"
            )
        return found

    def _text(self, found: Sequence[Event]) -> str:
        last = ", ".join(self.names()[-_SHOWN:]) or "none"
        return f"{len(found)}; the last events were: {last}"


def _worker_of(event: Event) -> str | None:
    job = getattr(event, "job", None)  # some events are not about a job
    return None if job is None else job.name
