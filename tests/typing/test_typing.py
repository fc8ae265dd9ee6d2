"""The types of the public face, as mypy and pyright see them.

`pyright` from PyPI fetches its Node.js program at the first run, unless the `nodejs` extra
and an earlier run have brought it.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ACCEPTED = sorted((HERE / "accept").glob("*.py"))
REJECTED = sorted((HERE / "reject").glob("*.py"))

Findings = dict[tuple[str, int], set[str]]


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(files: list[Path], cache: Path) -> Findings:
    report = run(
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--no-error-summary",
        f"--cache-dir={cache}",
        *map(str, files),
    )
    found: Findings = {}
    for line in report.splitlines():
        match = re.fullmatch(r"(.+?):(\d+): error: .*\[([\w-]+)\]", line)
        if match:
            path = (ROOT / match[1]).resolve()
            found.setdefault((path.name, int(match[2])), set()).add(match[3])
        else:
            assert ": note: " in line, line
    return found


def pyright(files: list[Path], folder: Path) -> Findings:
    # In a folder of its own: the project's settings leave the rejected files out.
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    settings = {
        "extraPaths": [str(ROOT)],
        "pythonVersion": "3.11",
        "typeCheckingMode": "strict",
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
    report = run(
        *("pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(folder))
    )
    found: Findings = {}
    diagnostics: list[dict[str, Any]] = json.loads(report)["generalDiagnostics"]
    for one in diagnostics:
        place = (Path(one["file"]).name, one["range"]["start"]["line"] + 1)
        found.setdefault(place, set()).add(one.get("rule", one["message"]))
    return found


def marked(column: int) -> Findings:
    """Read the codes behind `# E: mypy codes | pyright rules`."""
    found: Findings = {}
    for file in REJECTED:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
            _, mark, codes = line.partition("# E: ")
            if mark:
                code = codes.split("|")[column]
                found[file.name, number] = {one.strip() for one in code.split(",")}
    return found


@pytest.mark.timeout(600)
def test_mypy_accepts_right_calls_and_rejects_wrong_ones(tmp_path: Path) -> None:
    assert mypy(ACCEPTED, tmp_path) == {}
    assert mypy(REJECTED, tmp_path) == marked(0)


@pytest.mark.timeout(600)
def test_pyright_accepts_right_calls_and_rejects_wrong_ones(tmp_path: Path) -> None:
    assert pyright(ACCEPTED, tmp_path / "accept") == {}
    assert pyright(REJECTED, tmp_path / "reject") == marked(1)
