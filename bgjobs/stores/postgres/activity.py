"""The verbs for what queues have done, and for the processes that run them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from bgjobs._core.activity import Activity, MinuteTotals, ProcessReport, RunningProcess
from bgjobs._core.ids import new_id
from bgjobs.stores.activity import activities, running_process
from bgjobs.stores.columns import MEASURED
from bgjobs.stores.postgres import codec
from bgjobs.stores.postgres.arrays import column_array, texts, timestamps, unique_names, uuids
from bgjobs.stores.postgres.connections import PostgresDatabase


class PostgresActivity:
    """The part of `PostgresOperations` that records and reads what queues have done."""

    __slots__ = ()
    _database: PostgresDatabase

    def record_activity(
        self,
        rows: Sequence[MinuteTotals],
        process: ProcessReport | None = None,
        *,
        now: datetime | None = None,
    ) -> None:
        """Store totals of minutes, and the report of a process."""
        steps: list[tuple[str, codec.Parameters]] = []
        if rows:
            steps.append(("record_activity", _totals(rows)))
        if process is not None:
            steps.append(("report_process", _report(process, now)))
        if len(steps) == 1:
            self._database.execute(*steps[0])
        elif steps:
            self._database.all_rows([(self._database.sql[name], one) for name, one in steps])

    def forget_process(self, process_id: UUID) -> None:
        """Delete the report of a process that ends."""
        self._database.execute("forget_process", {"id": process_id})

    def roll_up_activity(
        self, kept: timedelta | None = None, *, now: datetime | None = None
    ) -> None:
        """Add up owners and old minutes, and delete what is too old."""
        values = {
            "owner": new_id(),
            "age": codec.microseconds(kept),
            "now": codec.utc("now", now),
        }
        names = ("roll_up_activity", "merge_owners", "forget_silent_processes")
        used = names if kept is None else (*names, "prune_activity")
        self._database.all_rows([(self._database.sql[name], values) for name in used])

    def activity(
        self,
        last: timedelta,
        step: timedelta,
        *,
        names: Collection[str] | None = None,
        now: datetime | None = None,
    ) -> Sequence[Activity]:
        """Return what the queues did, by worker and time."""
        values = {
            "last": last.total_seconds(),
            "step": step.total_seconds(),
            "names": None if names is None else unique_names(names),
            "now": codec.utc("now", now),
        }
        rows = self._database.rows("activity", values)
        return activities((name, codec.timestamp(at), counts) for name, at, *counts in rows)

    def processes(self, *, now: datetime | None = None) -> Sequence[RunningProcess]:
        """Return the processes that run queues, by their last reports."""
        rows: Iterable[Sequence[Any]]
        rows = self._database.rows("processes", {"now": codec.utc("now", now)})
        return [
            running_process(found, names, codec.timestamp(started), lag, silent)
            for found, *names, started, lag, silent in rows
        ]


def _totals(rows: Sequence[MinuteTotals]) -> codec.Parameters:
    counts = zip(*(row.counts for row in rows), strict=True)
    return {
        "ats": timestamps([row.at for row in rows]),
        "names": texts([row.name for row in rows]),
        "owners": uuids([row.owner for row in rows]),
        **{
            column: column_array(column, values)
            for column, values in zip(MEASURED, counts, strict=True)
        },
    }


def _report(process: ProcessReport, now: datetime | None) -> codec.Parameters:
    return {
        "id": process.id,
        "node": process.node,
        "version": process.version,
        "python": process.python,
        "lag": codec.microseconds(process.loop_lag),
        "now": codec.utc("now", now),
    }
