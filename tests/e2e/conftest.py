"""The digest example on both databases, and a tree of files for it."""

import sqlite3
from collections.abc import Generator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.e2e.digest_program import SCRIPT
from tests.e2e.example_program import ExampleProgram
from tests.fixtures.postgres import new_database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tree of 400 different files, and a folder that the example has to skip."""
    root = tmp_path / "tree"
    for number in range(400):
        file = root / f"part {number % 7}" / f"ä{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{number}\n" * (number % 50), "utf-8")
    cached = root / "__pycache__" / "no.pyc"
    cached.parent.mkdir()
    cached.write_bytes(b"\n")
    return root


@pytest.fixture
def on_sqlite(tmp_path: Path) -> ExampleProgram:
    """The example with `digest.db` in the folder in which it is started."""
    uri = f"{(tmp_path / 'digest.db').as_uri()}?mode=rw"
    return ExampleProgram(
        SCRIPT, (), partial(sqlite3.connect, uri, uri=True), "digests", tmp_path
    )


@pytest.fixture
def on_postgres(tmp_path: Path, postgres_dsn: str) -> Generator[ExampleProgram]:
    """The example with a database of its own, since its schema has a fixed name."""
    with new_database(postgres_dsn) as dsn:
        connect = partial(psycopg.connect, dsn)
        yield ExampleProgram(SCRIPT, ("--postgres", dsn), connect, "digest.digests", tmp_path)


@pytest.fixture(params=["on_sqlite", "on_postgres"])
def digest(request: pytest.FixtureRequest) -> ExampleProgram:
    """The example on each of the two databases."""
    found: ExampleProgram = request.getfixturevalue(request.param)
    return found
