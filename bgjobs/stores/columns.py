"""The columns of a stored job, in the order in which every statement returns them.

A text that is longer than what bgjobs writes is never read: a statement returns null in place
of one that cannot be null, and an empty text in place of one that can. Neither can be decoded.
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
"""How many bytes a text of each column has at most."""

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
"""Those of a live job; ended ones have more behind them."""
SUCCEEDED = (*JOB, "succeeded_at")
FAILED = (*JOB, "error", "failed_at")
UNREADABLE = (*JOB[1:], "succeeded_at", "error", "failed_at")
"""Those that the table of unreadable rows has behind the id of the job."""
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
    """Writes the columns into the statements of one dialect.

    ``{job_columns}`` and its like for ``succeeded``, ``failed`` and ``unreadable`` stand for a
    list, with ``of alias`` for columns of a table that is joined; ``{limited alias.column}``
    for one. ``{job_names}`` is the list of all columns but the id as they are,
    ``{job_cut}`` the list with only the beginning of each text, and ``{job_limits}`` is true of
    a row that keeps within the bounds.
    """

    length: Callable[[str], str]
    """Returns the expression for the number of bytes of a column."""
    in_calendar: Callable[[str], str]
    """Returns the expression that tells whether a column lies within the years 1 to 9999."""
    beginning: Callable[[str], str]
    """Returns the expression for the first characters of a column, one more than are shown."""

    def fill(self, text: str) -> str:
        """Return a statement with all its columns."""
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
        """Return the condition of one column; a null that may be one fulfils it."""
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
