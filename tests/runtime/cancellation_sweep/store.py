"""A store for the sweep: its calls are counted, and one of them may fail."""

from functools import partial
from typing import Any, final

from attrs import frozen

from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.sqlite import SQLiteStore

WRITING = frozenset(
    (
        *("migrate", "write", "complete", "reserve", "replace", "prune", "notify"),
        *("open_owner", "heartbeat", "close_owners", "open", "close", "cancel"),
        *("begin_audit", "end_audit"),
    )
)
TABLES = (
    *("bgjobs_jobs", "bgjobs_jobs_succeeded", "bgjobs_jobs_failed", "bgjobs_jobs_cancelled"),
    *("bgjobs_cancellations", "bgjobs_owners", "bgjobs_past_owners"),
    *("bgjobs_audit", "effects"),
)


@frozen
class Disturbance:
    """What goes wrong, and when; by default nothing."""

    step: int | None = None
    """The step before which it is cancelled; 0 is before the operation begins."""
    call: int | None = None
    """The number of the store call that fails."""
    committed: bool = False
    """Whether it fails after it has done its work."""
    order: int = 0
    """The seed of the order of tasks that are ready at the same moment."""


@final
class MemoryStore:
    """A store whose rows survive `run`, and of which one call may fail."""

    def __init__(self) -> None:
        self.real = SQLiteStore(":memory:")
        self.real.open()
        self.real.migrate()
        self.raw: Any = self.real._executor.connections.writer.raw  # the driver's connection
        self.raw.execute("create table effects (name text)")
        self.prepare(Disturbance())

    def prepare(self, disturbance: Disturbance) -> None:
        """Empty all tables, which is far faster than creating them."""
        for table in TABLES:
            self.raw.execute(f"delete from {table}")
        self.calls: list[str] = []
        """The verbs that were called while calls were counted."""
        self.counting = False
        self.failed = ""
        """The verb that failed."""
        self.is_open = False
        self._disturbance = disturbance

    @property
    def operations(self) -> "Operations":
        return Operations(self)

    def __getattr__(self, name: str) -> Any:
        return self.counted(self.real, name)

    def counted(self, verbs: Any, name: str) -> Any:
        """Return an attribute of the store or of its operations; its calls are counted."""
        found = getattr(verbs, name)
        if not callable(found):
            return found
        verb = partial(self._turn, name) if name in ("open", "close") else found

        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._fails(name):
                return verb(*args, **kwargs)
            self.failed = name
            if self._disturbance.committed:
                verb(*args, **kwargs)
            raise StoreUnavailableError(f"{name}: away, or its answer lost")

        call.__name__ = name
        return call

    def _turn(self, name: str) -> None:
        self.is_open = name == "open"

    def _fails(self, name: str) -> bool:
        if not self.counting:
            return False
        self.calls.append(name)
        return len(self.calls) == self._disturbance.call


@final
@frozen
class Operations:
    """The verbs of operators, whose calls count like those of their store."""

    _store: MemoryStore

    def __getattr__(self, name: str) -> Any:
        return self._store.counted(self._store.real.operations, name)
