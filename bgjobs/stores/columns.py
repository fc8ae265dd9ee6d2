"""The columns of stored jobs: the one place that lists them.

Statements name columns by placeholders, which `ColumnLists` replaces. A new column of a job is
added to the lists below, to `decoder.Decoder.job` and to the values of `bgjobs._core.jobs`; one
that is given at enqueueing also to `ENQUEUED` and to the codecs.

Statements do not return texts that are longer than any that bgjobs writes. Instead of such a
text they return null where the column cannot be null, and an empty text where it can. Both are
refused by the decoder.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import final

from attrs import frozen

from bgjobs._core.activity import DURATION_BOUNDS
from bgjobs._core.history import KEPT_HISTORY
from bgjobs._core.jobs import LARGEST_COUNT
from bgjobs._core.occurrences import KEY_PREFIX
from bgjobs._core.outcomes import KEPT_ERRORS
from bgjobs._core.progress import LONGEST_NOTE
from bgjobs._core.requests import LARGEST_PAYLOAD, LONGEST_KEY, LONGEST_METADATA, LONGEST_NAME
from bgjobs._core.text import LONGEST_ERROR

LONGEST_CHARACTER = 4
"""Bytes of UTF-8."""
LONGEST_ESCAPED = 6
r"""Bytes of one character in JSON, as in ``\u0007``."""

BYTES = {
    "name": LONGEST_CHARACTER * LONGEST_NAME,
    "unique_key": LONGEST_CHARACTER * (LONGEST_KEY + len(KEY_PREFIX)),
    "payload": LARGEST_PAYLOAD,
    "errors": KEPT_ERRORS * (LONGEST_ESCAPED * LONGEST_ERROR + 256),
    "occurrence": 65_536,
    "metadata": 4 * LONGEST_ESCAPED * LONGEST_METADATA,
    "progress": LONGEST_ESCAPED * LONGEST_NOTE + 256,
    "result": LARGEST_PAYLOAD,
    "history": 2 * KEPT_HISTORY * LONGEST_ESCAPED * 1_024,
    "error": LONGEST_CHARACTER * LONGEST_ERROR,
    "cancel_reason": LONGEST_CHARACTER * LONGEST_ERROR,
    "cancelled_by": LONGEST_CHARACTER * LONGEST_NAME,
}
"""The largest number of bytes of a text, by column."""

JOB = (
    "id",
    "name",
    "payload",
    "priority",
    "attempts",
    "crashes",
    "interruptions",
    "reservations",
    "created_at",
    "available_at",
    "reserved_at",
    "reserved_by",
    "unique_key",
    "errors",
    "occurrence",
    "metadata",
    "history",
    "progress",
    "parent_id",
)
"""The columns of a live job. Ended jobs have more columns after these."""
SUCCEEDED = (*JOB, "succeeded_at", "result")
FAILED = (*JOB, "error", "failed_at")
CANCELLED = (*JOB, "cancel_reason", "cancelled_by", "cancelled_at")
UNREADABLE = (*JOB[1:], *SUCCEEDED[len(JOB) :], *FAILED[len(JOB) :], *CANCELLED[len(JOB) :])
"""The columns that the table of unreadable rows has after the id of the job."""
ENQUEUED = (
    "id",
    "name",
    "payload",
    "priority",
    "available_at",
    "unique_key",
    "occurrence",
    "metadata",
)
"""What a request gives; the other columns have defaults."""
PLAIN = ("id", "name", "payload", "priority", "created_at", "available_at")
"""What is written of a job with the default options; its other columns have their defaults."""
SETTLED = ("attempts", "crashes", "interruptions", "errors", "history")
"""What the end of a run without success writes into the row of its job."""
KEPT = ("name", "payload", "priority", "reservations", "created_at", "errors", "metadata")
"""What a retry keeps. The count of reservations goes on, so that a process that still holds an
old reservation cannot settle the new one."""
MEASURED = (
    *("succeeded", "failed", "retried", "cancelled"),
    *(f"duration_{number}" for number in range(len(DURATION_BOUNDS) + 1)),
)
"""The counts of `activity`, in the order of `bgjobs._core.activity`."""
MAY_BE_NULL = frozenset(
    {
        "reserved_at",
        "reserved_by",
        "unique_key",
        "occurrence",
        "metadata",
        "history",
        "progress",
        "parent_id",
        "result",
        "cancelled_by",
    }
)
_LISTS: Mapping[str, Sequence[str]] = {
    "job": JOB,
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "cancelled": CANCELLED,
    "unreadable": UNREADABLE,
    "enqueued": ENQUEUED,
    "plain": PLAIN,
    "settled": SETTLED,
    "kept": KEPT,
    "measured": MEASURED,
}
TIMES = (
    "created_at",
    "available_at",
    "reserved_at",
    "succeeded_at",
    "failed_at",
    "cancelled_at",
)
COUNTS = ("attempts", "crashes", "interruptions", "reservations")
_NEVER_EMPTY = ("name", "unique_key")
_RESERVED = {
    "reservations": "{}reservations + 1",
    "reserved_at": ":now",
    "reserved_by": ":owner",
}
"""The columns that a reservation changes, and their new values."""
_PLACEHOLDER = re.compile(
    r"\{(limited|[a-z]+_(?:columns|cut|held|limits|names|set|sums|values))"
    r"(?: of (\w+)| (\w+)\.(\w+))?(?: by (\w+))?(?: without (\w+))?"
    r"(?: from (\d+))?\}"
)


@final
@frozen
class ColumnLists:
    """Replaces placeholders for columns in the statements of one dialect.

    A placeholder begins with the name of a list, such as ``job``, ``failed`` or ``settled``.

    - ``{job_columns}``: the columns as they are read, without texts that are too long;
      ``{job_columns of alias}`` qualifies them.
    - ``{limited alias.column}``: one such column.
    - ``{job_names}``, ``{job_names of alias}``: all columns but the id, as they are stored;
      ``{job_names of alias by other}`` takes those in `SETTLED` from another alias.
    - ``{job_names without column}``: the same, except for a column that has a value of its own.
    - ``{settled_set of alias}``: assignments of the columns of this name.
    - ``{settled_values}``, ``{settled_values from 3}``: the values of the columns in the
      parameters of the statement; the number is the place of the first one.
    - ``{measured_sums of alias}``: the sums of the columns, under the same names.
    - ``{job_held of alias}``: the columns as they will be read when the job is reserved for
      ``:owner`` at the time ``:now``.
    - ``{job_cut}``: the list with only the beginning of each text.
    - ``{job_limits}``: a condition that is true for a row within all bounds.
    """

    length: Callable[[str], str]
    """Returns an expression for the number of bytes of a column."""
    in_calendar: Callable[[str], str]
    """Returns a condition that is true for times from the year 1 to 9999."""
    beginning: Callable[[str], str]
    """Returns an expression for the beginning of a text, one character longer than shown."""
    total: Callable[[str], str]
    """Returns an expression for the sum of a column, which no value makes fail."""
    value: Callable[[str, int], str]
    """Returns the expression for the values of a column, and of a place, in the parameters."""

    def fill(self, text: str, *, only_ids: bool = False) -> str:
        """Return a statement with all placeholders for columns replaced.

        With `only_ids`, the columns that are read are the id alone.
        """

        def filled(found: re.Match[str]) -> str:
            if only_ids and found[1].endswith("_columns"):
                return f"{found[2]}.id" if found[2] else "id"
            return self._filled(found)

        return _PLACEHOLDER.sub(filled, text)

    def _filled(self, found: re.Match[str]) -> str:
        kind, alias, owner, column, other, left_out, start = found.groups()
        if kind == "limited":
            return self._limited(f"{owner}.", column)
        table, _, what = kind.partition("_")
        listed = [one for one in _LISTS[table] if one != left_out]
        prefix = f"{alias}." if alias else ""
        if what == "limits":
            return " and ".join(filter(None, map(self._within, listed)))
        forms: dict[str, Callable[[], Iterable[str]]] = {
            "columns": lambda: (self._named(prefix, one) for one in listed),
            "names": lambda: _names(listed, prefix, f"{other}." if other else prefix),
            "set": lambda: (f"{one} = {prefix}{one}" for one in listed),
            "sums": lambda: (f"{self.total(prefix + one)} as {one}" for one in listed),
            "held": lambda: (self._held(prefix, one) for one in listed),
            "cut": lambda: map(self._cut, listed),
            "values": lambda: (
                self.value(one, place) for place, one in enumerate(listed, int(start or 0))
            ),
        }
        return ", ".join(forms[what]())

    def _within(self, column: str) -> str:
        """Return the condition for one column; null fulfils it where the column may be null."""
        if column in COUNTS:
            return f"{column} between 0 and {LARGEST_COUNT}"
        if column in BYTES:
            least = 1 if column in _NEVER_EMPTY else 0
            within = f"{self.length(column)} between {least} and {BYTES[column]}"
        elif column in TIMES:
            within = self.in_calendar(column)
        else:
            return ""
        return f"({column} is null or {within})" if column in MAY_BE_NULL else within

    def _cut(self, column: str) -> str:
        return column if column not in BYTES else f"{self.beginning(column)} as {column}"

    def _named(self, prefix: str, column: str) -> str:
        limited = self._limited(prefix, column)
        return limited if column not in BYTES else f"{limited} as {column}"

    def _held(self, prefix: str, column: str) -> str:
        if column in _RESERVED:
            return _RESERVED[column].format(prefix)
        return self._limited(prefix, column)

    def _limited(self, prefix: str, column: str) -> str:
        full = f"{prefix}{column}"
        if column not in BYTES:
            return full
        size = f"{self.length(full)} <= {BYTES[column]}"
        if column in MAY_BE_NULL:
            return f"case when {full} is null or {size} then {full} else '' end"
        return f"case when {size} then {full} end"


def _names(listed: Iterable[str], prefix: str, settled: str) -> Iterator[str]:
    """Yield all columns but the id; those in `SETTLED` have a prefix of their own."""
    for one in listed:
        if one != "id":
            yield f"{settled if one in SETTLED else prefix}{one}"
