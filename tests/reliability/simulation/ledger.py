"""What was asked for, what was answered, and what was stored."""

from collections.abc import Sequence
from typing import final
from uuid import UUID

from bgjobs._core.jobs import Job
from tests.reliability.simulation.journal import Journal
from tests.reliability.simulation.plan import Order


@final
class Ledger:
    """The orders of a world: each is placed once, by whichever process has the time."""

    def __init__(self, groups: Sequence[Sequence[Order]], journal: Journal) -> None:
        self.orders = {one.number: one for group in groups for one in group}
        self._groups = [tuple(one.number for one in group) for group in groups]
        self._left = list(reversed(self._groups))
        self._journal = journal
        self._stored: dict[int, UUID] = {}
        self._answered: dict[int, UUID] = {}
        self._open = len(self._groups)

    @property
    def is_done(self) -> bool:
        """Whether every order was placed, for better or worse."""
        return self._open == 0

    def take(self) -> tuple[Order, ...]:
        """Give the next orders, which go together; nothing when there are no more."""
        if not self._left:
            return ()
        return tuple(self.orders[number] for number in self._left.pop())

    def give_back(self, group: Sequence[Order]) -> None:
        """Let somebody else place orders that were not yet begun with."""
        self._left.append(tuple(one.number for one in group))

    def placed(self) -> None:
        """Note that nobody will try again to place a group."""
        self._open -= 1

    def stored(self, number: int, job: UUID) -> None:
        """Note that the job of an order was stored."""
        found = self._stored.setdefault(number, job)
        self._journal.expect(found == job, f"order {number}: stored as {found} and as {job}")

    def answered(self, group: Sequence[Order], jobs: Sequence[Job]) -> None:
        """Note that orders were acknowledged, with these jobs."""
        for order, job in zip(group, jobs, strict=True):
            self._journal.note("answered", order.number, str(job.id))
            self._answered[order.number] = job.id
            theirs = job.unique_key == order.key and order.key is not None
            mine = self._stored.get(order.number) == job.id
            self._journal.expect(mine or theirs, f"order {order.number}: got job {job.id}")

    def check(self, ended: Sequence[UUID]) -> None:
        """Check that everything acknowledged has ended, and that groups are whole."""
        known = set(ended)
        for number, job in self._answered.items():
            self._journal.expect(job in known, f"order {number}: job {job} did not end")
        for group in self._groups:
            stored = [number for number in group if number in self._stored]
            whole = len(stored) in (0, len(group))
            keyed = any(self.orders[number].key for number in group)
            self._journal.expect(whole or keyed, f"orders {group}: only {stored} were stored")
