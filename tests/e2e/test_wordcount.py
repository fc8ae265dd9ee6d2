"""The wordcount example as a program that is killed and started again."""

import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

PROGRAM = Path(__file__).parents[2] / "examples" / "wordcount.py"
DEADLINE = 60.0
"""Seconds that the example may take, which needs a few."""
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


@contextmanager
def started(*arguments: str | Path, cwd: Path) -> Generator["subprocess.Popen[str]"]:
    """Start the example, and kill it at the end of the block."""
    with subprocess.Popen(
        [sys.executable, str(PROGRAM), *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(*arguments: str | Path, cwd: Path) -> tuple[int, str, str]:
    """Run the example, and return its exit code, stdout and stderr."""
    with started(*arguments, cwd=cwd) as process:
        output, errors = process.communicate(timeout=DEADLINE)
        return process.returncode, output, errors


def ended_jobs(folder: Path) -> int:
    """Return how many jobs have succeeded; none if the tables do not exist yet."""
    uri = f"{(folder / 'wordcount.db').as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            rows = connection.execute("select count(*) from bgjobs_jobs_succeeded")
            return int(rows.fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def wait_for_ended_jobs(number: int, process: "subprocess.Popen[str]", folder: Path) -> None:
    give_up_at = monotonic() + DEADLINE
    while ended_jobs(folder) < number:
        assert process.poll() is None, process.communicate()
        assert monotonic() < give_up_at, f"{ended_jobs(folder)} jobs"
        sleep(0.01)


def check_total(code: int, output: str, errors: str) -> None:
    """Check that the jobs have found what a walk finds: 2 * (0 + 1 + ... + 199) words."""
    last = "OK: 39,800 words in 200 files, the same as by a direct walk"
    assert (code, output.splitlines()[-1]) == (0, last), output + errors
    totals = re.findall(r"^(?:jobs|walk) +(.*)$", output, re.MULTILINE)
    assert len(totals) == 2
    assert totals[0] == totals[1]


def test_the_total_of_the_jobs_is_that_of_a_direct_walk(words: Path, tmp_path: Path) -> None:
    check_total(*run(words, cwd=tmp_path))


def test_a_finished_database_has_the_total(words: Path, tmp_path: Path) -> None:
    run(words, cwd=tmp_path)
    before = ended_jobs(tmp_path)

    check_total(*run(words, cwd=tmp_path))

    assert ended_jobs(tmp_path) == before


def test_the_total_is_the_same_when_it_is_killed_half_way_and_started_again(
    words: Path, tmp_path: Path
) -> None:
    with started(words, "--concurrency", "1", cwd=tmp_path) as process:
        wait_for_ended_jobs(KILLED_AFTER, process, tmp_path)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=DEADLINE)
    before = ended_jobs(tmp_path)

    again = run(words, cwd=tmp_path)

    assert process.returncode == -signal.SIGKILL
    assert KILLED_AFTER <= before < 216
    check_total(*again)
    assert ended_jobs(tmp_path) == 216  # each file, 15 folders below the root, and the root


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    code, _, errors = run(missing, cwd=tmp_path)

    assert code == 2
    assert f"PATH: expected a folder, found none at {missing}" in errors
    assert not (tmp_path / "wordcount.db").exists()
