"""The page about the schema has the tables and columns that the stores make."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import bgjobs
from tests.docs.documents import ROOT

PAGE = (ROOT / "docs" / "design" / "schema.md").read_text("utf-8")
JOBS = ("jobs", "jobs_succeeded", "jobs_failed", "jobs_cancelled")
PREFIX = "bgjobs_"
WORDS = "failure_words_"
"""The beginning of the names of the tables that SQLite makes for the index of words."""


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, set[str]]:
    """Return the columns of each table of SQLite, by its name without the prefix."""
    store = bgjobs.SQLiteStore(tmp_path / "jobs.db")
    store.open()
    store.migrate()
    store.close()
    found = "select name from sqlite_master where type = 'table' and name glob ?"
    columns = "select name from pragma_table_info(?)"
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:
        names = [str(name) for (name,) in connection.execute(found, [f"{PREFIX}*"])]
        return {
            name.removeprefix(PREFIX): {row[0] for row in connection.execute(columns, [name])}
            for name in names
            if not name.startswith(PREFIX + WORDS)
        }


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    lines = re.findall(r"^\| (`.+) \|$", section(title), re.MULTILINE)
    return [line.split(" | ") for line in lines]


def test_the_page_has_every_table(tables: dict[str, set[str]]) -> None:
    described = {row[0].strip("`") for row in rows("Tables")}
    below = set(re.findall(r"`(failures|failure_words)`", section("Tables")))
    assert described | below == set(tables)


@pytest.mark.parametrize("table", JOBS)
def test_the_page_has_every_column_of_a_job(tables: dict[str, set[str]], table: str) -> None:
    described = {
        column
        for names, _, where in rows("Columns of a job")
        if where in ("all", f"`{table}`")
        for column in re.findall(r"`(\w+)`", names)
    }
    assert described == tables[table] - {"limits"}
