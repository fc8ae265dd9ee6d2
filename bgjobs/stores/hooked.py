"""What the stores share for `Store.end_with`: where ended jobs are, and broken transactions."""

from collections.abc import Mapping
from typing import Any, final

from bgjobs._core.settlements import Cancel, Fail
from bgjobs.stores.decoder import Table

ENDED: Mapping[type[Fail | Cancel], tuple[Table, str]] = {
    Fail: ("jobs_failed", "find_failed"),
    Cancel: ("jobs_cancelled", "find_cancelled"),
}
"""The table of the jobs of each end, and the statement that reads one of them."""


@final
class BrokenTransactionError(Exception):
    """A function of the application has ended the transaction or closed the connection."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(str(error))


def do_nothing(connection: Any, job: Any) -> None:
    """Write nothing; the work of an end that is written once more without its function."""
