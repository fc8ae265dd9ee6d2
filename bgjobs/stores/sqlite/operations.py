"""The operators' verbs of a SQLite store."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import final
from uuid import UUID

from attrs import evolve, frozen

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import FailedJob, Job, State, UnreadableJob
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.settlements import Cancel, Fail
from bgjobs._core.text import is_utf8
from bgjobs._core.timestamps import as_instant, from_microseconds, to_microseconds
from bgjobs.stores.columns import BYTES
from bgjobs.stores.decoder import LONGEST_SHOWN, as_of, first_of_each_job
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.operations import Cancellation, Finding, LiveOwner, Migration
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page, unreadable_in
from bgjobs.stores.sqlite import codec, diagnostics, families, lists, reads, writes
from bgjobs.stores.sqlite.activity import SQLiteActivity
from bgjobs.stores.sqlite.audit import SQLiteAudit
from bgjobs.stores.sqlite.connection import Parameters, Row
from bgjobs.stores.sqlite.executor import Executor, Transaction
from bgjobs.stores.sqlite.schema import found_version
from bgjobs.stores.types import SCHEMA_VERSION, Commands, MarkedEnd
from bgjobs.stores.values import listing, marked_ends, owners_finding, pauses_finding

_SET_APART = {
    "jobs": ("set_apart_live", "remove_live"),
    "jobs_succeeded": ("set_apart_succeeded", "remove_succeeded"),
    "jobs_failed": ("set_apart_failed", "remove_failed"),
    "jobs_cancelled": ("set_apart_cancelled", "remove_cancelled"),
}
"""The statements that copy a row of each table, and delete it."""
_CANCEL = (
    *("mark_waiting", "hold_waiting", "cancel_running"),
    *("record_cancelled", "cancel_waiting"),
)
_DELETE = (
    *("delete_waiting", "delete_marked"),
    *("delete_succeeded", "delete_failed", "delete_cancelled"),
    *("delete_unreadable", "delete_cancellations", "delete_marks", "forget_children"),
)
_DELETE_RETRIED = ("delete_retried_failed", "delete_retried_cancelled")


@final
@frozen(eq=False)
class SQLiteOperations(SQLiteActivity, SQLiteAudit):
    """The operators' verbs of a `SQLiteStore`; see `bgjobs.stores.operations`."""

    _executor: Executor
    _migrations_table: str

    def commands(self, owners: Collection[UUID]) -> Commands:
        """Return the commands for these owners."""
        values: Parameters = {"owners": codec.uuids_json(owners), "owner": str(HOOK_OWNER)}
        return reads.as_commands(*self._executor.snapshot(("commands", "marked_names"), values))

    def pause_queue(self, name: str, *, now: datetime | None = None) -> bool:
        """Stop the queue of this name from reserving. Return False if it was paused before."""
        return bool(self._executor.write("pause_queue", now, {"name": name}))

    def resume_queue(self, name: str) -> bool:
        """Resume the queue. Return False if it was not paused."""
        return bool(self._executor.write("resume_queue", None, {"name": name}))

    def cancel(
        self,
        job_ids: Collection[UUID],
        cancelled: Cancelled,
        *,
        now: datetime | None = None,
    ) -> Cancellation:
        """Store waiting jobs as cancelled, and ask the owners of running ones to end them."""
        values: Parameters = {
            "ids": codec.uuids_json(job_ids),
            "reason": cancelled.reason,
            "by": cancelled.by,
            "owner": str(HOOK_OWNER),
        }
        with self._executor.writing() as transaction:
            moment = self._executor.microseconds(now)
            timed: Parameters = {**values, "now": moment}
            _, _, asked, _, ended = [transaction.run(name, timed) for name in _CANCEL]
            parents = [one for one, has_children in ended if has_children]
            below = families.end_descendants(transaction, parents, moment)
        left = dict.fromkeys([*_ids(asked), *below.asked])
        ids = [*_ids(ended), *below.ended]
        return Cancellation(ids, [one for one in left if one not in set(ids)])

    def register_hooks(self, hooks: Mapping[str, bool], *, now: datetime | None = None) -> None:
        """Record which workers have an `on_failure` function."""
        values = {"hooks": codec.to_json(hooks.items()), "owner": str(HOOK_OWNER)}
        self._write_all(("open_hook_owner", "register_hooks"), now, values)

    def mark_end(self, settlement: Fail | Cancel, *, now: datetime | None = None) -> bool:
        """Leave the end of a reserved job to a process that has its worker."""
        values = {
            "settled": codec.marked(settlement),
            **_end_values(settlement),
            "owner": str(HOOK_OWNER),
        }
        with self._executor.writing() as transaction:
            timed: Parameters = {**values, "now": self._executor.microseconds(now)}
            marked = transaction.run("mark_end", timed)
            if marked:
                transaction.change("hold_marked", timed)
        return bool(marked)

    def marked_ends(
        self, names: Collection[str], page: Page = FIRST_PAGE
    ) -> Listing[MarkedEnd]:
        """Return marked ends of jobs of these workers, by the ids of the jobs."""
        values: Parameters = {"names": codec.names_json(names), "owner": str(HOOK_OWNER)}
        found = self._executor.page("marked_ends", page, values)
        return marked_ends((codec.DECODER.job(row[:-3]), *row[-3:]) for row in found)

    def begin_marked(
        self, job_id: UUID, patience: timedelta, *, now: datetime | None = None
    ) -> int:
        """Count a try to write a marked end, and return their number; 0 for none."""
        values: Parameters = {"id": str(job_id), "patience": codec.microseconds(patience)}
        tries = self._executor.write("begin_marked", now, values)
        return int(tries[0][0]) if tries else 0

    def delete(self, job_ids: Collection[UUID]) -> Sequence[UUID]:
        """Delete jobs that wait or have ended, and return the ids of those deleted."""
        values: Parameters = {"ids": codec.uuids_json(job_ids), "owner": str(HOOK_OWNER)}
        with self._executor.writing() as transaction:
            found = [transaction.run(name, values) for name in _DELETE]
            waiting, marked, *_ = found
            parents = [one for one, has_children in (*waiting, *marked) if has_children]
            moment = self._executor.microseconds(None)
            families.end_descendants(transaction, parents, moment)
            writes.index_failures(transaction)
        return list(dict.fromkeys(one for rows in found for one in _ids(rows)))

    def retry(
        self,
        job_ids: Collection[UUID],
        *,
        by: str | None = None,
        now: datetime | None = None,
    ) -> Sequence[UUID]:
        """Retry failed and cancelled jobs now with a full retry budget; return their ids."""
        names = ("forget_old_cancellations", "retry", *_DELETE_RETRIED)
        values: Parameters = {
            "ids": codec.uuids_json(job_ids),
            "by": by,
            "longest": BYTES["history"] // 2,
        }
        _, again, *_ = self._write_all(names, now, values)
        return _ids(again)

    def change(
        self,
        job_ids: Collection[UUID],
        *,
        available_at: datetime | None = None,
        available_in: timedelta | None = None,
        priority: int | None = None,
        now: datetime | None = None,
    ) -> Sequence[UUID]:
        """Change when waiting jobs are due, or their priority."""
        due = None if available_at is None else to_microseconds(as_instant("at", available_at))
        if available_in is not None:
            due = self._executor.microseconds(now) + codec.microseconds(available_in)
        values: Parameters = {
            "ids": codec.uuids_json(job_ids),
            "available_at": due,
            "priority": priority,
        }
        return _ids(self._executor.write("change", now, values))

    def list_ids(
        self,
        wanted: JobFilter[State],
        page: Page = FIRST_PAGE,
        *,
        now: datetime | None = None,
    ) -> Listing[UUID]:
        """Return the ids of the jobs that `Store.list` returns, in the same order."""
        moment = self._executor.microseconds(now)
        found = lists.read(self._executor, wanted, page, moment, only_ids=True)
        return Listing(codec.valid_ids(row[0] for row in found.rows), after=found.after)

    def find_ids(self, first: UUID, last: UUID, limit: int) -> Sequence[UUID]:
        """Return ids of jobs between two ids, live or ended, the lowest first."""
        values: Parameters = {"first": str(first), "last": str(last), "limit": limit}
        found = self._executor.read("find_ids", values)
        return codec.valid_ids(row[0] for row in found)

    def get_waiting_names(self, limit: int) -> Sequence[str]:
        """Return the workers of waiting jobs, due or not, each name once."""
        found = self._executor.read("get_waiting_names", {"limit": limit})
        return [name for [name] in found if is_utf8(name)]

    def get_occurrences(self, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return live jobs with an occurrence and the key of a schedule, the oldest first."""
        found = self._executor.page("get_occurrences", page, {})
        jobs = listing(map(codec.DECODER.job, found))
        moment = from_microseconds(self._executor.microseconds(None))
        return Listing([as_of(job, moment) for job in jobs], unreadable_in(jobs))

    def get_owners(self, *, now: datetime | None = None) -> Sequence[LiveOwner]:
        """Return the owners with a live lease, by name."""
        return [owner for owner in self._owners(now) if owner is not None]

    def set_apart(
        self, found: Collection[UnreadableJob], *, now: datetime | None = None
    ) -> Sequence[UnreadableJob]:
        """Move unreadable rows to a table of their own, and return those moved."""
        with self._executor.writing() as transaction:
            moment = self._executor.microseconds(now)
            moved = [one for job in found if (one := _moved(transaction, job, moment))]
            writes.index_failures(transaction)
        return moved

    def find_unreadable(
        self, job_id: UUID, *, longest: int = LONGEST_SHOWN
    ) -> UnreadableJob | None:
        """Return the row that was set apart with this id, or whose job had it, or None."""
        values: Parameters = {"id": str(job_id), "longest": longest}
        found = self._executor.read("find_unreadable", values)
        return codec.DECODER.set_apart(found[0], longest) if found else None

    def count_unreadable(self, *, at_most: int | None = None) -> int:
        """Count the rows that were set apart, up to `at_most`."""
        values: Parameters = {"at_most": -1 if at_most is None else at_most}
        found: int = self._executor.read("count_unreadable", values)[0][0]
        return found

    def put_back(
        self, job_ids: Collection[UUID], *, now: datetime | None = None
    ) -> Sequence[UUID]:
        """Store jobs that were set apart and can be read by now, and return their ids."""
        with self._executor.writing() as transaction:
            found = transaction.run("find_set_apart", {"ids": codec.uuids_json(job_ids)})
            fit = (row for row in found if codec.DECODER.may_be_put_back(row))
            ids = codec.to_json(first_of_each_job(fit))
            values: Parameters = {"ids": ids, "now": self._executor.microseconds(now)}
            waiting = transaction.run("put_back_waiting", values)
            succeeded = transaction.run("put_back_succeeded", values)
            stored = codec.to_json(row[0] for row in (*waiting, *succeeded))
            return _ids(transaction.run("delete_put_back", {"ids": ids, "stored": stored}))

    def unvalidated(self) -> Sequence[str]:
        """Return nothing: the migration set apart all rows that broke a constraint."""
        return ()

    def validate(self, constraint: str, *, now: datetime | None = None) -> int:  # noqa: ARG002 - as the port has it
        """Do nothing, as no constraint is left to be validated."""
        return 0

    def restore(self, failed: Sequence[FailedJob]) -> Sequence[UUID]:
        """Store failed jobs as they are, and return the ids of those that were not stored."""
        values: Parameters = {"jobs": codec.failed_json(failed)}
        [stored] = self._write_all(["restore"], None, values)
        return _ids(stored)

    def schema_version(self) -> int:
        """Return the version of the schema, or 0 when there is none."""
        return found_version(self._executor.read, self._migrations_table)

    def pending_migrations(self) -> Sequence[Migration]:
        """Return the migrations that `migrate` would apply."""
        sql = self._executor.sql
        pending = sql.migrations()[self.schema_version() : SCHEMA_VERSION]
        return [
            Migration(file.removesuffix(".sql"), sql.script(sql.migration(file)))
            for file in pending
        ]

    def diagnose(self) -> Sequence[Finding]:
        """Check the library, the file, its settings, query plans, owners and pauses."""
        return [
            *diagnostics.diagnose(self._executor),
            owners_finding(self._owners(None)),
            pauses_finding(self._executor.read("commands", {"owners": "[]"})),
        ]

    def _owners(self, now: datetime | None) -> Sequence[LiveOwner | None]:
        """Return the owners with a live lease; None for one that cannot be read."""
        values: Parameters = {
            "hook_owner": str(HOOK_OWNER),
            "now": self._executor.microseconds(now),
        }
        return [_as_owner(row) for row in self._executor.read("get_owners", values)]

    def _write_all(
        self,
        names: Sequence[str],
        now: datetime | None,
        values: Mapping[str, str | int | bytes | None],
    ) -> list[list[Row]]:
        """Run statements that may store or delete failed jobs, in one transaction."""
        with self._executor.writing() as transaction:
            timed = {**values, "now": self._executor.microseconds(now)}
            found = [transaction.run(name, timed) for name in names]
            writes.index_failures(transaction)
        return found


def _moved(transaction: Transaction, job: UnreadableJob, moment: int) -> UnreadableJob | None:
    """Move one row, unless it has changed since it was read."""
    copy, remove = _SET_APART[job.table]
    key, owner, number = job.key
    row: Parameters = {
        "key": codec.as_stored(str(key)),
        "owner": None if owner is None else codec.as_stored(str(owner)),
        "number": number,
    }
    new: Parameters = {
        "id": str(job.id),
        "other_id": str(new_id()),
        "reason": job.reason,
        "now": moment,
    }
    stored = transaction.run(copy, {**row, **new})
    if not stored:
        return None
    transaction.change(remove, row)
    return evolve(job, id=UUID(stored[0][0]), found_at=from_microseconds(moment))


def _end_values(settlement: Fail | Cancel) -> Mapping[str, str | None]:
    if isinstance(settlement, Fail):
        return {"state": "failed", "reason": settlement.error, "author": None}
    return {"state": "cancelled", "reason": settlement.reason, "author": settlement.by}


def _as_owner(row: Row) -> LiveOwner | None:
    one, name, node, at, left, *numbers = row
    owner = codec.id_or_none(one)
    if owner is None or not (is_utf8(name) and is_utf8(node)):
        return None
    opened_at, lease_left = from_microseconds(at), timedelta(microseconds=left)
    return LiveOwner(owner, name, node, opened_at, lease_left, *numbers)


def _ids(found: Sequence[Row]) -> list[UUID]:
    return [UUID(row[0]) for row in found]
