"""The small examples run and end by themselves."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples" / "quickstart.py"
CLOCKWORK = ROOT / "examples" / "clockwork.py"


def run(program: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(program), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_quickstart_runs_both_jobs_and_ends(tmp_path: Path) -> None:
    done = run(QUICKSTART, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["Hello Ada!", "Good morning, Grace."]


def test_the_readme_shows_the_quickstart_as_it_is() -> None:
    program = QUICKSTART.read_text("utf-8")
    shown = program[program.index("import trio") :]

    assert f"```python\n{shown}```" in (ROOT / "README.md").read_text("utf-8")


def test_clockwork_replays_a_month(tmp_path: Path) -> None:
    done = run(CLOCKWORK, "--virtual", "30d", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert last == "30 days: 132 runs, 0 failed"
    assert len([line for line in lines if line.endswith("backup")]) == 29
    moved = "Sun 29 Mar 2026 03:00:00 CEST  backup   (02:30 does not exist: moved to 03:00)"
    assert lines.count(moved) == 1
    archived = [line.partition("archive: ")[2] for line in lines if "archive" in line]
    assert (
        archived == ["the disk is full, so once more in an hour", "done at the second try"] * 2
    )


def test_clockwork_says_what_it_expects(tmp_path: Path) -> None:
    done = run(CLOCKWORK, "--virtual", "a month", cwd=tmp_path)

    assert done.returncode == 2
    assert "expected a number and h, d or w, found 'a month'" in done.stderr
