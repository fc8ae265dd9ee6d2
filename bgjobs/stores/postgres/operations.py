"""What operators do with a PostgreSQL database."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, final
from uuid import UUID

from attrs import frozen

from bgjobs._core.jobs import CANCELLED, FailedJob, Job, UnreadableJob
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.operations import (
    ALL_FAILURES,
    Cancellation,
    Failures,
    Finding,
    LiveOwner,
    Migration,
)
from bgjobs.stores.pages import FEW, FIRST_PAGE, Cursor, Listing, Page, checked, unreadable_in
from bgjobs.stores.port import Commands
from bgjobs.stores.postgres import codec, diagnostics, schema, unreadable
from bgjobs.stores.postgres.calls import Calls, paged
from bgjobs.stores.postgres.listener import Listening
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.timestamps import instant
from bgjobs.stores.values import bounded_age, commands_of, cursor_of, listing, owners_finding


@final
@frozen(eq=False)
class PostgresOperations:
    """The verbs for operators of a `PostgresStore`; see `bgjobs.stores.operations`."""

    _calls: Calls
    _listening: Listening

    def commands(self, owners: Collection[UUID]) -> Commands:
        """Give what is wanted of these owners now."""
        return commands_of(self._calls.rows("commands", {"owners": codec.unique_ids(owners)}))

    def pause_queue(self, name: str, *, now: datetime | None = None) -> bool:
        """Let the queue of this name reserve nothing; False if it was paused before."""
        values = {"name": name, "now": codec.utc("now", now)}
        return bool(self._calls.rows("pause_queue", values))

    def resume_queue(self, name: str) -> bool:
        """Let it reserve again; False if it was not paused."""
        return bool(self._calls.rows("resume_queue", {"name": name}))

    def cancel(
        self, job_ids: Collection[UUID], reason: str, *, now: datetime | None = None
    ) -> Cancellation:
        """End waiting jobs as failed, and ask the owners of running ones to cancel them."""
        values = {
            "ids": codec.unique_ids(job_ids),
            "reason": reason,
            "error": CANCELLED + reason,
            "now": codec.utc("now", now),
        }
        waiting, running = (self._calls.sql.part("cancel", part) for part in (0, 1))
        steps = [(statement, values) for statement in (waiting, running, waiting)]
        first, asked, later = self._calls.all_rows(steps)
        ended = _ids([*first, *later])
        return Cancellation(ended, [one for one in _ids(asked) if one not in ended])

    def delete(self, job_ids: Collection[UUID]) -> Sequence[UUID]:
        """Delete jobs for ever that wait or have ended, and return the ids of those deleted."""
        values = {"ids": codec.unique_ids(job_ids)}
        steps = [(self._calls.sql.part("delete", part), values) for part in range(4)]
        waiting, ended, unreadable_ones, _ = self._calls.all_rows(steps)
        return list(dict.fromkeys(_ids([*waiting, *ended, *unreadable_ones])))

    def retry(
        self, job_ids: Collection[UUID], *, now: datetime | None = None
    ) -> Sequence[UUID]:
        """Let failed jobs run again at once, and give the ids of those that will."""
        values = {"ids": codec.unique_ids(job_ids), "now": codec.utc("now", now)}
        return _ids(self._calls.rows("retry", values))

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
        values = {
            "ids": codec.unique_ids(job_ids),
            "available_at": codec.utc("available_at", available_at),
            "delay": codec.microseconds(available_in),
            "priority": priority,
            "now": codec.utc("now", now),
        }
        return _ids(self._calls.rows("change", values))

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
        values = {
            "name": name,
            "succeeded_for": codec.microseconds(bounded_age(succeeded_for)),
            "failed_for": codec.microseconds(bounded_age(failed_for)),
            "limit": max(0, limit),
            "skip": max(0, skip),
            "now": codec.utc("now", now),
        }
        steps = [(self._calls.sql.part("prune_worker", part), values) for part in (0, 1)]
        return sum(map(len, self._calls.all_rows(steps)))

    def get_failed(
        self, failures: Failures = ALL_FAILURES, page: Page = FIRST_PAGE
    ) -> Sequence[FailedJob]:
        """Return failed jobs; with words, the last that failed first, else the newest first."""
        found = self._failed("get_failed", failures, page)
        jobs = listing(map(codec.DECODER.failed, found))
        if not failures.words:
            return jobs
        return Listing(jobs, unreadable_in(jobs), _cursor(found))

    def get_failed_ids(
        self, failures: Failures = ALL_FAILURES, page: Page = FIRST_PAGE
    ) -> Sequence[UUID]:
        """Return only their ids, in the same order."""
        found = self._failed("get_failed_ids", failures, page)
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
        values = {"name": name, "delayed": delayed, "now": codec.utc("now", now), **paged(page)}
        return listing(map(codec.DECODER.job, self._calls.rows("get_waiting", values)))

    def find_ids(self, first: UUID, last: UUID, limit: int) -> Sequence[UUID]:
        """Return the ids from one to another of jobs, live or ended, the lowest first."""
        return _ids(
            self._calls.rows("find_ids", {"first": first, "last": last, "limit": limit})
        )

    def get_waiting_names(self, limit: int) -> Sequence[str]:
        """Return whose jobs wait, due or not, each name once."""
        return [name for [name] in self._calls.rows("get_waiting_names", {"limit": limit})]

    def get_occurrences(self, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return live jobs with an occurrence and the key of a schedule, the oldest first."""
        found = self._calls.rows("get_occurrences", paged(page))
        return listing(map(codec.DECODER.job, found))

    def get_named_running(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[Job]:
        """Return reserved jobs of one worker, or of all, the oldest first."""
        found = self._calls.rows("get_named_running", {"name": name, **paged(page)})
        return listing(map(codec.DECODER.job, found))

    def get_owners(self, *, now: datetime | None = None) -> Sequence[LiveOwner]:
        """Give the owners with a live lease, by name."""
        found = self._calls.rows("get_owners", {"now": codec.utc("now", now)})
        return [
            LiveOwner(one, name, node, instant(at), left, held)
            for one, name, node, at, left, held in found
        ]

    def set_apart(
        self, found: Collection[UnreadableJob], *, now: datetime | None = None
    ) -> Sequence[UnreadableJob]:
        """Move rows that cannot be read to a table of their own, and return those moved."""
        return unreadable.set_apart(self._calls, found, codec.utc("now", now))

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
        return unreadable.put_back(self._calls, job_ids, codec.utc("now", now))

    def unvalidated(self) -> Sequence[str]:
        """Return the names of constraints that older rows may break."""
        return [*unreadable.unvalidated(self._calls)]

    def validate(self, constraint: str, *, now: datetime | None = None) -> int:
        """Set apart what a constraint refuses, and validate it."""
        return unreadable.validate(self._calls, constraint, codec.utc("now", now))

    def restore(self, failed: Sequence[FailedJob]) -> Sequence[UUID]:
        """Store failed jobs as they are, and give the ids of those that were not there."""
        sql = self._calls.sql

        def work(connection: AnyConnection) -> Sequence[UUID]:
            stored = _ids(sql.run(connection, sql["restore"], codec.restored(failed)))
            retried = {"ids": codec.unique_ids(stored)}
            live = _ids(sql.run(connection, sql.part("restore", 1), retried))
            return [one for one in stored if one not in live]

        return self._calls.together(work)

    def schema_version(self) -> int:
        """Give the version of the schema; 0 when there is none."""
        sql = self._calls.sql
        return self._calls.alone(lambda connection: schema.found_version(sql, connection))

    def pending_migrations(self) -> Sequence[Migration]:
        """Give what `migrate` would do."""
        sql = self._calls.sql
        return [
            Migration(file.removesuffix(".sql"), sql.script(file))
            for file in schema.pending(sql, self.schema_version())
        ]

    def diagnose(self) -> Sequence[Finding]:
        """Look for trouble: statistics, plans, transactions, notifications, owners."""
        found = diagnostics.diagnose(self._calls, self._listening)
        try:
            return [*found, owners_finding(self.get_owners())]
        except StoreUnavailableError:
            raise
        except StoreError as error:  # a role that may not read them
            return [*found, Finding("owners", "warning", f"cannot be looked at: {error}")]

    def _failed(self, verb: str, failures: Failures, page: Page) -> list[codec.Row]:
        values: dict[str, Any] = {
            "name": failures.name,
            "before": codec.utc("before", failures.before),
            **paged(page),
        }
        if failures.words:
            cursor = cursor_of(page)
            values["at"] = None if cursor is None else cursor.at
            words, is_beginning = checked(failures.words)
            found = {"words": " ".join(words), "suffix": ":*" if is_beginning else ""}
            part = 3 if self._has_few(failures) else 2
            return self._calls.rows(verb, {**values, **found}, part)
        return self._calls.rows(verb, values, 0 if failures.name is None else 1)

    def _has_few(self, failures: Failures) -> bool:
        if failures.name is None:
            return False
        values = {"name": failures.name, "at_most": FEW + 1}
        [[count]] = self._calls.rows("count_failed", values)
        few: bool = count <= FEW
        return few


def _cursor(found: Sequence[codec.Row]) -> Cursor | None:
    """Return where a search goes on behind these rows, by the end of the last."""
    return Cursor(found[-1][0], at=instant(found[-1][-1])) if found else None


def _ids(found: Sequence[codec.Row]) -> list[UUID]:
    return [row[0] for row in found]
