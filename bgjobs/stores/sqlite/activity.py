"""The verbs for what queues have done, and for the processes that run them."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from bgjobs._core.activity import Activity, MinuteTotals, ProcessReport, RunningProcess
from bgjobs._core.ids import new_id
from bgjobs._core.timestamps import from_microseconds, to_microseconds
from bgjobs.stores.activity import activities, running_process
from bgjobs.stores.sqlite import codec
from bgjobs.stores.sqlite.connection import Parameters
from bgjobs.stores.sqlite.executor import Executor


class SQLiteActivity:
    """The part of `SQLiteOperations` that records and reads what queues have done."""

    __slots__ = ()
    _executor: Executor

    def record_activity(
        self,
        rows: Sequence[MinuteTotals],
        process: ProcessReport | None = None,
        *,
        now: datetime | None = None,
    ) -> None:
        """Store totals of minutes, and the report of a process."""
        with self._executor.writing() as transaction:
            if rows:
                transaction.run("record_activity", {"rows": codec.to_json(map(_total, rows))})
            if process is not None:
                transaction.run(
                    "report_process",
                    {**_report(process), "now": self._executor.microseconds(now)},
                )

    def forget_process(self, process_id: UUID) -> None:
        """Delete the report of a process that ends."""
        self._executor.write("forget_process", None, {"id": str(process_id)})

    def roll_up_activity(
        self, kept: timedelta | None = None, *, now: datetime | None = None
    ) -> None:
        """Add up owners and old minutes, and delete what is too old."""
        names = (
            *("roll_up_activity", "delete_rolled_up", "merge_owners", "delete_merged"),
            "forget_silent_processes",
        )
        with self._executor.writing() as transaction:
            timed: Parameters = {
                "owner": str(new_id()),
                "now": self._executor.microseconds(now),
            }
            for name in names:
                transaction.run(name, timed)
            if kept is not None:
                transaction.run("prune_activity", {**timed, "age": codec.microseconds(kept)})

    def activity(
        self,
        last: timedelta,
        step: timedelta,
        *,
        names: Collection[str] | None = None,
        now: datetime | None = None,
    ) -> Sequence[Activity]:
        """Return what the queues did, by worker and time."""
        values: Parameters = {
            "last": codec.microseconds(last),
            "step": codec.microseconds(step),
            "names": None if names is None else codec.names_json(names),
            "now": self._executor.microseconds(now),
        }
        rows = self._executor.read("activity", values)
        return activities((name, from_microseconds(at), counts) for name, at, *counts in rows)

    def processes(self, *, now: datetime | None = None) -> Sequence[RunningProcess]:
        """Return the processes that run queues, by their last reports."""
        rows = self._executor.read("processes", {"now": self._executor.microseconds(now)})
        return [
            running_process(parsed, names, from_microseconds(started), lag, silent)
            for found, *names, started, lag, silent in rows
            if (parsed := codec.id_or_none(found)) is not None
        ]


def _total(row: MinuteTotals) -> list[object]:
    return [to_microseconds(row.at), row.name, str(row.owner), *row.counts]


def _report(process: ProcessReport) -> Parameters:
    return {
        "id": str(process.id),
        "node": process.node,
        "version": process.version,
        "python": process.python,
        "lag": codec.microseconds(process.loop_lag),
    }
