"""The connection of a process to the store: faults, delays, and the check of each change."""

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from random import Random
from types import SimpleNamespace
from typing import Any, Literal, TypeVar, final
from unittest.mock import patch

import trio

from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs.errors import StoreError, StoreUnavailableError
from tests.reliability.simulation.checker import Checker
from tests.reliability.simulation.database import Database
from tests.reliability.simulation.plan import FaultRates
from tests.reliability.simulation.process import Process
from tests.reliability.simulation.records import Journal

Fault = Literal["before", "after"]
ALL = -1
"""The key of an outage for all nodes."""


@final
class NetworkFaults:
    """Decides the fate of each call, until faults end."""

    def __init__(self, seed: int, faults: FaultRates) -> None:
        self._random = Random(f"weather {seed}")
        self._faults = faults
        self._away: dict[int, float] = {}
        self.is_over = False

    @property
    def late_calls(self) -> bool:
        """Whether calls of killed processes still arrive."""
        return self._faults.late_calls

    @property
    def is_slow(self) -> bool:
        """Whether some calls are delayed."""
        return self._faults.slow > 0 or self._faults.detection_delay > 0

    def end_faults(self) -> None:
        """Inject no faults from now on."""
        self.is_over = True
        self._faults = FaultRates()
        self._away.clear()

    def outage(self, node: int | None, seconds: float) -> None:
        """Make the store unavailable for a node, or for all, for some seconds."""
        self._away[ALL if node is None else node] = trio.current_time() + seconds

    def fault(self, process: Process) -> Fault | None:
        """Return the fault of the next call, or None."""
        faults = self._faults
        if trio.current_time() < max(self._away.get(n, 0.0) for n in (ALL, process.node)):
            return "before"
        if faults.before and self._random.random() < faults.before:
            return "before"
        if faults.after and self._random.random() < faults.after:
            return "after"
        return None

    def latency(self) -> float:
        """Return the seconds that one direction of a call takes."""
        if self._random.random() < self._faults.slow:
            return self._faults.longest * self._random.random() ** 2
        return 0.0

    def detection_delay(self) -> float:
        """Return the seconds after which a lost answer is noticed."""
        return self._faults.detection_delay * self._random.random()


T = TypeVar("T")

READING = (*("next_due", "count", "find_unique", "abandoned", "find", "list", "find_owners"),)
WRITING = (
    "write",
    "complete",
    "end_with",
    "reserve",
    "replace",
    "open_owner",
    "heartbeat",
    "close_owners",
    "prune",
)
OPERATIONS = (
    *("commands", "find_unreadable", "count_unreadable"),
    *("cancel", "retry", "put_back", "pause_queue", "resume_queue"),
    *("begin_audit", "end_audit", "prune_audit"),
    *("register_hooks", "mark_end", "marked_ends", "begin_marked"),
    *("record_activity", "roll_up_activity", "forget_process"),
)
NURSERIES = (
    *("start_children", "look", "children", "find_parent", "cancel_children"),
    *("end_orphans", "record_waits", "waiting_among"),
)


class ProcessKilledError(StoreError):
    """A process that was killed has called the store."""


@final
class StoreConnection:
    """A `Store` for one process: the shared one, with faults before and after each call."""

    label = "simulated"
    listeners: Sequence[Any] = ()
    needs_notify = False

    def __init__(
        self,
        process: Process,
        connections: int,
        database: Database,
        network_faults: NetworkFaults,
        checker: Checker,
        journal: Journal,
    ) -> None:
        self.connections = connections
        self.threads = trio.CapacityLimiter(connections)
        self.process = process
        self.network_faults = network_faults
        self._database = database
        self._checker = checker
        self._journal = journal
        for name in (*READING, *WRITING):
            setattr(self, name, self._verb(name, getattr(database.store, name)))
        for name in ("reserve", "next_due"):
            setattr(self, name, _overlooking(getattr(self, name)))
        operations = database.store.operations
        self.operations = SimpleNamespace(
            **{name: self._verb(name, getattr(operations, name)) for name in OPERATIONS}
        )
        nurseries = database.store.nurseries
        self.nurseries = SimpleNamespace(
            **{name: self._verb(name, getattr(nurseries, name)) for name in NURSERIES}
        )

    def open(self) -> None:
        """Connect, unless a fault prevents it."""
        self._call("open", lambda: None)

    def close(self) -> None:
        """Do nothing: the store is shared."""

    def migrate(self) -> Sequence[str]:
        """Return nothing: the schema is there."""
        return ()

    def check_schema(self) -> None:
        """Do nothing: the schema is there."""

    def begin(self) -> None:
        """Raise `ProcessKilledError` if the process was killed: it cannot start a call."""
        if self.process.was_killed:
            raise ProcessKilledError(self.process.name)

    def _verb(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        # Any: the methods have many signatures, and each call is passed on unchanged.
        def verb(*args: Any, **kwargs: Any) -> Any:
            return self._call(name, lambda: real(*args, **kwargs))

        verb.__name__ = name
        return verb

    def _call(self, name: str, work: Callable[[], T]) -> T:
        self._journal.called()
        who = self.process.name
        if name == "heartbeat" or not self.network_faults.late_calls:
            self.begin()
        fault = self.network_faults.fault(self.process)
        if fault == "before":
            self._journal.record(who, name, "is not reached")
            raise StoreUnavailableError(f"{name}: the store is unavailable")
        answer = work()
        self._checker.check_transaction(self.process, name, self._database.changes())
        self.begin()
        if fault == "after":
            if name == "open_owner":
                self._checker.owners.unanswered()
            self._journal.record(who, name, "is not answered")
            raise StoreUnavailableError(f"{name}: the answer is lost")
        return answer


def _overlooking(verb: Callable[..., T]) -> Callable[..., T]:
    """Overlook all jobs of workers with a position, which is more than a store may."""

    def call(*args: Any, after: Collection[str] = (), **kwargs: Any) -> T:
        *owner, names = args[:2] if verb.__name__ == "reserve" else args[:1]
        asked = [name for name in names if name not in after]
        return verb(*owner, asked, *args[len(owner) + 1 :], **kwargs)

    return call


async def _call_over_network(dispatch: Dispatch, work: Callable[[], T]) -> T:
    """Call the store as `Dispatch` does in a thread: a call that has begun is not cancelled."""
    connection = _connection_of(dispatch)
    network_faults = connection.network_faults
    connection.begin()
    if not network_faults.is_slow:
        await trio.lowlevel.checkpoint()
        return work()
    async with connection.threads:
        with trio.CancelScope(shield=True):
            await trio.sleep(network_faults.latency())
            try:
                answer = work()
            except StoreUnavailableError:
                await trio.sleep(network_faults.detection_delay())
                raise
            await trio.sleep(network_faults.latency())
    return answer


def _connection_of(dispatch: Dispatch) -> StoreConnection:
    connection = dispatch.store
    assert isinstance(connection, StoreConnection)
    return connection


@contextmanager
def calls_without_threads() -> Generator[None]:
    """Make calls of the store take virtual time, which threads would not."""
    with patch.object(Dispatch, "leave_the_loop", _call_over_network):
        yield
