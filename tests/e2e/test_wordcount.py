"""The wordcount example as a program that is killed and started again."""

import re
import signal
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.example_program import DEADLINE, ExampleProgram

KILLED_AFTER = 20
"""A number of ended jobs far below the 216 of the tree, as `--concurrency 1` is slow."""


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A tree of 200 files in 10 folders of 5 others, and a folder that is left out."""
    root = tmp_path / "words"
    for number in range(200):
        file = root / f"part {number % 5}" / f"half {number % 2}" / f"ä{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("one two\n" * number, "utf-8")
    cached = root / "__pycache__" / "no.pyc"
    cached.parent.mkdir()
    cached.write_bytes(b"not counted\n")
    return root


@pytest.fixture
def wordcount(tmp_path: Path) -> ExampleProgram:
    """The example with `wordcount.db` in the folder in which it is started."""
    uri = f"{(tmp_path / 'wordcount.db').as_uri()}?mode=rw"
    connect = partial(sqlite3.connect, uri, uri=True)
    return ExampleProgram("wordcount.py", (), connect, "bgjobs_jobs_succeeded", tmp_path)


def check_total(code: int, output: str, errors: str) -> None:
    """Check that the jobs have found what a walk finds: 2 * (0 + 1 + ... + 199) words."""
    last = "OK: 39,800 words in 200 files, the same as by a direct walk"
    assert (code, output.splitlines()[-1]) == (0, last), output + errors
    totals = re.findall(r"^(?:jobs|walk) +(.*)$", output, re.MULTILINE)
    assert len(totals) == 2
    assert totals[0] == totals[1]


def test_the_total_of_the_jobs_is_that_of_a_direct_walk(
    wordcount: ExampleProgram, words: Path
) -> None:
    check_total(*wordcount.run(words))


def test_a_finished_database_has_the_total(wordcount: ExampleProgram, words: Path) -> None:
    wordcount.run(words)
    before = wordcount.count_done()

    check_total(*wordcount.run(words))

    assert wordcount.count_done() == before


def test_the_total_is_the_same_when_it_is_killed_half_way_and_started_again(
    wordcount: ExampleProgram, words: Path
) -> None:
    with wordcount.started(words, "--concurrency", "1") as process:
        wordcount.wait_until_done(KILLED_AFTER, process)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=DEADLINE)
    before = wordcount.count_done()

    again = wordcount.run(words)

    assert process.returncode == -signal.SIGKILL
    assert KILLED_AFTER <= before < 216
    check_total(*again)
    assert wordcount.count_done() == 216  # each file, 15 folders below the root, and the root


def test_a_missing_folder_is_refused(wordcount: ExampleProgram, tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    code, _, errors = wordcount.run(missing)

    assert code == 2
    assert f"PATH: expected a folder, found none at {missing}" in errors
    assert not (tmp_path / "wordcount.db").exists()
