"""Every Python block of the README and of docs/ is a program that runs.

A block of text directly after it is its output; after one marked ``mypy``, that of mypy.
A program that reads DATABASE_URL from the environment gets an empty PostgreSQL database.
"""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.docs.documents import ROOT, SHOWN, Block, blocks

BLOCKS = [block for path in SHOWN for block in blocks(path)]
PROGRAMS = [block for block in BLOCKS if block.mark is None]
CHECKED = [block for block in BLOCKS if block.mark == "mypy"]


def run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture
def database_url(postgres_dsn: str) -> Generator[str]:
    """An empty database of its own."""
    name = sql.Identifier(f"docs_{uuid4().hex}")
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(name))
        yield make_conninfo(postgres_dsn, dbname=name.as_string().strip('"'))
        connection.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.place)
def test_it_runs(block: Block, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "program.py").write_text(block.code, "utf-8")
    variables: dict[str, str] = {}
    if "DATABASE_URL" in block.code:
        variables["DATABASE_URL"] = request.getfixturevalue("database_url")

    done = run("program.py", cwd=tmp_path, **variables)

    assert done.returncode == 0, done.stdout + done.stderr
    assert block.printed is None or done.stdout == block.printed


def test_mypy_says_what_the_documents_say(tmp_path: Path) -> None:
    names = {f"block_{number}.py": block for number, block in enumerate(CHECKED)}
    for name, block in names.items():
        (tmp_path / name).write_text(block.code, "utf-8")
    settings = tmp_path / "mypy.ini"
    settings.write_text("[mypy]\nplugins = bgjobs.mypy_plugin\n", "utf-8")
    cache = ROOT / ".mypy_cache" / "docs"

    options = ("--strict", "--no-error-summary", f"--cache-dir={cache}")
    done = run("-m", "mypy", *options, f"--config-file={settings}", *names, cwd=tmp_path)

    lines = done.stdout.splitlines(keepends=True)
    for name, block in names.items():
        said = [line.replace(name, "program.py") for line in lines if line.startswith(name)]
        assert "".join(said) == block.printed, block.place


def test_there_are_some_of_each_kind() -> None:
    assert any(block.place.startswith("README.md") for block in PROGRAMS)
    assert len(CHECKED) > 1


def test_every_mark_is_known() -> None:
    assert {block.mark for block in BLOCKS} <= {None, "mypy", "no-run"}
