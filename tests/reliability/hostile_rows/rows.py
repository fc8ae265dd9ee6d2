"""Hostile values of single columns, whole rows for every table, and changes of rows."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Literal, final

from attrs import define, field, frozen

from bgjobs._core.requests import LARGEST_PAYLOAD
from bgjobs._core.timestamps import LAST_MICROSECOND

QUEUES = ("one", "two")
WORKERS = ("plain", "capped", "failing")
"""The workers of the two queues; the schedule runs `tick`."""
NOW = "now"
"""A placeholder for the time at which the row is written."""
MEGABYTE = 1_000_000
MOST_LARGE = 20
"""The most rows of more than a megabyte in a run."""
TERMINAL = (
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x1b]52;c;aGk=\x07",
    "a\rb\nc\td",
    "\x9b31m",
    "\u202eevil\u202c",
    "zero\u200bwidth\ufeff",
    "\x7f\x08\x08",
    "[red]rich[/red] [/]",
    "%s %(a)s {} {0}",
    "' or 1=1; --",
    "\U0001f4a5" * 9,
    "\u0301" * 40,
    "\udc80",
    "nul\x00nul",
    " ",
    "",
)
_JSON = (
    "",
    "{",
    "null",
    "1",
    "1e400",
    "NaN",
    "[]",
    "{}",
    "[1]",
    '["\\ud800"]',
    '{"n":1}',
    '{"n":"x","m":2}',
    '{"n":1e999}',
    '{"\\u001b[31m":"\\u202e"}',
    '[[0,"yesterday","x"]]',
    '[[1,0,"Error: \\u001b[2J"]]',
    '[["end","failed",0,"\\u001b[2J",null,0,"\\u202e"]]',
    '[["end","cancelled",1e400,"x","\\ud800",0,null]]',
    '[["reservation",1,"x","q","n",1,0,0,"failed"]]',
    '{"a":1}',
    '{"carrier":"x","a\\u0000":"b"}',
    "9" * 5000,
    "[" * 60_000,
    "[" * 90_000 + "]" * 90_000,
    '{"a":' * 9_000 + "1" + "}" * 9_000,
    '"' + "\\u001b" * 3_000 + '"',
)
_ISO = (
    "infinity",
    "-infinity",
    "4714-12-31 00:00:00+00 BC",
    "0001-01-01 00:00:00+00",
    "9999-12-31 23:59:59.999999+00",
    "10000-01-01 00:00:00+00",
    "294276-12-31 23:59:59.999999+00",
    "1970-01-01 00:00:00+00",
    "2030-01-01 00:00:00+00",
)
_COUNTS = (
    *(-(2**63), 2**63 - 1, LAST_MICROSECOND, LAST_MICROSECOND + 1, 0, 1, -1),
    1_893_456_000_000_000,
)
_INTEGERS = (-(2**31), -1, 0, 1, 2**15, 2**30 - 1, 2**30, 2**31 - 1, 2**31, 2**63 - 1)
_PRIORITIES = (-32_768, -32_767, -1, 0, 1, 32_767, 32_768, 2**31 - 1, 2**63 - 1)
_SCHEDULES = ("every 1 seconds", "every 1 minutes", "at 00:00", "no schedule", "", "\x1b[31m")
COUNTERS = ("attempts", "crashes", "interruptions", "reservations")
NUMBERS = {"priority": _PRIORITIES, **dict.fromkeys(COUNTERS, _INTEGERS)}
TIMES = (
    *("created_at", "available_at", "reserved_at"),
    *("succeeded_at", "failed_at", "cancelled_at"),
    *("opened_at", "lease_expires_at", "closed_at"),
    *("asked_at", "paused_at", "started_at", "found_at"),
)
_JSON_COLUMNS = ("payload", "errors", "metadata", "occurrence", "history")


@final
@define(eq=False)
class Values:
    """The values of each column, determined by one random number generator."""

    random: Random
    is_postgres: bool
    share_of_large: float = 0.02
    """The share of texts that are larger than a megabyte, up to the most of them."""
    large_left: int = field(default=MOST_LARGE)

    def of(self, column: str) -> Any:
        """Return a hostile value for a column of this name."""
        if self.random.random() < 0.03:
            return self._of_another_type()
        if column in TIMES:
            return self.instant()
        if column in NUMBERS:
            return self.random.choice(NUMBERS[column])
        if column in ("id", "job_id", "reserved_by"):
            return self.identity()
        if column == "occurrence" and self.random.random() < 0.7:
            return self.occurrence()
        return self._text(column)

    def instant(self) -> Any:
        """Return an absurd time, or the current one."""
        if self.random.random() < 0.3:
            return NOW
        return self.random.choice(_ISO if self.is_postgres else _COUNTS)

    def identity(self) -> Any:
        """Return an id, which may be invalid."""
        regular_jobs = str(self.uuid())
        if self.random.random() < 0.4:
            return regular_jobs
        odd = (
            regular_jobs.upper(),
            regular_jobs.replace("-", ""),
            f"{{{regular_jobs}}}",
            "0" * 36,
            "x" * 36,
            "\x1b" * 36,
        )
        broken = () if self.is_postgres else (b"\xff" * 36, "_".join("1" * 18) + "1", "", "1")
        return self.random.choice((*odd, *broken))

    def uuid(self) -> str:
        """Return a valid id."""
        digits = f"{self.random.getrandbits(128):032x}"
        return "-".join(
            (digits[:8], digits[8:12], f"7{digits[13:16]}", f"8{digits[17:20]}", digits[20:])
        )

    def occurrence(self) -> str:
        """Return the JSON of an occurrence, with some hostile fields."""
        found: dict[str, Any] = {
            "name": self.random.choice(("tick", "unknown", "\x1b[31m")),
            "schedule": self.random.choice(_SCHEDULES),
            "at": self.random.choice(_COUNTS),
        }
        odd: tuple[Any, ...] = (*_COUNTS, "3", None, True, 1.5, [1], {"a": 1}, 10**40)
        for name in (
            "name",
            "at",
            "catch_up",
            "misfire_grace",
            "jitter",
            "previous",
            "made_up",
        ):
            if self.random.random() < 0.2:
                found[name] = self.random.choice(odd)
        return json.dumps(found)

    def _text(self, column: str) -> Any:
        chance = self.random.random()
        if self.large_left and self.random.random() < self.share_of_large:
            self.large_left -= 1
            least = self.random.choice((LARGEST_PAYLOAD - 2, LARGEST_PAYLOAD - 1, 4 * MEGABYTE))
            return '"' + "x" * least + '"'
        if chance < 0.15 and not self.is_postgres:
            return self.random.choice((b"\xff\xfe", b"\xc3", b'"\xed\xa0\x80"', b"a\x00\xffb"))
        if chance < 0.22:
            return "y" * self.random.choice((199, 201, 801, 837, 9_000, 70_000))
        if column in _JSON_COLUMNS and chance < 0.8:
            return self.random.choice(_JSON)
        return self.random.choice(TERMINAL)

    def _of_another_type(self) -> Any:
        return self.random.choice((None, -1, 2**63 - 1, "text", "1.5", 1.5, b"\x00\xff"))


Role = Literal["producer", "worker", "operator"]
ENDED = ("jobs", "jobs_succeeded", "jobs_failed", "jobs_cancelled")
"""The tables of jobs that can be read."""
TABLES = (
    *("jobs", "jobs_succeeded", "jobs_failed", "jobs_cancelled", "jobs_unreadable"),
    *("owners", "past_owners", "cancellations", "paused_queues", "starts"),
)
_WEIGHTS = (60, 8, 12, 8, 4, 6, 2, 4, 2, 4)
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
        *("unique_key", "errors", "history"),
    ),
    "operator": ("available_at", "priority"),
}
_JOB = (
    *("id", "name", "payload", "priority", *COUNTERS, "created_at", "available_at"),
    *("unique_key", "errors", "occurrence", "metadata", "history"),
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
        if table == "past_owners":
            times = {"opened_at": self.values.instant(), "closed_at": self.values.instant()}
            key = self.values.identity()
            return {"id": key, "name": name, "node": self.values.of("node"), **times}
        if table == "owners":
            instant, other = self.values.instant(), self.values.instant()
            key = self.random.choice((self.values.identity(), *self.ids[-1:]))
            times = {"opened_at": instant, "lease_expires_at": other}
            return {"id": key, "name": name, "node": self.values.of("node"), **times}
        if table == "cancellations":
            key = self.random.choice([*self.ids[-50:], self.values.identity()])
            by = self.random.choice((None, self.values.of("cancelled_by")))
            at = self.values.instant()
            return {"job_id": key, "reason": name, "cancelled_by": by, "asked_at": at}
        if table == "starts":
            capped = self.random.choice((name, "capped"))
            return {"name": capped, "started_at": self.values.instant()}
        return {"name": "q" if name in QUEUES else name, "paused_at": self.values.instant()}
