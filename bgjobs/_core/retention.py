"""`Retention`: how long ended jobs, counts and entries of the audit are kept."""

from datetime import timedelta
from typing import final

from attrs import frozen

from bgjobs._core.checks import Problems


@final
@frozen(kw_only=True)
class Retention:
    """How long ended jobs, counts and entries of the audit are kept before they are deleted.

    Keep ended jobs for longer than the database may be unavailable. A write whose answer was
    lost is repeated until it is answered, and finds by the record of an ended job that it was
    stored; without that record, the job would be stored again.

    Raises:
        ConfigError: A value has the wrong type or is out of bounds.
    """

    succeeded: timedelta | None = timedelta(days=7)
    """How long succeeded jobs are kept, up to 36,500 days; None keeps them forever."""
    failed: timedelta | None = None
    """How long failed jobs are kept, up to 36,500 days; None keeps them forever."""
    cancelled: timedelta | None = None
    """How long cancelled jobs are kept, up to 36,500 days; None keeps them forever."""
    activity: timedelta | None = timedelta(days=90)
    """How long the counts of what queues have done are kept, up to 36,500 days; None keeps them
    forever."""
    audit: timedelta | None = timedelta(days=90)
    """How long it is kept what operators did, up to 36,500 days; None keeps it forever."""
    interval: float = 60.0
    """Seconds between two searches for what can be deleted."""

    def __attrs_post_init__(self) -> None:
        with Problems("Retention") as problems:
            problems.age("succeeded", self.succeeded)
            problems.age("failed", self.failed)
            problems.age("cancelled", self.cancelled)
            problems.age("activity", self.activity)
            problems.age("audit", self.audit)
            problems.seconds("interval", self.interval, above=0)
