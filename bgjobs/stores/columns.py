"""The columns of stored jobs, in the order in which every statement returns them.

Statements do not return texts that are longer than any that bgjobs writes. Instead of such a
text they return null where the column cannot be null, and an empty text where it can. Both are
refused by the decoder.
"""

import re
from collections.abc import Callable
from typing import final

from attrs import frozen

from bgjobs._core.jobs import LARGEST_COUNT
from bgjobs._core.occurrences import KEY_PREFIX
from bgjobs._core.outcomes import KEPT_ERRORS
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
    "error": LONGEST_CHARACTER * LONGEST_ERROR,
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
)
"""The columns of a live job. Ended jobs have more columns after these."""
SUCCEEDED = (*JOB, "succeeded_at")
FAILED = (*JOB, "error", "failed_at")
UNREADABLE = (*JOB[1:], "succeeded_at", "error", "failed_at")
"""The columns that the table of unreadable rows has after the id of the job."""
MAY_BE_NULL = frozenset({"reserved_at", "reserved_by", "unique_key", "occurrence", "metadata"})
_LISTS = {"job": JOB, "succeeded": SUCCEEDED, "failed": FAILED, "unreadable": UNREADABLE}
_TIMES = ("created_at", "available_at", "reserved_at", "succeeded_at", "failed_at")
_COUNTS = ("attempts", "crashes", "interruptions", "reservations")
_NEVER_EMPTY = ("name", "unique_key")
_PLACEHOLDER = re.compile(
    r"\{(limited|\w+_(?:columns|cut|limits|names))(?: of)?(?: (\w+)(?:\.(\w+))?)?\}"
)


@final
@frozen
class ColumnLists:
    """Replaces placeholders for columns in the statements of one dialect.

    - ``{job_columns}``, and the same with ``succeeded``, ``failed`` and ``unreadable``: the
      list of columns, without texts that are too long; ``{job_columns of alias}`` qualifies
      them.
    - ``{limited alias.column}``: one such column.
    - ``{job_names}``: all columns but the id.
    - ``{job_cut}``: the list with only the beginning of each text.
    - ``{job_limits}``: a condition that is true for a row within all bounds.
    """

    length: Callable[[str], str]
    """Returns an expression for the number of bytes of a column."""
    in_calendar: Callable[[str], str]
    """Returns a condition that is true for times from the year 1 to 9999."""
    beginning: Callable[[str], str]
    """Returns an expression for the beginning of a text, one character longer than shown."""

    def fill(self, text: str) -> str:
        """Return a statement with all placeholders for columns replaced."""
        return _PLACEHOLDER.sub(self._filled, text)

    def _filled(self, found: re.Match[str]) -> str:
        kind, alias, column = found.groups()
        if kind == "limited":
            return self._limited(f"{alias}.", column)
        table, _, what = kind.partition("_")
        if what == "limits":
            return " and ".join(filter(None, map(self._within, _LISTS[table])))
        if what == "names":
            return ", ".join(one for one in _LISTS[table] if one != "id")
        if what == "cut":
            return ", ".join(map(self._cut, _LISTS[table]))
        prefix = f"{alias}." if alias else ""
        return ", ".join(self._named(prefix, one) for one in _LISTS[table])

    def _within(self, column: str) -> str:
        """Return the condition for one column; null fulfils it where the column may be null."""
        if column in _COUNTS:
            return f"{column} between 0 and {LARGEST_COUNT}"
        if column in BYTES:
            least = 1 if column in _NEVER_EMPTY else 0
            within = f"{self.length(column)} between {least} and {BYTES[column]}"
        elif column in _TIMES:
            within = self.in_calendar(column)
        else:
            return ""
        return f"({column} is null or {within})" if column in MAY_BE_NULL else within

    def _cut(self, column: str) -> str:
        return column if column not in BYTES else f"{self.beginning(column)} as {column}"

    def _named(self, prefix: str, column: str) -> str:
        limited = self._limited(prefix, column)
        return limited if column not in BYTES else f"{limited} as {column}"

    def _limited(self, prefix: str, column: str) -> str:
        full = f"{prefix}{column}"
        if column not in BYTES:
            return full
        size = f"{self.length(full)} <= {BYTES[column]}"
        if column in MAY_BE_NULL:
            return f"case when {full} is null or {size} then {full} else '' end"
        return f"case when {size} then {full} end"
