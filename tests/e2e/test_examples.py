"""The small examples run and end by themselves."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples" / "quickstart.py"


def test_the_quickstart_runs_both_jobs_and_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(QUICKSTART)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["Hello Ada!", "Good morning, Grace."]


def test_the_readme_shows_the_quickstart_as_it_is() -> None:
    program = QUICKSTART.read_text("utf-8")
    shown = program[program.index("import trio") :]

    assert f"```python\n{shown}```" in (ROOT / "README.md").read_text("utf-8")
