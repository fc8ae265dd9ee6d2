"""`Recorder`: a listener that keeps events."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar, final

from anyio import Event as Flag
from anyio import move_on_after

from bgjobs.config import AnyWorker
from bgjobs.events import Event
from bgjobs.expecting import check_type, check_whole
from bgjobs.testing.clock import patience
from bgjobs.workers import Worker

E = TypeVar("E", bound=Event)

_SHOWN = 20  # names in one message


@final
class Recorder:
    """Give it to `Config(listeners=[...])`, then look at what happened, or wait for it."""

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
        """Give the events of one kind, in their order; with `worker`, those of its jobs."""
        check_type("kind", kind, type, "a class of events")
        if worker is not None:
            check_type("worker", worker, Worker, "a worker made by @bgjobs.worker")
        return [
            event
            for event in self.events
            if isinstance(event, kind) and (worker is None or _worker_of(event) == worker.name)
        ]

    def one(self, kind: type[E], worker: AnyWorker | None = None) -> E:
        """Give the only event of a kind; `AssertionError` when there is none, or another."""
        __tracebackhide__ = True  # pytest shows the line of the test
        found = self.of(kind, worker)
        if len(found) != 1:
            raise AssertionError(f"expected one {kind.__name__}, found {self._found(found)}")
        return found[0]

    def names(self, *kinds: type[Event]) -> list[str]:
        """Give the names of the events, of these kinds or of all, in their order."""
        for kind in kinds:
            check_type("kinds", kind, type, "classes of events")
        return [
            type(event).__name__
            for event in self.events
            if not kinds or isinstance(event, kinds)
        ]

    def clear(self) -> None:
        """Forget what was heard so far."""
        self.events.clear()

    async def wait_for(
        self,
        kind: type[E],
        count: int = 1,
        *,
        worker: AnyWorker | None = None,
        within: float | timedelta | None = None,
    ) -> list[E]:
        """Wait until `count` events of a kind were heard, earlier ones too.

        `TimeoutError` after 30 seconds, or a year of virtual time, unless said.
        """
        check_whole("count", count, least=0)
        with move_on_after(patience(within)):
            while len(self.of(kind, worker)) < count:
                heard = Flag()
                self._waiting.append(heard)
                await heard.wait()
        found = self.of(kind, worker)
        if len(found) < count:
            raise TimeoutError(
                f"expected {count} of {kind.__name__}, found {self._found(found)}"
            )
        return found

    def _found(self, found: Sequence[Event]) -> str:
        last = ", ".join(self.names()[-_SHOWN:]) or "nothing"
        return f"{len(found)}; the last that was heard: {last}"


def _worker_of(event: Event) -> str | None:
    job = getattr(event, "job", None)  # not every event is about a job
    return None if job is None else job.name
