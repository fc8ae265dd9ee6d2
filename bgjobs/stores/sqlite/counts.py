"""Counts of jobs by state, up to a limit."""

import sqlite3
from collections.abc import Mapping, Sequence
from sys import maxsize

from bgjobs.stores.sqlite.codec import as_stored
from bgjobs.stores.sqlite.connection import Parameters, Row, run
from bgjobs.stores.types import Counts

COUNTING = ("count_levels", "count_due", "count_delayed", "count_others")
"""The statements that count."""


def counts_of(
    raw: sqlite3.Connection,
    sql: Mapping[str, str],
    names: str | None,
    now: int,
    at_most: int | None,
) -> Counts:
    """Count the jobs of workers inside a transaction.

    Args:
        raw: The connection.
        sql: The statements in `COUNTING`, by their names.
        names: The names of the workers as JSON; None for all.
        now: The time in microseconds, at which jobs are due.
        at_most: Where to stop counting, for each state; None for no limit.
    """
    levels = run(raw, sql["count_levels"], {"names": names})
    limit = maxsize if at_most is None else at_most
    due = _waiting(raw, sql["count_due"], levels, now, limit)
    delayed = _waiting(raw, sql["count_delayed"], levels, now, limit)
    [others] = run(raw, sql["count_others"], {"names": names, "at_most": limit})
    return Counts(due, delayed, *others)


def _waiting(
    raw: sqlite3.Connection, statement: str, levels: Sequence[Row], now: int, limit: int
) -> int:
    """Return the sum of the counts of each name and priority, up to the limit.

    Each statement reads one range of the index. SQLite may read the whole table first to join
    all of them, to build a Bloom filter: https://sqlite.org/optoverview.html.
    """
    found = 0
    for name, priority in levels:
        if found >= limit:
            break
        level: Parameters = {
            "name": as_stored(name),
            "priority": priority,
            "now": now,
            "left": limit - found,
        }
        [[count]] = run(raw, statement, level)
        found += count
    return found
