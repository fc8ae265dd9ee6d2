"""Hostile rows for every table, and changes of rows."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Literal, final

from attrs import define, field, frozen

from tests.reliability.hostile_rows.values import COUNTERS, NOW, TERMINAL, Values

QUEUES = ("one", "two")
WORKERS = ("plain", "capped", "failing")
"""The workers of the two queues; the schedule runs `tick`."""
Role = Literal["producer", "worker", "operator"]
ENDED = ("jobs", "jobs_succeeded", "jobs_failed", "jobs_cancelled")
"""The tables of jobs that can be read."""
TABLES = (
    *("jobs", "jobs_succeeded", "jobs_failed", "jobs_cancelled", "jobs_unreadable"),
    *("owners", "past_owners", "cancellations", "paused_queues", "starts"),
    *("children", "waiting_jobs"),
)
_WEIGHTS = (60, 8, 12, 8, 4, 6, 2, 4, 2, 4, 6, 2)
_MAY_WRITE: Mapping[str, Sequence[Role]] = {
    "jobs": ("producer", "worker", "operator"),
    "jobs_succeeded": ("worker", "operator"),
    "jobs_failed": ("worker", "operator"),
    "jobs_cancelled": ("worker", "operator"),
    "jobs_unreadable": ("worker", "operator"),
    "owners": ("worker",),
    "past_owners": ("worker",),
    "cancellations": ("operator",),
    "paused_queues": ("operator",),
    "starts": ("worker",),
    "children": ("worker",),
    "waiting_jobs": ("worker",),
}
"""The rights of docs/operate/postgres-roles.sql."""
_ASKED = (
    *("id", "name", "payload", "priority", "created_at", "available_at"),
    *("unique_key", "occurrence", "metadata"),
)
_MAY_NAME: Mapping[Role, Sequence[str]] = {
    "producer": _ASKED,
    "worker": _ASKED,
    "operator": (*_ASKED, "reservations", "errors", "history"),
}
"""The columns of a live job that each role may insert."""
_MAY_CHANGE: Mapping[Role, Sequence[str]] = {
    "worker": (
        *(*COUNTERS, "available_at", "reserved_at", "reserved_by"),
        *("unique_key", "errors", "history", "parent_id", "has_children"),
    ),
    "operator": ("available_at", "priority"),
}
_JOB = (
    *("id", "name", "payload", "priority", *COUNTERS, "created_at", "available_at"),
    *("unique_key", "errors", "occurrence", "metadata", "history"),
    *("parent_id", "has_children"),
)
_KEYS = ("schedule:tick", "schedule:unknown", "schedule:", "k", "\x1b[31m")
HOLDERS = ("absent", "dead", "living", "own")
"""The kinds of owners of reserved rows; `database` knows their ids."""
_FEW = 0.005
"""The share of rows with earlier crashes, since such jobs run one at a time, one a second."""


@final
@frozen
class Row:
    """A row to insert, or the change of an existing one."""

    role: Role
    table: str
    columns: Mapping[str, Any] = field(repr=False)
    changed: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    """Columns that are updated after the insert, since the role may not insert them."""
    key: Any = None
    """The id of the row to change; None to insert one."""
    is_counted: bool = False
    """Whether it is a job of the application, which has to end."""

    @property
    def job_id(self) -> Any:
        """The id of the inserted or changed row."""
        return self.columns.get("id") if self.key is None else self.key

    @property
    def may_vanish(self) -> bool:
        """Whether it is an occurrence of a schedule, which may be dropped when it is late."""
        return self.table == "jobs" and self.columns.get("occurrence") is not None


@final
@define(eq=False)
class Rows:
    """The rows of a seed."""

    random: Random
    values: Values
    ids: list[Any] = field(factory=list[Any])
    """The ids of earlier live jobs, which later rows repeat."""

    def make(self, count: int) -> Iterator[Row]:
        """Yield so many rows."""
        for _ in range(count):
            yield self._change() if self.ids and self.random.random() < 0.08 else self._row()

    def _row(self) -> Row:
        [table] = self.random.choices(TABLES, _WEIGHTS)
        role = self.random.choice(_MAY_WRITE[table])
        if not table.startswith("jobs"):
            return Row(role, table, self._other_row(table))
        columns = self._job(table, role)
        if table == "jobs":
            self._reserve(columns, role)
            self.ids.append(columns["id"])
            return self._live(role, columns)
        return Row(role, table, columns)

    def _live(self, role: Role, columns: Mapping[str, Any]) -> Row:
        """Return a live job as its role may write it; a SQLite file has no roles."""
        stored, changed = columns, dict[str, Any]()
        if role != "worker" or self.values.is_postgres:
            stored = {one: columns[one] for one in _MAY_NAME[role] if one in columns}
        if role == "worker":
            changed = {one: value for one, value in columns.items() if one not in stored}
        is_counted = columns["name"] in WORKERS
        return Row(role, "jobs", stored, changed=changed, is_counted=is_counted)

    def _change(self) -> Row:
        role: Role = self.random.choice(("worker", "operator"))
        may_all = role == "worker" and not self.values.is_postgres
        column = self.random.choice(_JOB[1:] if may_all else _MAY_CHANGE[role])
        columns = {column: self._hostile(column)}
        if column == "parent_id" and self.random.random() < 0.5:
            columns[column] = self.random.choice(self.ids)
        return Row(role, "jobs", columns, key=self.random.choice(self.ids[-200:]))

    def _job(self, table: str, role: Role) -> dict[str, Any]:
        columns: dict[str, Any] = {
            "id": self.values.uuid(),
            "name": self.random.choice((*WORKERS, *WORKERS, "unknown", *TERMINAL[:3])),
            "payload": '{"n":1}',
            "priority": 0,
            **dict.fromkeys(COUNTERS, 0),
            "created_at": NOW,
            "available_at": NOW,
            "errors": "[]",
        }
        if table in ("jobs_succeeded", "jobs_unreadable"):
            columns["succeeded_at"] = NOW
        if table in ("jobs_failed", "jobs_unreadable"):
            columns |= {"failed_at": NOW, "error": "ValueError: no"}
        if table in ("jobs_cancelled", "jobs_unreadable"):
            columns |= {"cancelled_at": NOW, "cancel_reason": "no", "cancelled_by": "ada"}
        if self.random.random() < 0.2:
            columns["unique_key"] = self.random.choice(_KEYS)
        if table == "jobs_unreadable":
            origin = self.random.choice((*ENDED, *ENDED, "\x1b[31m"))
            columns |= {"origin": origin, "reason": "x", "found_at": NOW}
            columns["job_id"] = self.values.identity()
        optional = {*_JOB, *columns} - {"name"}
        if table != "jobs":
            optional.discard("has_children")
        if table == "jobs" and role != "worker":
            optional &= {*_MAY_NAME[role]}
        return self._with_hostile_columns(columns, optional)

    def _with_hostile_columns(
        self, columns: dict[str, Any], optional: Collection[str]
    ) -> dict[str, Any]:
        """Return a row with some hostile columns, with only such columns, or with none."""
        number = self.random.choice((0, 1, 1, 1, 2, 3, len(optional)))
        hostile = self.random.sample(sorted(optional), number)
        for column in hostile:
            columns[column] = self._hostile(column)
        if self.ids and self.random.random() < 0.06:
            columns["id"] = self.random.choice(self.ids)
        return columns

    def _hostile(self, column: str) -> Any:
        found = self.values.of(column)
        is_rare = column == "crashes" and type(found) is int and 3 <= found < 2**30
        return 0 if is_rare and self.random.random() > _FEW else found

    def _reserve(self, columns: dict[str, Any], role: Role) -> None:
        if role != "worker" or self.random.random() > 0.15:
            return
        columns |= {"reserved_by": self.random.choice(HOLDERS), "reserved_at": NOW}
        columns["reservations"] = self.random.choice((1, 1, 7, 2**30 - 1, 2**31 - 1))
        if self.random.random() < 0.1:
            columns["reserved_by"] = self.values.identity()

    def _other_row(self, table: str) -> Mapping[str, Any]:
        """Return a row of a table without jobs; it pauses no queue of the application."""
        name = self.values.of("name")
        if table in ("owners", "past_owners"):
            return self._owner(table, name)
        if table in ("children", "waiting_jobs"):
            return self._of_a_family(table, name)
        if table == "cancellations":
            key = self._job_id()
            by = self.random.choice((None, self.values.of("cancelled_by")))
            at = self.values.instant()
            return {"job_id": key, "reason": name, "cancelled_by": by, "asked_at": at}
        if table == "starts":
            capped = self.random.choice((name, "capped"))
            return {"name": capped, "started_at": self.values.instant()}
        return {"name": "q" if name in QUEUES else name, "paused_at": self.values.instant()}

    def _owner(self, table: str, name: Any) -> Mapping[str, Any]:
        instant, other = self.values.instant(), self.values.instant()
        key, end = self.values.identity(), "closed_at"
        if table == "owners":
            key, end = self.random.choice((key, *self.ids[-1:])), "lease_expires_at"
        times = {"opened_at": instant, end: other}
        return {"id": key, "name": name, "node": self.values.of("node"), **times}

    def _of_a_family(self, table: str, name: Any) -> Mapping[str, Any]:
        if table == "children":
            parent, child = self._job_id(), self._job_id()
            return {"parent_id": parent, "child_key": name, "child_id": child}
        held = {"reserved_by": self.values.identity(), "number": self.random.choice((1, 7))}
        return {"job_id": self._job_id(), **held, "since": self.values.instant()}

    def _job_id(self) -> Any:
        return self.random.choice([*self.ids[-50:], self.values.identity()])
