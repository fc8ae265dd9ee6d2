"""The verbs for operators, and the table of rows that cannot be read."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import final
from uuid import UUID

from attrs import evolve, frozen

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.jobs import FailedJob, Job, State, UnreadableJob
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.settlements import Cancel, Fail
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.columns import BYTES
from bgjobs.stores.decoder import Table, first_of_each_job
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.operations import Cancellation, Finding, LiveOwner, Migration
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.postgres import codec, diagnostics, families, schema
from bgjobs.stores.postgres.activity import PostgresActivity
from bgjobs.stores.postgres.arrays import texts, unique_ids, unique_names
from bgjobs.stores.postgres.audit import PostgresAudit
from bgjobs.stores.postgres.connections import PostgresDatabase
from bgjobs.stores.postgres.listener import ListenConnector
from bgjobs.stores.postgres.lists import Listings
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.types import Commands, MarkedEnd
from bgjobs.stores.values import commands_of, listing, marked_ends, owners_finding

_SET_APART: dict[Table, str] = {
    "jobs": "set_apart_live",
    "jobs_succeeded": "set_apart_succeeded",
    "jobs_failed": "set_apart_failed",
    "jobs_cancelled": "set_apart_cancelled",
}
_FIND_INVALID: dict[str, tuple[Table, str]] = {
    "jobs_limits": ("jobs", "find_invalid_live"),
    "jobs_succeeded_limits": ("jobs_succeeded", "find_invalid_succeeded"),
    "jobs_failed_limits": ("jobs_failed", "find_invalid_failed"),
}
_VALIDATE = {
    "jobs_limits": "validate_jobs",
    "jobs_succeeded_limits": "validate_jobs_succeeded",
    "jobs_failed_limits": "validate_jobs_failed",
    "owners_limits": "validate_owners",
    "cancellations_limits": "validate_cancellations",
    "paused_queues_limits": "validate_paused_queues",
    "starts_limits": "validate_starts",
}
"""Constraints, and the statements that validate them."""

_CANCEL = (
    *("mark_waiting", "cancel_waiting", "cancel_running"),
    *("mark_waiting", "cancel_waiting"),
)
_FORGET = ("delete_cancellations", "forget_children")
_DELETE = (
    *("delete_waiting", "delete_marked", "delete_ended", "delete_unreadable"),
    *_FORGET,
)


@final
@frozen(eq=False)
class PostgresOperations(PostgresActivity, PostgresAudit):
    """The operators' verbs of a `PostgresStore`; see `bgjobs.stores.operations`."""

    _database: PostgresDatabase
    _listings: Listings
    _listen: ListenConnector

    def commands(self, owners: Collection[UUID]) -> Commands:
        """Return what these owners are asked to do."""
        values = {"owners": unique_ids(owners), "owner": HOOK_OWNER}
        found, marked = self._all_rows(values, "commands", "marked_names")
        return commands_of(found, (name for [name] in marked))

    def pause_queue(self, name: str, *, now: datetime | None = None) -> bool:
        """Stop the queue of this name from reserving jobs; False if it was paused before."""
        values = {"name": name, "now": codec.utc("now", now)}
        return bool(self._database.rows("pause_queue", values))

    def resume_queue(self, name: str) -> bool:
        """Resume a paused queue; False if it was not paused."""
        return bool(self._database.rows("resume_queue", {"name": name}))

    def cancel(
        self,
        job_ids: Collection[UUID],
        cancelled: Cancelled,
        *,
        now: datetime | None = None,
    ) -> Cancellation:
        """End waiting jobs as cancelled; ask the owners of running ones to cancel them."""
        sql, instant = self._database.sql, codec.utc("now", now)
        values = {**families.cancel_values(job_ids, cancelled), "now": instant}

        def work(connection: AnyConnection) -> Cancellation:
            _, first, asked, marked, later = self._database.run_all(
                connection, [(sql[name], values) for name in _CANCEL]
            )
            parents = [one for one, has_children in (*first, *later) if has_children]
            below = families.end_descendants(sql, connection, parents, instant)
            ended = [*_ids([*first, *later]), *below.ended]
            left = dict.fromkeys([*_ids([*asked, *marked]), *below.asked])
            return Cancellation(ended, [one for one in left if one not in set(ended)])

        return self._database.together(work)

    def register_hooks(self, hooks: Mapping[str, bool], *, now: datetime | None = None) -> None:
        """Record which workers have an `on_failure` function."""
        values = {
            "names": texts([*hooks]),
            "cancelled": [*hooks.values()],
            "owner": HOOK_OWNER,
            "now": codec.utc("now", now),
        }
        self._all_rows(values, "open_hook_owner", "register_hooks")

    def mark_end(self, settlement: Fail | Cancel, *, now: datetime | None = None) -> bool:
        """Leave the end of a reserved job to a process that has its worker."""
        values = {
            **codec.settle_values([settlement], codec.utc("now", now)),
            "state": "failed" if isinstance(settlement, Fail) else "cancelled",
            "owner": HOOK_OWNER,
        }
        return bool(self._database.rows("mark_end", values))

    def marked_ends(
        self, names: Collection[str], page: Page = FIRST_PAGE
    ) -> Listing[MarkedEnd]:
        """Return marked ends of jobs of these workers, by the ids of the jobs."""
        values = {"names": unique_names(names), "owner": HOOK_OWNER, **page_values(page)}
        found = self._database.rows("marked_ends", values)
        return marked_ends((codec.DECODER.job(row[:-3]), *row[-3:]) for row in found)

    def begin_marked(
        self, job_id: UUID, patience: timedelta, *, now: datetime | None = None
    ) -> int:
        """Count a try to write a marked end, and return their number; 0 for none."""
        values = {
            "id": job_id,
            "patience": codec.microseconds(patience),
            "now": codec.utc("now", now),
        }
        tries = self._database.rows("begin_marked", values)
        return int(tries[0][0]) if tries else 0

    def delete(self, job_ids: Collection[UUID]) -> Sequence[UUID]:
        """Delete waiting, ended and unreadable jobs, and return the ids of those deleted."""
        sql = self._database.sql
        values = {"ids": unique_ids(job_ids), "owner": HOOK_OWNER}

        def work(connection: AnyConnection) -> Sequence[UUID]:
            found = self._database.run_all(
                connection, [(sql[name], values) for name in _DELETE]
            )
            waiting, marked, *_ = found
            parents = [one for one, has_children in (*waiting, *marked) if has_children]
            families.end_descendants(sql, connection, parents, None)
            deleted = found[: -len(_FORGET)]
            return list(dict.fromkeys(one for rows in deleted for one in _ids(rows)))

        return self._database.together(work)

    def retry(
        self,
        job_ids: Collection[UUID],
        *,
        by: str | None = None,
        now: datetime | None = None,
    ) -> Sequence[UUID]:
        """Retry failed and cancelled jobs now with all their retries; return their ids."""
        values = {
            "ids": unique_ids(job_ids),
            "author": by,
            "longest": BYTES["history"] // 2,
            "now": codec.utc("now", now),
        }
        return _ids(self._database.rows("retry", values))

    def change(
        self,
        job_ids: Collection[UUID],
        *,
        available_at: datetime | None = None,
        available_in: timedelta | None = None,
        priority: int | None = None,
        now: datetime | None = None,
    ) -> Sequence[UUID]:
        """Change when waiting jobs are due, or their priority; return their ids."""
        values = {
            "ids": unique_ids(job_ids),
            "available_at": codec.utc("available_at", available_at),
            "delay": codec.microseconds(available_in),
            "priority": priority,
            "now": codec.utc("now", now),
        }
        return _ids(self._database.rows("change", values))

    def list_ids(
        self,
        wanted: JobFilter[State],
        page: Page = FIRST_PAGE,
        *,
        now: datetime | None = None,
    ) -> Listing[UUID]:
        """Return the ids of the jobs of a listing, in the same order."""
        return self._listings.ids(wanted, page, now)

    def find_ids(self, first: UUID, last: UUID, limit: int) -> Sequence[UUID]:
        """Return the ids between two ids of jobs in any state, lowest first."""
        values = {"first": first, "last": last, "limit": limit}
        return _ids(self._database.rows("find_ids", values))

    def get_waiting_names(self, limit: int) -> Sequence[str]:
        """Return the names of workers with waiting jobs, each once."""
        return [name for [name] in self._database.rows("get_waiting_names", {"limit": limit})]

    def get_occurrences(self, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return the live jobs of scheduled jobs, oldest first."""
        found = self._database.rows("get_occurrences", page_values(page))
        return listing(map(codec.with_state, found))

    def get_owners(self, *, now: datetime | None = None) -> Sequence[LiveOwner]:
        """Return the owners with a live lease, by name."""
        values = {"hook_owner": HOOK_OWNER, "now": codec.utc("now", now)}
        found = self._database.rows("get_owners", values)
        return [
            LiveOwner(one, name, node, codec.timestamp(at), *others)
            for one, name, node, at, *others in found
        ]

    def set_apart(
        self, found: Collection[UnreadableJob], *, now: datetime | None = None
    ) -> Sequence[UnreadableJob]:
        """Move rows to the table of unreadable ones, and return those moved."""
        now = codec.utc("now", now)
        steps = [
            (self._database.sql[statement], codec.set_apart_values(rows, now))
            for table, statement in _SET_APART.items()
            if (rows := [one for one in found if one.table == table])
        ]
        moved = {row[:3]: row[3:] for rows in self._database.all_rows(steps) for row in rows}
        return [
            evolve(one, id=key, found_at=codec.timestamp(at))
            for one in found
            if one.key in moved
            for key, at in [moved[one.key]]
        ]

    def find_unreadable(self, job_id: UUID, *, longest: int = 1_000) -> UnreadableJob | None:
        """Return the unreadable row with this id, or None."""
        values = {"id": job_id, "longest": longest}
        found = self._database.rows("find_unreadable", values)
        return codec.DECODER.set_apart(found[0], longest) if found else None

    def count_unreadable(self, *, at_most: int | None = None) -> int:
        """Count unreadable rows, up to `at_most`."""
        [[number]] = self._database.rows("count_unreadable", {"at_most": at_most})
        found: int = number
        return found

    def put_back(
        self, job_ids: Collection[UUID], *, now: datetime | None = None
    ) -> Sequence[UUID]:
        """Store unreadable rows that this version can read as jobs, and return their ids."""
        sql, now = self._database.sql, codec.utc("now", now)

        def work(connection: AnyConnection) -> list[UUID]:
            asked = {"ids": unique_ids(job_ids)}
            found = sql.run(connection, sql["find_set_apart"], asked)
            fit = first_of_each_job(row for row in found if codec.DECODER.may_be_put_back(row))
            values = {"ids": unique_ids(fit), "now": now}
            waiting = sql.run(connection, sql["put_back_waiting"], values)
            succeeded = sql.run(connection, sql["put_back_succeeded"], values)
            stored = unique_ids(_ids([*waiting, *succeeded]))
            values = {"ids": unique_ids(fit), "stored": stored}
            return _ids(sql.run(connection, sql["delete_put_back"], values))

        return self._database.together(work)

    def unvalidated(self) -> Sequence[str]:
        """Return the names of constraints that older rows may violate."""
        values = {"schema": self._database.sql.schema}
        found = self._database.rows("get_unvalidated", values)
        return [name for [name] in found if name in _VALIDATE]

    def validate(self, constraint: str, *, now: datetime | None = None) -> int:
        """Set apart what a constraint refuses, validate it, and return the number of rows."""
        if constraint not in self.unvalidated():
            return 0
        apart = 0
        if constraint in _FIND_INVALID:
            apart = self._set_invalid_apart(*_FIND_INVALID[constraint], now)
        self._database.execute(_VALIDATE[constraint], {})
        return apart

    def _set_invalid_apart(self, table: Table, statement: str, now: datetime | None) -> int:
        apart = 0
        while found := self._database.rows(statement, {}):
            moved = self.set_apart(
                [codec.DECODER.unreadable(table, row) for row in found], now=now
            )
            if not moved:  # other processes changed them meanwhile
                raise StoreUnavailableError(f"{self._database.source.label}: {table} is in use")
            apart += len(moved)
        return apart

    def restore(self, failed: Sequence[FailedJob]) -> Sequence[UUID]:
        """Store failed jobs as they are, and return the ids of those that were missing."""
        sql = self._database.sql

        def work(connection: AnyConnection) -> Sequence[UUID]:
            stored = _ids(sql.run(connection, sql["restore"], codec.restore_values(failed)))
            retried = {"ids": unique_ids(stored)}
            live = _ids(sql.run(connection, sql["delete_restored"], retried))
            return [one for one in stored if one not in live]

        return self._database.together(work)

    def schema_version(self) -> int:
        """Return the version of the schema, 0 if there is none."""
        sql = self._database.sql
        return self._database.alone(lambda connection: schema.found_version(sql, connection))

    def pending_migrations(self) -> Sequence[Migration]:
        """Return the migrations that `migrate` would apply."""
        sql = self._database.sql
        return [
            Migration(file.removesuffix(".sql"), sql.script(file))
            for file in schema.pending(sql, self.schema_version())
        ]

    def diagnose(self) -> Sequence[Finding]:
        """Check the server, its settings and statistics, notifications and owners."""
        found = diagnostics.diagnose(self._database, self._listen)
        try:
            return [*found, owners_finding(self.get_owners())]
        except StoreUnavailableError:
            raise
        except StoreError as error:  # the role may not read them
            return [*found, Finding("owners", "warning", f"cannot be looked at: {error}")]

    def _all_rows(self, values: codec.Parameters, *names: str) -> list[list[codec.Row]]:
        """Run statements with the same values in one transaction."""
        return self._database.all_rows([(self._database.sql[name], values) for name in names])


def page_values(page: Page) -> codec.Parameters:
    """Return the parameters of a page."""
    return {"limit": page.limit, "after": page.after_id}


def _ids(found: Sequence[codec.Row]) -> list[UUID]:
    return [row[0] for row in found]
