"""Running a user's function inside the transaction that completes a job."""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

from bgjobs.errors import StoreError
from bgjobs.stores.sqlite.faults import translated, weather_told


def call_inside(raw: sqlite3.Connection, work: Callable[[Any], object], label: str) -> None:
    """Call `work`; `StoreError` when it has ended the transaction, even if it began another.

    Or when it has closed the connection, or left a statement that writes unfinished.
    """
    with translated(label):
        raw.execute("savepoint bgjobs_complete")
    with _settings_kept(raw), weather_told(label):
        work(raw)
    try:
        raw.execute("release bgjobs_complete")
    except sqlite3.Error as error:
        raise StoreError(
            f"{label}: the function given to complete_with must neither commit nor roll back, "
            f"nor close the connection: {error}"
        ) from error


@contextmanager
def _settings_kept(raw: sqlite3.Connection) -> Generator[None]:
    row_factory, text_factory = raw.row_factory, raw.text_factory
    try:
        yield
    finally:
        raw.row_factory, raw.text_factory = row_factory, text_factory
        with suppress(sqlite3.Error):  # it was closed, which is told later
            raw.set_progress_handler(None, 0)
            raw.execute("pragma query_only = off")
