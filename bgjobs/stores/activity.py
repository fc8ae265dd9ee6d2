"""`ActivityOperations`: what queues have done, as the stores record and return it."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from bgjobs._core.activity import (
    Activity,
    MinuteTotals,
    ProcessReport,
    RunningProcess,
    activity_of,
)
from bgjobs._core.text import is_utf8, visible
from bgjobs._core.timestamps import MICROSECOND

_LARGEST = timedelta.max // MICROSECOND


class ActivityOperations(Protocol):
    """The part of `Operations` that records and returns what queues have done.

    Rows are kept by minute, worker and owner for two hours, then by minute and worker until
    they are a day old, then by hour and worker.
    """

    def record_activity(
        self,
        rows: Sequence[MinuteTotals],
        process: ProcessReport | None = None,
        *,
        now: datetime | None = None,
    ) -> None:
        """Store totals of minutes, and the report of a process, in one transaction.

        Totals replace those of the same minute, worker and owner, so that a call whose answer
        was lost can be repeated.
        """
        ...

    def forget_process(self, process_id: UUID) -> None:
        """Delete the report of a process that ends. Does nothing if there is none."""
        ...

    def roll_up_activity(
        self, kept: timedelta | None = None, *, now: datetime | None = None
    ) -> None:
        """Replace the minutes of whole hours that began over a day ago by totals of the hours.

        The rows of minutes that began over two hours ago are added up for all owners; the
        totals of such a minute are not to be repeated.

        Also deletes the hours that began longer than `kept` ago, unless it is None, and the
        reports of processes that have been silent for a day. Several processes may call it at
        the same time; each minute is added up once.
        """
        ...

    def activity(
        self,
        last: timedelta,
        step: timedelta,
        *,
        names: Collection[str] | None = None,
        now: datetime | None = None,
    ) -> Sequence[Activity]:
        """Return what the queues did in the time `last` before now, in parts of `step`.

        A part begins at a whole multiple of `step` since the beginning of 1970, in UTC; the
        first one at or before the beginning of `last`. What is older than a day counts for the
        part in which its hour began.

        Args:
            last: At least a second.
            step: Whole minutes, at most a day.
            names: The workers; None means all.
            now: The end of the time.

        Returns:
            One for each worker and part that has counts, ordered by worker and time.
        """
        ...

    def processes(self, *, now: datetime | None = None) -> Sequence[RunningProcess]:
        """Return up to 1,000 processes that have not ended, ordered by node.

        A process that was killed stays for a day after its last report.
        """
        ...


def activities(rows: Iterable[tuple[str, datetime, Sequence[int]]]) -> Sequence[Activity]:
    """Return the activity of rows: worker, time, and counts in the order of the columns.

    Names that are no text are left out; another program has written them.
    """
    return [
        activity_of(name, at, [max(count, 0) for count in counts])
        for name, at, counts in rows
        if is_utf8(name)
    ]


def running_process(
    process_id: UUID, texts: Sequence[str], started_at: datetime, lag: int, silence: int
) -> RunningProcess:
    """Return a process; its lag and its silence are in microseconds."""
    node, version, python = map(visible, texts)
    return RunningProcess(
        process_id, node, version, python, started_at, _duration(lag), _duration(silence)
    )


def _duration(microseconds: int) -> timedelta:
    return timedelta(microseconds=min(max(microseconds, 0), _LARGEST))
