"""Whole rows for every table, and changes of rows that are there."""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Literal, final

from attrs import define, field, frozen

from tests.reliability.hostile_rows.application import QUEUES, WORKERS
from tests.reliability.hostile_rows.values import COUNTERS, NOW, TERMINAL, Values

Role = Literal["producer", "worker", "operator"]
TABLES = (
    *("jobs", "jobs_succeeded", "jobs_failed", "jobs_unreadable"),
    *("owners", "cancellations", "paused_queues", "starts"),
)
_WEIGHTS = (60, 8, 12, 4, 6, 4, 2, 4)
_MAY_WRITE: Mapping[str, Sequence[Role]] = {
    "jobs": ("producer", "worker", "operator"),
    "jobs_succeeded": ("worker", "operator"),
    "jobs_failed": ("worker", "operator"),
    "jobs_unreadable": ("worker", "operator"),
    "owners": ("worker",),
    "cancellations": ("operator",),
    "paused_queues": ("operator",),
    "starts": ("worker",),
}
"""The rights of docs/operate/postgres-roles.sql."""
_ASKED = (
    *("id", "name", "payload", "priority", "created_at", "available_at"),
    *("unique_key", "occurrence", "metadata"),
)
_MAY_NAME: Mapping[Role, Sequence[str]] = {
    "producer": _ASKED,
    "worker": _ASKED,
    "operator": (*_ASKED, "reservations", "errors"),
}
"""The columns of a live job with which they may store one."""
_MAY_CHANGE: Mapping[Role, Sequence[str]] = {
    "worker": (
        *(*COUNTERS, "available_at", "reserved_at", "reserved_by"),
        *("unique_key", "errors"),
    ),
    "operator": ("available_at", "priority"),
}
_JOB = (
    *("id", "name", "payload", "priority", *COUNTERS, "created_at", "available_at"),
    *("unique_key", "errors", "occurrence", "metadata"),
)
_KEYS = ("schedule:tick", "schedule:unknown", "schedule:", "k", "\x1b[31m")
HOLDERS = ("absent", "dead", "living", "own")
"""Whose reservation a row tells; `places` knows their ids."""
_FEW = 0.005
"""How often a row has crashed before: such jobs run alone, one in a second."""


@final
@frozen
class Row:
    """One row that is stored, or the change of one that is there."""

    role: Role
    table: str
    columns: Mapping[str, Any] = field(repr=False)
    changed: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    """Columns that are changed at once, as its role may not store a row with them."""
    key: Any = None
    """The id of the row that is changed; None to store one."""
    is_counted: bool = False
    """Whether it is a job of the application's, that has to end somewhere."""

    @property
    def job_id(self) -> Any:
        """The id of the job that it is about."""
        return self.columns.get("id") if self.key is None else self.key

    @property
    def may_vanish(self) -> bool:
        """Whether it is a run of a schedule, which is dropped when it is too late."""
        return self.table == "jobs" and self.columns.get("occurrence") is not None


@final
@define(eq=False)
class Rows:
    """Rows without end, as one seed has them."""

    random: Random
    values: Values
    ids: list[Any] = field(factory=list[Any])
    """Of live jobs that were tried, so that others can be like them."""

    def make(self, count: int) -> Iterator[Row]:
        """Return so many of them."""
        for _ in range(count):
            yield self._change() if self.ids and self.random.random() < 0.08 else self._row()

    def _row(self) -> Row:
        [table] = self.random.choices(TABLES, _WEIGHTS)
        role = self.random.choice(_MAY_WRITE[table])
        if not table.startswith("jobs"):
            return Row(role, table, self._beside(table))
        columns = self._job(table)
        if table == "jobs":
            self._reserve(columns, role)
            self.ids.append(columns["id"])
            return self._live(role, columns)
        return Row(role, table, columns)

    def _live(self, role: Role, columns: Mapping[str, Any]) -> Row:
        """Return a live job as its role may write it; into a file a worker writes anything."""
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
        return Row(role, "jobs", columns, key=self.random.choice(self.ids[-200:]))

    def _job(self, table: str) -> dict[str, Any]:
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
        if self.random.random() < 0.2:
            columns["unique_key"] = self.random.choice(_KEYS)
        if table == "jobs_unreadable":
            origin = self.random.choice((*TABLES[:3], *TABLES[:3], "\x1b[31m"))
            columns |= {"origin": origin, "reason": "x", "found_at": NOW}
            columns["job_id"] = self.values.identity()
        return self._spoilt(columns)

    def _spoilt(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Return it with some hostile columns, or only such, or none."""
        optional = {*_JOB, *columns} - {"name"}
        number = self.random.choice((0, 1, 1, 1, 2, 3, len(optional)))
        spoilt = self.random.sample(sorted(optional), number)
        for column in spoilt:
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

    def _beside(self, table: str) -> Mapping[str, Any]:
        """Return a row of a table that holds no jobs; queues of the application's go on."""
        name = self.values.of("name")
        if table == "owners":
            instant, other = self.values.instant(), self.values.instant()
            key = self.random.choice((self.values.identity(), *self.ids[-1:]))
            times = {"opened_at": instant, "lease_expires_at": other}
            return {"id": key, "name": name, "node": self.values.of("node"), **times}
        if table == "cancellations":
            key = self.random.choice([*self.ids[-50:], self.values.identity()])
            return {"job_id": key, "reason": name, "asked_at": self.values.instant()}
        if table == "starts":
            capped = self.random.choice((name, "capped"))
            return {"name": capped, "started_at": self.values.instant()}
        return {"name": "q" if name in QUEUES else name, "paused_at": self.values.instant()}
