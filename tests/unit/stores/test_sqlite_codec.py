"""The size of a column, whose expression depends on the version of the library."""

import sqlite3
from contextlib import closing

import pytest

from bgjobs.stores.sqlite import codec


@pytest.mark.parametrize(
    ("version", "measured"),
    [
        ((3, 35, 5), "length(cast(payload as blob))"),
        ((3, 42, 0), "length(cast(payload as blob))"),
        ((3, 43, 0), "octet_length(payload)"),
        ((4, 0, 0), "octet_length(payload)"),
    ],
)
def test_a_column_is_measured_without_being_read_where_the_library_can(
    version: tuple[int, int, int], measured: str
) -> None:
    assert codec.size_of(version).format("payload") == measured


@pytest.mark.parametrize("text", ["", "a", "ä", "\N{GRINNING FACE}", "a\0b"])
def test_the_bytes_of_a_text_are_counted(text: str) -> None:
    size = codec.size_of(sqlite3.sqlite_version_info).format("?")
    with closing(sqlite3.connect(":memory:")) as connection:
        [found] = connection.execute(f"select {size}", [text]).fetchone()
    assert found == len(text.encode())
