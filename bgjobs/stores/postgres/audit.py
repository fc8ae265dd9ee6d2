"""The verbs of a PostgreSQL store for what operators did."""

from datetime import datetime, timedelta
from uuid import UUID

from bgjobs._core.audit import AuditEntry
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.postgres import codec
from bgjobs.stores.postgres.connections import PostgresDatabase
from bgjobs.stores.values import audit_page, bounded_age


class PostgresAudit:
    """The verbs of `PostgresOperations` for what operators did."""

    __slots__ = ()
    _database: PostgresDatabase

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
        values = {
            "id": entry_id,
            "author": author,
            "action": action,
            "subject": subject,
            "now": codec.utc("now", now),
        }
        self._database.execute("begin_audit", values)

    def end_audit(self, entry_id: UUID, changed: int) -> None:
        """Record how many jobs an action has changed."""
        self._database.execute("end_audit", {"id": entry_id, "changed": changed})

    def list_audit(
        self,
        page: Page = FIRST_PAGE,
        *,
        author: str | None = None,
        action: str | None = None,
    ) -> Listing[AuditEntry]:
        """Return what operators did, the highest id first."""
        values = {
            "after": page.after_id,
            "limit": page.limit + 1,
            "author": author,
            "action": action,
        }
        return audit_page(map(_entry, self._database.rows("list_audit", values)), page)

    def prune_audit(self, age: timedelta, *, limit: int, now: datetime | None = None) -> int:
        """Delete up to `limit` entries older than `age`, and return how many."""
        values = {
            "kept_for": codec.microseconds(bounded_age(age)),
            "limit": max(0, limit),
            "now": codec.utc("now", now),
        }
        return len(self._database.rows("prune_audit", values))


def _entry(row: codec.Row) -> AuditEntry:
    entry_id, at, author, action, subject, changed = row
    return AuditEntry(
        id=entry_id,
        at=codec.exact_timestamp(at),
        author=author,
        action=action,
        subject=subject,
        changed=changed,
    )
