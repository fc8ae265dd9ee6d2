"""Hostile values of single columns."""

import json
from random import Random
from typing import Any, final

from attrs import define, field

from bgjobs._core.requests import LARGEST_PAYLOAD
from bgjobs._core.timestamps import LAST_MICROSECOND

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
_FLAGS = (0, 1, False, True, 2)
_SCHEDULES = ("every 1 seconds", "every 1 minutes", "at 00:00", "no schedule", "", "\x1b[31m")
COUNTERS = ("attempts", "crashes", "interruptions", "reservations")
NUMBERS = {
    "priority": _PRIORITIES,
    **dict.fromkeys(COUNTERS, _INTEGERS),
    "has_children": _FLAGS,
}
TIMES = (
    *("created_at", "available_at", "reserved_at"),
    *("succeeded_at", "failed_at", "cancelled_at"),
    *("opened_at", "lease_expires_at", "closed_at"),
    *("asked_at", "paused_at", "started_at", "found_at", "since"),
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
        if column in ("id", "job_id", "reserved_by", "parent_id"):
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
