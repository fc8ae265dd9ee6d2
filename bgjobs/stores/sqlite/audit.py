"""The verbs of a SQLite store for what operators did."""

from datetime import datetime, timedelta
from uuid import UUID

from bgjobs._core.audit import AuditEntry
from bgjobs._core.timestamps import FIRST_MICROSECOND, LAST_MICROSECOND, from_microseconds
from bgjobs.stores.json_columns import readable
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.sqlite import codec
from bgjobs.stores.sqlite.connection import Parameters, Row
from bgjobs.stores.sqlite.executor import Executor
from bgjobs.stores.values import audit_page, bounded_age

_FORM = "-".join("[0-9a-f]" * digits for digits in (8, 4, 4, 4, 12))
"""The pattern of ids for GLOB."""


class SQLiteAudit:
    """The verbs of `SQLiteOperations` for what operators did."""

    __slots__ = ()
    _executor: Executor

    def begin_audit(
        self,
        entry_id: UUID,
        action: str,
        subject: str,
        *,
        author: str | None = None,
        now: datetime | None = None,
    ) -> None:
        """Record that an operator begins an action."""
        values: Parameters = {
            "id": str(entry_id),
            "author": author,
            "action": action,
            "subject": subject,
        }
        self._executor.write("begin_audit", now, values)

    def end_audit(self, entry_id: UUID, changed: int) -> None:
        """Record how many jobs an action has changed."""
        self._executor.write("end_audit", None, {"id": str(entry_id), "changed": changed})

    def list_audit(
        self,
        page: Page = FIRST_PAGE,
        *,
        author: str | None = None,
        action: str | None = None,
    ) -> Listing[AuditEntry]:
        """Return what operators did, the highest id first."""
        values: Parameters = {
            "form": _FORM,
            "earliest": FIRST_MICROSECOND,
            "latest": LAST_MICROSECOND,
            "author": author,
            "action": action,
        }
        found = self._executor.page("list_audit", page, values, one_more=True)
        return audit_page(map(_entry, found), page)

    def prune_audit(self, age: timedelta, *, limit: int, now: datetime | None = None) -> int:
        """Delete up to `limit` entries older than `age`, and return how many."""
        before = self._executor.microseconds(now) - codec.microseconds(bounded_age(age))
        values: Parameters = {"before": before, "limit": max(0, limit)}
        return len(self._executor.write("prune_audit", now, values))


def _entry(row: Row) -> AuditEntry:
    entry_id, at, author, action, subject, changed = row
    return AuditEntry(
        id=UUID(entry_id),
        at=from_microseconds(at),
        author=None if author is None else readable(author),  # texts may not be UTF-8
        action=readable(action),
        subject=readable(subject),
        changed=changed,
    )
