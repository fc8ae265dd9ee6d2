"""The way of one process to the store: faults on it, and a look at every change behind it."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, final
from unittest.mock import patch

import trio

from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs.errors import StoreError, StoreUnavailableError
from tests.reliability.simulation.disk import Disk
from tests.reliability.simulation.journal import Journal
from tests.reliability.simulation.process import Process
from tests.reliability.simulation.weather import Weather
from tests.reliability.simulation.witness import Witness

T = TypeVar("T")

READING = (
    *("next_due", "count", "find_unique", "abandoned", "find", "get_running", "get_enqueued"),
)
WRITING = (
    "write",
    "complete",
    "reserve",
    "replace",
    "open_owner",
    "heartbeat",
    "close_owners",
    "prune",
)


class GoneError(StoreError):
    """A process that was killed asks for something."""


@final
class Line:
    """A `Store` for one process: the shared one, with weather before and behind it."""

    label = "the line"
    listeners: Sequence[Any] = ()
    needs_notify = False

    def __init__(
        self,
        process: Process,
        connections: int,
        disk: Disk,
        weather: Weather,
        witness: Witness,
        journal: Journal,
    ) -> None:
        self.connections = connections
        self.threads = trio.CapacityLimiter(connections)
        self.process = process
        self.weather = weather
        self._disk = disk
        self._witness = witness
        self._journal = journal
        for name in (*READING, *WRITING):
            setattr(self, name, self._verb(name, getattr(disk.store, name)))

    def open(self) -> None:
        """Connect, if the weather lets it."""
        self._call("open", lambda: None)

    def close(self) -> None:
        """Give back nothing: the store is shared."""

    def migrate(self) -> Sequence[str]:
        """Find everything applied."""
        return ()

    def check_schema(self) -> None:
        """Find the schema as it should be."""

    def begin(self) -> None:
        """Refuse the dead, who begin nothing; what they had begun may arrive as a ghost."""
        if self.process.dead:
            raise GoneError(self.process.name)

    def _verb(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        # Any: the verbs are many, and each is passed on as it is.
        def verb(*args: Any, **kwargs: Any) -> Any:
            return self._call(name, lambda: real(*args, **kwargs))

        verb.__name__ = name
        return verb

    def _call(self, name: str, work: Callable[[], T]) -> T:
        self._journal.called()
        who = self.process.name
        if name == "heartbeat" or not self.weather.ghosts:
            self.begin()
        fault = self.weather.fault(self.process)
        if fault == "before":
            self._journal.note(who, name, "is not reached")
            raise StoreUnavailableError(f"{name}: the store is away")
        answer = work()
        self._witness.look(self.process, name, self._disk.changes())
        self.begin()
        if fault == "after":
            if name == "open_owner":
                self._witness.owners.unanswered()
            self._journal.note(who, name, "is not answered")
            raise StoreUnavailableError(f"{name}: the answer is lost")
        return answer


async def _travel(dispatch: Dispatch, work: Callable[[], T]) -> T:
    """Call the store as `Dispatch` does from a thread: once begun it is not cut off."""
    line = _line_of(dispatch)
    weather = line.weather
    line.begin()
    if not weather.is_slow:
        await trio.lowlevel.checkpoint()
        return work()
    async with line.threads:
        with trio.CancelScope(shield=True):
            await trio.sleep(weather.way())
            try:
                answer = work()
            except StoreUnavailableError:
                await trio.sleep(weather.silence())
                raise
            await trio.sleep(weather.way())
    return answer


def _line_of(dispatch: Dispatch) -> Line:
    line = dispatch.store
    assert isinstance(line, Line)
    return line


@contextmanager
def lines_for_threads() -> Generator[None]:
    """Let calls of the store take time without threads, which virtual time cannot see."""
    with patch.object(Dispatch, "_leave_the_loop", _travel):
        yield
