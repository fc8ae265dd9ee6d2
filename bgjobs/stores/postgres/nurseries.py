"""What a `PostgresStore` does for jobs that belong to a parent."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, final
from uuid import UUID

from attrs import frozen

from bgjobs._core.jobs import AnyJob, Reservation
from bgjobs._core.outcomes import Cancelled
from bgjobs.stores.brood import Brood, check_depth, children_of, readable_only
from bgjobs.stores.decoder import Table
from bgjobs.stores.nurseries import DEEPEST, ChildrenState, NewChild, StoredChild
from bgjobs.stores.operations import Cancellation
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.postgres import codec, families, writes
from bgjobs.stores.postgres.arrays import texts, unique_ids, uuids
from bgjobs.stores.postgres.connections import PostgresDatabase
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.statements import LOCK_NAMES
from bgjobs.stores.refusals import end_apart

_LIVE = "children_live"
_ENDED: Mapping[Table, str] = {
    "jobs_succeeded": "children_succeeded",
    "jobs_failed": "children_failed",
    "jobs_cancelled": "children_cancelled",
}
"""The statements that read the jobs of children, the live ones first, as a job moves."""


@final
@frozen(eq=False)
class PostgresNurseries:
    """The children of a `PostgresStore`; see `bgjobs.stores.nurseries`."""

    _database: PostgresDatabase

    def start_children(
        self,
        parent: Reservation | UUID,
        children: Sequence[NewChild],
        *,
        now: datetime | None = None,
    ) -> Sequence[AnyJob] | None:
        """Store children of a parent, or return those that it has already."""
        instant, brood = codec.utc("now", now), Brood(children)

        def work(connection: AnyConnection) -> Sequence[AnyJob] | None:
            if not self._holds(connection, parent, instant, marked=bool(children)):
                return None
            return self._started(connection, brood, _id_of(parent), instant)

        return self._database.together(work, extra=writes.extra_seconds(brood.new_jobs))

    def _started(
        self, connection: AnyConnection, brood: Brood, parent: UUID, now: datetime | None
    ) -> Sequence[AnyJob]:
        """Return a job for each child, after the parent was locked."""
        sql = self._database.sql
        asked = {"id": parent, "keys": texts(brood.keys)}
        known: dict[str, UUID] = dict(sql.run(connection, sql["find_children"], asked))
        jobs = brood.adopted(known, self._jobs(connection, [*known.values()], now))
        missing = brood.missing(jobs)
        if missing:
            stored = writes.enqueue(sql, connection, [one.job for one in missing], now)
            jobs |= zip((one.key for one in missing), stored, strict=True)
        joining = {key: job.id for key, job in jobs.items() if job.parent_id != parent}
        if joining:
            values = {
                "id": parent,
                "keys": texts([*joining]),
                "ids": uuids([*joining.values()]),
            }
            sql.execute(connection, sql["adopt"], values)
        return brood.in_order(jobs, parent)

    def look(
        self,
        parent: UUID,
        among: Collection[UUID],
        since: datetime | None = None,
        *,
        now: datetime | None = None,
    ) -> ChildrenState:
        """Return which of some jobs are live, and which children ended without success."""
        values = {
            "id": parent,
            "ids": unique_ids(among),
            "since": codec.utc("since", since),
            "now": codec.utc("now", now),
        }
        [[live, unsuccessful, at]] = self._database.rows("look", values)
        return ChildrenState(frozenset(live), unsuccessful, codec.timestamp(at))

    def children(
        self,
        parents: Collection[UUID],
        page: Page = FIRST_PAGE,
        *,
        now: datetime | None = None,
    ) -> Listing[StoredChild]:
        """Return a page of the children of some parents, ordered by the ids of their jobs."""
        instant, sql = codec.utc("now", now), self._database.sql
        values = {
            "ids": unique_ids(parents),
            "after": page.after_id,
            "limit": page.limit + 1,
        }

        def work(connection: AnyConnection) -> Listing[StoredChild]:
            rows = sql.run(connection, sql["list_children"], values)
            jobs = self._jobs(connection, [one for *_, one in rows[: page.limit]], instant)
            return children_of(rows, readable_only(jobs), page)

        return self._database.together(work)

    def find_parent(self, child: UUID) -> UUID | None:
        """Return the id of the parent of a job, or None."""
        found = self._database.rows("find_parent", {"id": child})
        parent: UUID | None = found[0][0] if found else None
        return parent

    def cancel_children(
        self,
        parent: Reservation | UUID,
        cancelled: Cancelled,
        children: Collection[UUID] | None = None,
        *,
        now: datetime | None = None,
    ) -> Cancellation | None:
        """End these children, or all, and their descendants, while the parent stays live."""
        instant, sql = codec.utc("now", now), self._database.sql

        def work(connection: AnyConnection) -> Cancellation | None:
            if not self._holds(connection, parent, instant, alone=True):
                return None
            return families.end_descendants(
                sql, connection, [_id_of(parent)], instant, cancelled, children
            )

        return self._database.together(work)

    def end_orphans(self, *, now: datetime | None = None) -> Cancellation:
        """End live jobs whose parent has ended."""
        instant, sql = codec.utc("now", now), self._database.sql
        gone = [one for [one] in self._database.rows("find_ended_parents", {})]
        if not gone:
            return Cancellation((), ())

        def end(parents: Collection[UUID]) -> Cancellation:
            return self._database.together(
                lambda connection: families.end_descendants(sql, connection, parents, instant)
            )

        return end_apart(gone, end)

    def record_waits(
        self,
        begun: Collection[Reservation] = (),
        ended: Collection[Reservation] = (),
        *,
        now: datetime | None = None,
    ) -> None:
        """Record which handlers have begun to wait for their children, and which go on."""
        sql, instant = self._database.sql, codec.utc("now", now)
        chosen = {"begin_waits": begun, "end_waits": ended}
        self._database.all_rows(
            [
                (sql[name], {**codec.fence_values(held), "now": instant})
                for name, held in chosen.items()
                if held
            ]
        )

    def waiting_among(
        self, reservations: Collection[Reservation]
    ) -> Mapping[Reservation, datetime]:
        """Return which of these reservations wait for their children, and since when."""
        found = self._database.rows("waiting_among", codec.fence_values(reservations))
        return {Reservation(*key): codec.timestamp(since) for *key, since in found}

    def _holds(
        self,
        connection: AnyConnection,
        parent: Reservation | UUID,
        now: datetime | None,
        *,
        marked: bool = False,
        alone: bool = False,
    ) -> bool:
        """Lock a parent, if it holds, and mark it as one that has children.

        The nursery of an application is locked under a name of its own, too: otherwise two
        calls could store different children of the same key. With `alone`, none of its children
        is put back either, but a renewal of its lease waits.
        """
        sql = self._database.sql
        if isinstance(parent, UUID):
            names = texts([f"children of {parent}"])
            sql.run(connection, LOCK_NAMES, {"schema": sql.schema, "names": names})
            statement = sql["lock_owner"] if alone else sql["share_owner"]
            return bool(sql.run(connection, statement, {"id": parent, "now": now}))
        held = {"id": parent.job_id, "owner": parent.owner, "number": parent.number}
        found = sql.run(connection, sql["lock_parent"], held)
        if marked and found == [(False,)]:
            values = {"id": parent.job_id, "deepest": DEEPEST}
            [[ancestors]] = sql.run(connection, sql["mark_parent"], values)
            check_depth(parent.job_id, ancestors)
        return bool(found)

    def _jobs(
        self, connection: AnyConnection, ids: Sequence[UUID], now: datetime | None
    ) -> dict[UUID, Any]:
        """Return the jobs with these ids, live or ended, or what cannot be read of them."""
        if not ids:
            return {}
        sql, values = self._database.sql, {"ids": uuids(ids), "now": now}
        names = (_LIVE, *_ENDED.values())
        live, *ended = self._database.run_all(connection, [(sql[one], values) for one in names])
        found: dict[UUID, Any] = {row[0]: codec.with_state(row) for row in live}
        for table, rows in zip(_ENDED, ended, strict=True):
            # A job that ended between two statements is found twice.
            found |= {row[0]: codec.DECODER.of(table)(row) for row in rows}
        return found


def _id_of(parent: Reservation | UUID) -> UUID:
    return parent if isinstance(parent, UUID) else parent.job_id
