"""What operators do with a SQLite file."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import final
from uuid import UUID

from attrs import frozen

from bgjobs._core.jobs import CANCELLED, FailedJob, Job, UnreadableJob, is_utf8
from bgjobs._core.timestamps import as_instant, from_microseconds, to_microseconds
from bgjobs.stores.operations import (
    ALL_FAILURES,
    Cancellation,
    Failures,
    Finding,
    LiveOwner,
    Migration,
)
from bgjobs.stores.pages import FIRST_PAGE, Cursor, Listing, Page, unreadable_in
from bgjobs.stores.port import SCHEMA_VERSION, Commands
from bgjobs.stores.sql import Statements
from bgjobs.stores.sqlite import codec, diagnostics, reads, unreadable, writes
from bgjobs.stores.sqlite.calls import Calls
from bgjobs.stores.sqlite.connection import Parameters, Row, run
from bgjobs.stores.sqlite.errors import translated
from bgjobs.stores.sqlite.schema import found_version
from bgjobs.stores.values import (
    bounded_age,
    commands_of,
    listing,
    owners_finding,
    pauses_finding,
)


def commands_in(raw: sqlite3.Connection, sql: Statements, owners: Collection[UUID]) -> Commands:
    """Return what is wanted of these owners, inside a transaction or not."""
    found = run(raw, sql["commands"][0], {"owners": codec.uuids_json(owners)})
    parsed = (
        (one, None if one is None else codec.id_or_none(one), text) for one, text in found
    )
    return commands_of(
        (job, text) for one, job, text in parsed if (one is None) is (job is None)
    )


@final
@frozen(eq=False)
class SQLiteOperations:
    """The verbs for operators of a `SQLiteStore`; see `bgjobs.stores.operations`."""

    _calls: Calls
    _migrations_table: str

    def commands(self, owners: Collection[UUID]) -> Commands:
        """Give what is wanted of these owners now."""
        return self._calls.roles.reader.look(
            lambda raw: commands_in(raw, self._calls.sql, owners)
        )

    def pause_queue(self, name: str, *, now: datetime | None = None) -> bool:
        """Let the queue of this name reserve nothing; False if it did not before."""
        return bool(self._calls.write("pause_queue", now, {"name": name}))

    def resume_queue(self, name: str) -> bool:
        """Let it reserve again; False if it was not paused."""
        return bool(self._calls.write("resume_queue", None, {"name": name}))

    def cancel(
        self, job_ids: Collection[UUID], reason: str, *, now: datetime | None = None
    ) -> Cancellation:
        """End waiting jobs as failed, and ask the owners of running ones to cancel them."""
        values = {
            "ids": codec.uuids_json(job_ids),
            "reason": reason,
            "error": CANCELLED + reason,
        }
        asked, _, ended = self._change_failures("cancel", now, values)
        return Cancellation(_ids(ended), _ids(asked))

    def delete(self, job_ids: Collection[UUID]) -> Sequence[UUID]:
        """Delete jobs for ever that wait or have ended, and return the ids of those deleted."""
        found = self._change_failures("delete", None, {"ids": codec.uuids_json(job_ids)})
        return list(dict.fromkeys(one for part in found for one in _ids(part)))

    def retry(
        self, job_ids: Collection[UUID], *, now: datetime | None = None
    ) -> Sequence[UUID]:
        """Let failed jobs run again at once, and give the ids of those that will."""
        _, again, _ = self._change_failures("retry", now, {"ids": codec.uuids_json(job_ids)})
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
            due = self._calls.microseconds(now) + codec.microseconds(available_in)
        values: Parameters = {
            "ids": codec.uuids_json(job_ids),
            "available_at": due,
            "priority": priority,
        }
        return _ids(self._calls.write("change", now, values))

    def prune_worker(
        self,
        name: str,
        *,
        succeeded_for: timedelta | None,
        failed_for: timedelta | None,
        limit: int,
        skip: int = 0,
        now: datetime | None = None,
    ) -> int:
        """Delete up to `limit` jobs of this worker of each kind that ended longer ago."""
        values: dict[str, str | int | None] = {
            "name": name,
            "succeeded_for": _age(succeeded_for),
            "failed_for": _age(failed_for),
            "limit": max(0, limit),
            "skip": max(0, skip),
        }
        return sum(map(len, self._change_failures("prune_worker", now, values)))

    def get_failed(
        self, failures: Failures = ALL_FAILURES, page: Page = FIRST_PAGE
    ) -> Sequence[FailedJob]:
        """Return failed jobs; with words, the last that failed first, else the newest first."""
        found = reads.failed(self._calls, "get_failed", failures, page)
        if not failures.words:
            return listing(map(codec.DECODER.failed, found))
        jobs = listing(codec.DECODER.failed(row[:-1]) for row in found)
        return Listing(jobs, unreadable_in(jobs), _cursor(found))

    def get_failed_ids(
        self, failures: Failures = ALL_FAILURES, page: Page = FIRST_PAGE
    ) -> Sequence[UUID]:
        """Return only their ids, in the same order."""
        found = reads.failed(self._calls, "get_failed_ids", failures, page)
        return Listing(_ids(found), after=_cursor(found) if failures.words else None)

    def get_waiting(
        self,
        name: str | None = None,
        *,
        delayed: bool,
        page: Page = FIRST_PAGE,
        now: datetime | None = None,
    ) -> Sequence[Job]:
        """Return the waiting jobs that are due, or those that are delayed, the oldest first."""
        moment = self._calls.microseconds(now)
        values: Parameters = {"name": name, "delayed": delayed, "now": moment}
        return listing(map(codec.DECODER.job, self._calls.page("get_waiting", page, values)))

    def find_ids(self, first: UUID, last: UUID, limit: int) -> Sequence[UUID]:
        """Return the ids from one to another of jobs, live or ended, the lowest first."""
        values: Parameters = {"first": str(first), "last": str(last), "limit": limit}
        found = self._calls.read("find_ids", values)
        return [one for [text] in found if (one := codec.id_or_none(text)) is not None]

    def get_waiting_names(self, limit: int) -> Sequence[str]:
        """Return whose jobs wait, due or not, each name once."""
        found = self._calls.read("get_waiting_names", {"limit": limit})
        return [name for [name] in found if is_utf8(name)]

    def get_occurrences(self, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return live jobs with an occurrence and the key of a schedule, the oldest first."""
        found = self._calls.page("get_occurrences", page, {})
        return listing(map(codec.DECODER.job, found))

    def get_named_running(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[Job]:
        """Return reserved jobs of one worker, or of all, the oldest first."""
        found = self._calls.page("get_named_running", page, {"name": name})
        return listing(map(codec.DECODER.job, found))

    def get_owners(self, *, now: datetime | None = None) -> Sequence[LiveOwner]:
        """Return the owners with a live lease, by name."""
        return [owner for owner in self._owners(now) if owner is not None]

    def set_apart(
        self, found: Collection[UnreadableJob], *, now: datetime | None = None
    ) -> Sequence[UnreadableJob]:
        """Move rows that cannot be read to a table of their own, and return those moved."""
        return unreadable.set_apart(self._calls, found, now)

    def get_unreadable(
        self, page: Page = FIRST_PAGE, *, longest: int = 1_000
    ) -> Sequence[UnreadableJob]:
        """Return what was set apart, the newest first."""
        return unreadable.get(self._calls, page, longest)

    def find_unreadable(self, job_id: UUID) -> UnreadableJob | None:
        """Return what was set apart under this id, or None."""
        return unreadable.find(self._calls, job_id)

    def count_unreadable(self, *, at_most: int | None = None) -> int:
        """Count what was set apart, up to `at_most`."""
        return unreadable.count(self._calls, at_most)

    def put_back(
        self, job_ids: Collection[UUID], *, now: datetime | None = None
    ) -> Sequence[UUID]:
        """Store those that were set apart and can be read by now, and return their ids."""
        return unreadable.put_back(self._calls, job_ids, now)

    def unvalidated(self) -> Sequence[str]:
        """Return none: what older rows broke was set apart when the file was migrated."""
        return ()

    def validate(self, constraint: str, *, now: datetime | None = None) -> int:  # noqa: ARG002 - as the port has it
        """Do nothing, as there is none to validate."""
        return 0

    def restore(self, failed: Sequence[FailedJob]) -> Sequence[UUID]:
        """Store failed jobs as they are, and give the ids of those that were not there."""
        [stored] = self._change_failures("restore", None, {"jobs": codec.failed_json(failed)})
        return _ids(stored)

    def schema_version(self) -> int:
        """Give the version of the schema; 0 when there is none."""
        return self._calls.roles.reader.look(
            lambda raw: found_version(raw, self._calls.sql, self._migrations_table)
        )

    def pending_migrations(self) -> Sequence[Migration]:
        """Give what `migrate` would do."""
        sql = self._calls.sql
        pending = sql.migrations()[self.schema_version() : SCHEMA_VERSION]
        return [
            Migration(file.removesuffix(".sql"), sql.script(sql.migration(file)))
            for file in pending
        ]

    def diagnose(self) -> Sequence[Finding]:
        """Look for trouble in the library, the file, its settings, plans, owners and pauses."""
        owners = self._owners(None)
        return [
            *diagnostics.diagnose(self._calls),
            owners_finding(owners),
            pauses_finding(self._calls.read("commands", {"owners": "[]"})),
        ]

    def _owners(self, now: datetime | None) -> Sequence[LiveOwner | None]:
        """Return the owners with a live lease; None for one that cannot be read."""
        found = self._calls.read("get_owners", {"now": self._calls.microseconds(now)})
        return [_as_owner(row) for row in found]

    def _change_failures(
        self, verb: str, now: datetime | None, values: Mapping[str, str | int | None]
    ) -> list[list[Row]]:
        """Run the statements of a verb that makes or takes failed jobs, in one transaction."""
        calls = self._calls
        with calls.roles.writer.writing() as raw, translated(calls.roles.label):
            timed = {**values, "now": calls.microseconds(now)}
            found = [run(raw, statement, timed) for statement in calls.sql[verb]]
            writes.index_failures(raw, calls.sql)
        return found


def _as_owner(row: Row) -> LiveOwner | None:
    one, name, node, at, left, held = row
    owner = codec.id_or_none(one)
    if owner is None or not (is_utf8(name) and is_utf8(node)):
        return None
    opened_at, lease_left = from_microseconds(at), timedelta(microseconds=left)
    return LiveOwner(owner, name, node, opened_at, lease_left, held)


def _age(age: timedelta | None) -> int | None:
    bounded = bounded_age(age)
    return None if bounded is None else codec.microseconds(bounded)


def _cursor(found: Sequence[Row]) -> Cursor | None:
    """Return where a search goes on behind these rows, by the number of the last."""
    return Cursor(codec.DECODER.id_of(found[-1][0]), number=found[-1][-1]) if found else None


def _ids(found: Sequence[Row]) -> list[UUID]:
    return [UUID(row[0]) for row in found]
