"""A job that was reserved, and an error, for events that tests make themselves."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from bgjobs._core.jobs import Job
from bgjobs.errors import StoreUnavailableError

OWNER = UUID(int=2)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
JOB = Job(
    id=UUID(int=1),
    name="mail",
    payload="{}",
    created_at=NOW,
    available_at=NOW,
    reserved_at=NOW + timedelta(seconds=7),
    reserved_by=OWNER,
    reservations=1,
)
ERROR = StoreUnavailableError("away")
