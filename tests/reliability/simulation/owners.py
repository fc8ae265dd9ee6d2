"""The leases of all owners, as the store has them."""

from typing import final

from attrs import frozen

from tests.reliability.simulation.disk import Change
from tests.reliability.simulation.journal import Journal
from tests.reliability.simulation.process import Process


@final
@frozen
class _Lease:
    process: Process
    until: int


@final
class Owners:
    """Knows which process an owner belongs to, and whether its lease goes on."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._open: dict[str, _Lease] = {}
        self._processes: dict[str, Process] = {}
        self._unanswered: set[str] = set()
        self._newest = ""

    @property
    def rows(self) -> list[str]:
        """Give all owners that have a row."""
        return list(self._open)

    @property
    def open(self) -> list[str]:
        """Name the processes of the owners that have a row, and that they know of."""
        known = (one for owner, one in self._open.items() if owner not in self._unanswered)
        return [lease.process.name for lease in known]

    def unanswered(self) -> None:
        """Note that nobody will know of the owner that was opened last; its lease ends it."""
        self._unanswered.add(self._newest)

    def process_of(self, owner: str | None) -> Process | None:
        """Give the process that opened an owner."""
        return self._processes.get(owner or "")

    def is_over(self, owner: str | None, now: int) -> bool:
        """Say whether an owner has no lease."""
        lease = self._open.get(owner or "")
        return lease is None or lease.until <= now

    def opened(self, process: Process, change: Change) -> None:
        """Note a new owner."""
        self._journal.expect(
            change.id not in self._processes, f"owner {change.id} opened twice"
        )
        self._processes[change.id] = process
        self._newest = change.id
        self._open[change.id] = _Lease(process, change.instant)

    def renewed(self, process: Process, change: Change, now: int) -> None:
        """Check a heartbeat: it is the owner's own, and comes before the lease has ended."""
        expect, who = self._journal.expect, f"owner {change.id}"
        expect(self.process_of(change.id) is process, f"{who} renewed by {process.name}")
        expect(not self.is_over(change.id, now), f"{who} renewed after its lease had ended")
        self._open[change.id] = _Lease(process, change.instant)

    def closed(self, process: Process, change: Change, now: int) -> None:
        """Check the end of an owner: it closed itself, or its lease had ended."""
        mine = self.process_of(change.id) is process
        alive = not self.is_over(change.id, now)
        text = f"owner {change.id} closed by {process.name} although its lease goes on"
        self._journal.expect(mine or not alive, text)
        self._open.pop(change.id, None)
