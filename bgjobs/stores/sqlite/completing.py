"""Running a user's function inside the transaction that completes a job."""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from bgjobs.errors import StoreError
from bgjobs.stores.sqlite.faults import translated


def call_inside(raw: sqlite3.Connection, work: Callable[[Any], object], label: str) -> None:
    """Call `work`; `StoreError` when it has ended the transaction, even if it began another."""
    with translated(label):
        raw.execute("savepoint bgjobs_complete")
    with _settings_kept(raw):
        work(raw)
    try:
        raw.execute("release bgjobs_complete")
    except sqlite3.Error as error:
        raise StoreError(
            f"{label}: the function given to complete_with must neither commit nor roll back"
        ) from error


@contextmanager
def _settings_kept(raw: sqlite3.Connection) -> Generator[None]:
    row_factory, text_factory = raw.row_factory, raw.text_factory
    try:
        yield
    finally:
        raw.row_factory, raw.text_factory = row_factory, text_factory
