"""Entries of the audit are listed and pruned without reading the others."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from bgjobs._core.ids import new_ids
from bgjobs._core.timestamps import to_microseconds
from bgjobs.stores.pages import Page
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.contract.steps import NOW, SECOND, TICK
from tests.fixtures.sqlite import fresh_sqlite_store

ROWS = 5_000
"""A scan of these takes more than 25,000 instructions."""


@pytest.mark.parametrize("is_analyzed", [True, False])
def test_entries_of_the_audit_are_listed_by_id_and_pruned_by_time(
    sqlite_path: Path, is_analyzed: bool
) -> None:
    now, recorded = to_microseconds(NOW), new_ids(ROWS)
    with (
        fresh_sqlite_store(sqlite_path, synchronous="NORMAL"),
        closing(sqlite3.connect(sqlite_path)) as raw,
    ):
        raw.executemany(
            "insert into bgjobs_audit (id, at, action, subject) values (?, ?, 'retry', 'x')",
            [(str(one), now + place) for place, one in enumerate(recorded)],
        )
        raw.commit()
        if is_analyzed:
            raw.execute("analyze")
    with fresh_sqlite_store(sqlite_path, synchronous="NORMAL") as store:
        operations = store.operations
        page = Page(50, recorded[ROWS // 2])
        assert _cost(store, lambda: len(operations.list_audit(page))) == (50, True)
        for moment, found in ((NOW, 0), (NOW + 40 * TICK, 40), (NOW + SECOND, 100)):

            def prune(moment: datetime = moment) -> int:
                return operations.prune_audit(TICK - TICK, limit=100, now=moment)

            assert _cost(store, prune) == (found, True)


def _cost(store: SQLiteStore, run: Callable[[], int]) -> tuple[int, bool]:
    """Return the rows that are found, and whether the instructions were few for so many."""
    connections, count = store._executor.connections, 0

    def counted() -> int:
        nonlocal count
        count += 10
        return 0

    raws = [connections.reader.raw, connections.writer.raw]
    for raw in raws:
        raw.set_progress_handler(counted, 10)
    found = run()
    for raw in raws:
        raw.set_progress_handler(None, 1)
    return found, count <= 1_500 + 100 * found
