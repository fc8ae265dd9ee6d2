"""Checks the ends that are written together with what functions of `on_failure` write."""

import json
from collections.abc import Sequence
from typing import final
from uuid import UUID

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._runtime.leases.marked_ends import MOST_TRIES
from tests.reliability.simulation.database import Change
from tests.reliability.simulation.records import Journal
from tests.reliability.simulation.workload import EnqueueLog, beat, raises_at_its_end, timed

_HOOKS = {worker.name: worker.failure_hook for worker in (timed, beat)}


@final
class HookChecks:
    """Checks marks, and that each end has what its function has written."""

    def __init__(self, journal: Journal, enqueue_log: EnqueueLog) -> None:
        self.effects: list[str] = []
        """The jobs for which a function has written a row."""
        self.has_owner = False
        """Whether the owner of marked ends has a row."""
        self.given_up: set[str] = set()
        """The jobs whose function was begun too often."""
        self._journal = journal
        self._enqueue_log = enqueue_log
        self._marks: dict[str, Change] = {}

    def is_held(self, row: Change) -> bool:
        """Whether a live job waits for its end."""
        return row.owner == str(HOOK_OWNER)

    def covers(self, row: Change, state: str) -> bool:
        """Whether the worker of a job has a function for this end."""
        name = beat.name
        if row.occurrence is None:
            number = json.loads(row.payload or "").get("number")
            if number is not None:  # else it ran for a schedule before it was retried
                name = self._enqueue_log.planned_jobs[number].worker
        hook = _HOOKS.get(name)
        return hook is not None and (state == "failed" or hook.on_cancelled)

    def mark_of(self, row: Change) -> Change:
        """Return the mark of a job; its payload is the state, its owner the one before."""
        mark = self._marks.get(row.id)
        self._journal.expect(mark is not None, f"job {row.id}: held, but not marked")
        return row if mark is None else mark

    def held_by(self, owner: str) -> list[str]:
        """Return the jobs of an owner whose end is marked."""
        return [mark.id for mark in self._marks.values() if mark.owner == owner]

    def marked(self, mark: Change) -> None:
        """Record a mark, or one more try to write it."""
        self._marks[mark.id] = mark

    def unmarked(self, mark: Change, ended: Change | None, verb: str) -> None:
        """Check that a mark is removed when its job ends as it says."""
        right = verb == "end_with" and ended is not None and ended.kind == mark.payload
        self._journal.expect(right, f"job {mark.id}: {mark.payload} removed by {verb}")
        self._marks.pop(mark.id, None)
        if mark.attempts > MOST_TRIES:
            self.given_up.add(mark.id)

    def restored(self, old: Change, new: Change) -> None:
        """Check that an ended job gets the reservation that it had before it was marked."""
        mark = self.mark_of(new)
        number = old.reservations - (mark.owner is None)
        right = (new.owner, new.reservations) == (mark.owner, number)
        self._journal.expect(
            right, f"job {new.id}: {new.owner} and {new.reservations} restored"
        )

    def check_transaction(self, changes: Sequence[Change]) -> None:
        """Check that the functions have written for all ends of this transaction."""
        tries = {one.id: one.attempts for one in changes if one.kind == "unmarked"}
        written = sorted(one.id for one in changes if one.kind == "hooked")
        wanted = sorted(
            one.id
            for one in changes
            if one.kind in ("failed", "cancelled")
            and self.covers(one, one.kind)
            and not raises_at_its_end(UUID(one.id))
            and tries.get(one.id, 0) <= MOST_TRIES
        )
        self.effects += written
        self._journal.expect(written == wanted, f"written at ends {written}, not {wanted}")
