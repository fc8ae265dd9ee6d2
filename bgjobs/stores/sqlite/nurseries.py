"""What a `SQLiteStore` does for jobs that belong to a parent."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, final
from uuid import UUID

from attrs import frozen

from bgjobs._core.jobs import AnyJob, Reservation
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.timestamps import as_instant, from_microseconds, to_microseconds
from bgjobs.stores.brood import Brood, check_depth, children_of, readable_only
from bgjobs.stores.decoder import TABLES, as_of
from bgjobs.stores.nurseries import DEEPEST, ChildrenState, NewChild, StoredChild
from bgjobs.stores.operations import Cancellation
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.refusals import end_apart
from bgjobs.stores.sqlite import codec, families, writes
from bgjobs.stores.sqlite.connection import Parameters, Row
from bgjobs.stores.sqlite.executor import Executor, Transaction

_JOBS = ("children_live", "children_succeeded", "children_failed", "children_cancelled")
"""The statements that read the jobs of children, in the order of `TABLES`."""


@final
@frozen(eq=False)
class SQLiteNurseries:
    """The children of a `SQLiteStore`; see `bgjobs.stores.nurseries`."""

    _executor: Executor

    def start_children(
        self,
        parent: Reservation | UUID,
        children: Sequence[NewChild],
        *,
        now: datetime | None = None,
    ) -> Sequence[AnyJob] | None:
        """Store children of a parent, or return those that it has already."""
        brood = Brood(children)
        with self._executor.writing() as transaction:
            moment = self._executor.microseconds(now)
            if not _holds(transaction, parent, moment, marked=bool(children)):
                return None
            return _started(transaction, brood, _id_of(parent), moment)

    def look(
        self,
        parent: UUID,
        among: Collection[UUID],
        since: datetime | None = None,
        *,
        now: datetime | None = None,
    ) -> ChildrenState:
        """Return which of some jobs are live, and which children ended without success."""
        first = _EARLIEST if since is None else to_microseconds(as_instant("since", since))
        # Read before the children: what ends later has a later time.
        moment = from_microseconds(self._executor.microseconds(now))
        ids = codec.uuids_json(among)
        values: Parameters = {"id": str(parent), "ids": ids, "since": first}
        live, ended = self._executor.snapshot(("find_live_among", "look"), values)
        found = frozenset(UUID(row[0]) for row in live)
        return ChildrenState(found, codec.valid_ids(row[0] for row in ended), moment)

    def children(
        self,
        parents: Collection[UUID],
        page: Page = FIRST_PAGE,
        *,
        now: datetime | None = None,
    ) -> Listing[StoredChild]:
        """Return a page of the children of some parents, ordered by the ids of their jobs."""
        moment = from_microseconds(self._executor.microseconds(now))
        asked: Parameters = {"ids": codec.uuids_json(parents), "form": _ID_FORM}
        statement = "list_children" if len(parents) == 1 else "list_children_of_several"
        rows = self._executor.page(statement, page, asked, one_more=True)
        found = [(UUID(parent), key, UUID(one)) for parent, key, one in rows]
        values: Parameters = {"ids": codec.uuids_json(one for *_, one in found[: page.limit])}
        jobs = readable_only(_jobs(self._executor.snapshot(_JOBS, values), moment))
        return children_of(found, jobs, page)

    def find_parent(self, child: UUID) -> UUID | None:
        """Return the id of the parent of a job, or None."""
        found = self._executor.read("find_parent", {"id": str(child)})
        return next(iter(codec.valid_ids(row[0] for row in found)), None)

    def cancel_children(
        self,
        parent: Reservation | UUID,
        cancelled: Cancelled,
        children: Collection[UUID] | None = None,
        *,
        now: datetime | None = None,
    ) -> Cancellation | None:
        """End these children, or all, and their descendants, while the parent stays live."""
        with self._executor.writing() as transaction:
            moment = self._executor.microseconds(now)
            if not _holds(transaction, parent, moment):
                return None
            parents = [str(_id_of(parent))]
            return families.end_descendants(transaction, parents, moment, cancelled, children)

    def end_orphans(self, *, now: datetime | None = None) -> Cancellation:
        """End live jobs whose parent has ended."""
        found = self._executor.read("find_ended_parents", {})
        gone = codec.valid_ids(row[0] for row in found)
        if not gone:
            return Cancellation((), ())

        def end(parents: Collection[UUID]) -> Cancellation:
            with self._executor.writing() as transaction:
                still = {row[0] for row in transaction.run("find_ended_parents", {})}
                chosen = [one for one in map(str, parents) if one in still]
                moment = self._executor.microseconds(now)
                return families.end_descendants(transaction, chosen, moment)

        return end_apart(gone, end)

    def record_waits(
        self,
        begun: Collection[Reservation] = (),
        ended: Collection[Reservation] = (),
        *,
        now: datetime | None = None,
    ) -> None:
        """Record which handlers have begun to wait for their children, and which go on."""
        with self._executor.writing() as transaction:
            moment = self._executor.microseconds(now)
            for name, held in (("begin_waits", begun), ("end_waits", ended)):
                transaction.change(name, {"held": codec.held_json(held), "now": moment})

    def waiting_among(
        self, reservations: Collection[Reservation]
    ) -> Mapping[Reservation, datetime]:
        """Return which of these reservations wait for their children, and since when."""
        found = self._executor.read("waiting_among", {"held": codec.held_json(reservations)})
        return {
            Reservation(UUID(one), UUID(owner), number): from_microseconds(since)
            for one, owner, number, since in found
        }


_EARLIEST = -(2**63)
_ID_FORM = "-".join("[0-9a-f]" * digits for digits in (8, 4, 4, 4, 12))
"""The form of valid ids, for `glob`."""


def _holds(
    transaction: Transaction, parent: Reservation | UUID, now: int, *, marked: bool = False
) -> bool:
    """Return whether a parent holds, and mark it as one that has children."""
    if isinstance(parent, UUID):
        return bool(transaction.run("lock_owner", {"id": str(parent), "now": now}))
    held: Parameters = {
        "id": str(parent.job_id),
        "owner": str(parent.owner),
        "number": parent.number,
    }
    found = transaction.run("lock_parent", held)
    if marked and found == [(0,)]:
        _mark(transaction, parent.job_id)
    return bool(found)


def _mark(transaction: Transaction, parent: UUID) -> None:
    """Store that a job has children; raise if it has too many ancestors."""
    values: Parameters = {"id": str(parent), "deepest": DEEPEST}
    [[ancestors]] = transaction.run("count_ancestors", values)
    check_depth(parent, ancestors)
    transaction.change("mark_parent", values)


def _started(
    transaction: Transaction, brood: Brood, parent: UUID, now: int
) -> Sequence[AnyJob]:
    """Return a job for each child of a parent that holds."""
    known = _known_children(transaction, brood, parent)
    ids: Parameters = {"ids": codec.uuids_json(known.values())}
    found = [transaction.run(name, ids) for name in _JOBS] if known else []
    jobs = brood.adopted(known, _jobs(found, from_microseconds(now)))
    missing = brood.missing(jobs)
    stored = writes.enqueue(transaction, [one.job for one in missing], now)
    jobs |= zip((one.key for one in missing), stored, strict=True)
    joining = {key: str(job.id) for key, job in jobs.items() if job.parent_id != parent}
    if joining:
        values: Parameters = {
            "id": str(parent),
            "ids": codec.to_json(joining.values()),
            "children": codec.to_json(joining.items()),
        }
        transaction.change("adopt", values)
        transaction.change("record_children", values)
    return brood.in_order(jobs, parent)


def _known_children(transaction: Transaction, brood: Brood, parent: UUID) -> dict[str, UUID]:
    """Return the ids of the children that the parent has, by their keys."""
    asked: Parameters = {"id": str(parent), "keys": codec.to_json(brood.keys)}
    found = [
        (key, codec.id_or_none(one)) for key, one in transaction.run("find_children", asked)
    ]
    return {key: one for key, one in found if one is not None}


def _jobs(found: Sequence[Sequence[Row]], now: datetime) -> dict[UUID, Any]:
    """Return the jobs in the rows of each table, by id, also those that cannot be read."""
    jobs: dict[UUID, Any] = {}
    for table, rows in zip(TABLES, found, strict=False):
        for row in rows:
            job: Any = codec.DECODER.of(table)(row)
            jobs.setdefault(job.id, as_of(job, now) if table == "jobs" else job)
    return jobs


def _id_of(parent: Reservation | UUID) -> UUID:
    return parent if isinstance(parent, UUID) else parent.job_id
