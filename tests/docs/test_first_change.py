"""The worked example of the page about a first change can be followed as it is written."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import ROOT

PAGE = "docs/first-change.md"
TREE = ("benchmarks", "bgjobs", "docs", "examples", "tests", "typings")
FILES = ("*.md", "*.py", "pyproject.toml")
SHELL = re.compile(
    r"^```sh\n(?P<lines>.*?)^```$(?:\n+```text\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
NOX = re.compile(r"\.venv/bin/nox (?:-R )?-s tests -- ")
PASSED = re.compile(r"\b(\d+ passed)\b")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the project without the example, which is not a repository."""
    copy = tmp_path / "bgjobs"
    ignored = shutil.ignore_patterns("__pycache__", "_build")
    for folder in TREE:
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    for file in [one for pattern in FILES for one in ROOT.glob(pattern)]:
        shutil.copy(file, copy)
    if is_applied(copy):  # by a reader who has followed the page
        [(apply, _)] = commands("sed ")
        run(apply.replace("git apply", "git apply --reverse"), copy)
    return copy


def is_applied(tree: Path) -> bool:
    return "ScheduledJobAdded" in (tree / "bgjobs/events/__init__.py").read_text("utf-8")


def run(command: str, tree: Path) -> str:
    """Run a line of the page, and return what it prints."""
    python = shlex.quote(
        sys.executable
    )  # in a session of nox, a path that ends like the next one
    command = command.replace(".nox/tests/bin/python", python)
    command = NOX.sub(f"{python} -m pytest ", command)
    variables = {"PYTHONPATH": str(tree), "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=tree,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    outdated = f"{PAGE} does not work as it is written: bring it up to date with the code"
    assert done.returncode == 0, f"{outdated}\n{done.stdout}{done.stderr}"
    return done.stdout


def commands(beginning: str) -> list[tuple[str, str]]:
    """Return the blocks of commands of the page that begin like this, with their output."""
    found = SHELL.finditer((ROOT / PAGE).read_text("utf-8"))
    return [
        (one["lines"], one["printed"] or "")
        for one in found
        if one["lines"].startswith(beginning)
    ]


def test_the_example_can_be_applied(tree: Path) -> None:
    [(apply, _)] = commands("sed ")
    assert not is_applied(tree)
    run(apply, tree)
    assert is_applied(tree)


@pytest.mark.slow
def test_the_example_passes_the_tests_that_the_page_runs(tree: Path) -> None:
    [(apply, _), (generate, _)] = [*commands("sed "), *commands(".nox/tests/bin/python ")]
    run(apply + generate, tree)
    [(before, _), *after] = [one for one in commands(".venv/bin/nox ") if NOX.match(one[0])]
    assert PASSED.findall(run(before, tree)) == ["1 passed"]
    for command, printed in after:
        assert PASSED.findall(run(command, tree)) == PASSED.findall(printed) != []
