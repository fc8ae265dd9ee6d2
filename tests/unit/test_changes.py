"""Fragments of the changes become sections of the changes, above the earlier ones."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAGMENTS = {
    "42.fix.md": "`find` returns cancelled jobs.",
    "43.feature.md": "`Queue(max_waiting=...)`\nbounds how many wait.",
    "+night.feature.md": "The web page is dark at night.",
}
SECTION = """\
## 0.2.0 (2031-05-17)

### Features

- `Queue(max_waiting=...)`
  bounds how many wait. (#43)
- The web page is dark at night.

### Fixes

- `find` returns cancelled jobs. (#42)
"""
START = "<!-- changes -->\n\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the changes and the settings of this one, and fragments."""
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "changes").mkdir()
    shutil.copy(ROOT / "changes" / "README.md", tmp_path / "changes")
    for name, text in FRAGMENTS.items():
        (tmp_path / "changes" / name).write_text(f"{text}\n", "utf-8")
    return tmp_path


def build(project: Path, version: str, *options: str) -> str:
    command = [sys.executable, "-m", "towncrier", "build", *options]
    arguments = ["--version", version, "--date", "2031-05-17"]
    done = subprocess.run(
        [*command, *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_draft_shows_the_fragments_by_their_kinds(project: Path) -> None:
    before = (project / "CHANGELOG.md").read_text("utf-8")
    assert build(project, "0.2.0", "--draft").strip() == SECTION.strip()
    assert (project / "CHANGELOG.md").read_text("utf-8") == before


def test_a_release_is_written_above_the_earlier_ones(project: Path) -> None:
    file, folder = project / "CHANGELOG.md", project / "changes"
    head, _, earlier = file.read_text("utf-8").partition(START)
    build(project, "0.2.0", "--yes")
    assert [one.name for one in folder.iterdir()] == ["README.md"]
    assert file.read_text("utf-8") == f"{head}{START}{SECTION}\n\n{earlier}"
    (folder / "44.fix.md").write_text("A fix.\n", "utf-8")
    build(project, "0.3.0", "--yes")
    newest = "## 0.3.0 (2031-05-17)\n\n### Fixes\n\n- A fix. (#44)\n"
    expected = f"{head}{START}{newest}\n\n{SECTION}\n\n{earlier}"
    assert file.read_text("utf-8") == expected


def test_fragments_have_a_known_kind() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["towncrier"]
    kinds = "|".join(one["directory"] for one in settings["type"])
    names = {one.name for one in (ROOT / "changes").iterdir()} - {"README.md"}
    wrong = [one for one in names if not re.fullmatch(rf"(\d+|\+[\w-]+)\.({kinds})\.md", one)]
    assert wrong == []
