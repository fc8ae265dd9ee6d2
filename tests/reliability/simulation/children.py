"""The check of children: they belong to live parents, one for each key, and end with them."""

from collections.abc import Mapping, Sequence
from typing import final
from uuid import UUID

from attrs import evolve

from bgjobs._core.hooks import HOOK_OWNER
from tests.reliability.simulation.database import Change
from tests.reliability.simulation.process import Process, SharedClock
from tests.reliability.simulation.records import Journal, Owners

CASCADES = frozenset(
    (
        *("write", "complete", "end_with", "close_owners", "cancel", "delete"),
        *("mark_end", "cancel_children", "end_orphans"),
    )
)
"""The verbs that end children, or ask for their end."""


@final
class ChildChecks:
    """Checks the rows of children after each transaction."""

    def __init__(
        self,
        journal: Journal,
        owners: Owners,
        shared_clock: SharedClock,
        live: Mapping[str, Change],
        ended: Mapping[str, Change],
    ) -> None:
        self._journal = journal
        self._owners = owners
        self._shared_clock = shared_clock
        self._live = live
        self._ended = ended
        self._keys: dict[tuple[str, str], str] = {}
        """The child of each parent and key."""
        self._parents: dict[str, str] = {}
        """The parent of each child that has a key."""
        self.all: set[UUID] = set()
        """Every job that ever was a child: a reserved one may join its parent later."""
        self._cascaded: list[tuple[Process, Change]] = []
        """What the present transaction has ended, or asked to end, because of a parent."""

    @property
    def rows(self) -> int:
        """How many children have a key."""
        return len(self._keys)

    def live_among(self, parent: str | None, jobs: Sequence[UUID]) -> Sequence[UUID]:
        """Return which of these jobs are live children of a parent; None means any parent."""
        rows = (self._live.get(str(job)) for job in jobs)
        found = (row for row in rows if row is not None and row.parent is not None)
        return [UUID(row.id) for row in found if parent in (None, row.parent)]

    def is_live(self, parent: str) -> bool:
        """Whether a parent has not ended: a live job, or an owner with a row."""
        return parent in self._live or parent in self._owners.rows

    def started(self, process: Process, old: Change, new: Change) -> None:
        """Check a live job that is changed when children start: a parent, or an adopted one."""
        if old == new:
            self._holds(process, new.id)
            return
        same = evolve(old, kind=new.kind, parent=new.parent) == new
        joins = old.parent is None and same
        self._expect(joins, new, "changed when it became a child")
        self._holds(process, new.parent or "")

    def joined(self, process: Process, row: Change) -> None:
        """Check that the key of a parent has no other live or succeeded child."""
        parent, key = row.parent or "", row.payload or ""
        self._holds(process, parent)
        before = self._keys.get((parent, key), row.id)
        if before != row.id:
            found = self._ended.get(before)
            free = before not in self._live and found is not None and found.kind != "succeeded"
            self._expect(free, row, f"in place of {before}, which counts")
            self._parents.pop(before, None)
        self._keys[parent, key] = row.id
        self._parents[row.id] = parent
        self.all.add(UUID(row.id))

    def parted(self, process: Process, row: Change) -> None:
        """Check that a child which is forgotten has no record."""
        kept = row.id in self._live or row.id in self._ended
        self._expect(not kept, row, "forgotten, though it has a record")
        self._keys.pop((row.parent or "", row.payload or ""), None)
        self._parents.pop(row.id, None)

    def pruned(self, row: Change) -> None:
        """Check that the parent of a pruned job has ended."""
        parent = self._parents.get(row.id, "")
        self._expect(not self.is_live(parent), row, f"pruned while {parent} is live")

    def reserved(self, row: Change) -> None:
        """Check that the parent of a job that starts is live, and that of one put back."""
        if row.parent is not None:
            self._expect(self.is_live(row.parent), row, f"goes on after {row.parent} ended")

    def cascaded(self, process: Process, row: Change) -> None:
        """Take a waiting job that was ended, or a running one that was asked to end."""
        self._cascaded.append((process, row))

    def check_transaction(self, verb: str, changes: Sequence[Change], asked: set[str]) -> None:
        """Check what this transaction has done to children of ended and of live parents."""
        if self._cascaded:
            for process, row in self._cascaded:
                self._check_reason(process, verb, row)
            self._cascaded.clear()
        ended = {one.id for one in changes if one.kind in ("deleted", "closed")}
        over = {one for one in ended if not self.is_live(one)}
        for row in self._live.values() if over else ():
            if row.parent in over:
                ends = row.owner is not None and row.id in asked
                ends |= row.owner == str(HOOK_OWNER)
                self._expect(ends, row, f"left when {row.parent} ended")

    def _has_ended(self, parent: str) -> bool:
        """Whether a parent has ended, or ends as soon as a function has written about it."""
        row = self._live.get(parent)
        is_marked = row is not None and row.owner == str(HOOK_OWNER)
        return is_marked or not self.is_live(parent)

    def _check_reason(self, process: Process, verb: str, row: Change) -> None:
        if verb == "cancel":  # an operator chose it, or one of those that it belongs to
            return
        parent = row.parent or ""
        right = verb in CASCADES and self._has_ended(parent)
        if verb == "cancel_children" and not right:
            self._holds(process, parent)
            right = True
        self._expect(right, row, f"to be ended by {verb}, though {parent} is live")

    def _holds(self, process: Process, parent: str) -> None:
        """Check that a parent is live, and held by this process."""
        row = self._live.get(parent)
        owner = parent if row is None else row.owner
        mine = self._owners.process_of(owner) is process
        if row is None:
            now = self._shared_clock.microseconds()
            mine = mine and not self._owners.is_over(owner, now)
        self._journal.expect(mine, f"parent {parent}: not held by {process.name}")

    def _expect(self, condition: object, row: Change, text: str) -> None:
        self._journal.expect(condition, f"child {row.id} of {row.parent}: {text}")
