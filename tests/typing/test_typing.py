"""The types of the public interface, as mypy and pyright see them.

`pyright` from PyPI fetches its Node.js program at the first run, unless the `nodejs` extra
and an earlier run have brought it.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("typing")  # so that mypy reads the package once

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ACCEPTED = sorted((HERE / "accept").glob("*.py"))
REJECTED = sorted((HERE / "reject").glob("*.py"))
REJECTED_BY_PLUGIN = sorted((HERE / "reject" / "plugin").glob("*.py"))

Place = tuple[str, int]
"""The name of a file and the number of a line."""
Findings = dict[Place, set[str]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the cache of mypy."""
    return tmp_path_factory.mktemp("cache")


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


def mypy_errors(
    files: list[Path], cache: Path, *options: str
) -> Iterator[tuple[Place, str, str]]:
    """Yield the place, the code and the message of each error."""
    report = run(
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--no-error-summary",
        f"--cache-dir={cache}",
        *options,
        *map(str, files),
    )
    for line in report.splitlines():
        match = re.fullmatch(r"(.+?):(\d+): error: (.*)  \[([\w-]+)\]", line)
        if match:
            yield (Path(match[1]).name, int(match[2])), match[4], match[3]
        else:
            assert ": note: " in line, line


def mypy(files: list[Path], cache: Path) -> Findings:
    found: Findings = {}
    for place, code, _ in mypy_errors(files, cache):
        found.setdefault(place, set()).add(code)
    return found


def pyright(files: list[Path], folder: Path) -> Findings:
    # In a folder of its own, because the settings of the project exclude the rejected files.
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


def marks(files: list[Path], sign: str) -> Iterator[tuple[Place, str]]:
    """Yield the place and the text of each mark that this sign begins."""
    for file in files:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
            _, found, mark = line.partition(sign)
            if found:
                yield (file.name, number), mark


def marked(column: int) -> Findings:
    """Return the codes after `# E: mypy codes | pyright rules`."""
    return {
        place: {code.strip() for code in mark.split("|")[column].split(",")}
        for place, mark in marks(REJECTED, "# E: ")
    }


def marked_for_plugin() -> dict[Place, list[str]]:
    """Return the parts of messages after `# P: part of one + part of another`."""
    return {place: mark.split(" + ") for place, mark in marks(REJECTED_BY_PLUGIN, "# P: ")}


def shortened(messages: list[str], parts: list[str]) -> list[str]:
    """Replace each message by the part that is expected of it, if it has that part."""
    pairs = zip_longest(messages, parts, fillvalue="(nothing)")
    return [part if part in message else message for message, part in pairs]


@pytest.mark.slow
def test_mypy_accepts_right_calls_and_rejects_wrong_ones(cache: Path) -> None:
    assert mypy([*ACCEPTED, *REJECTED], cache) == marked(0)


@pytest.mark.slow
def test_pyright_accepts_right_calls_and_rejects_wrong_ones(tmp_path: Path) -> None:
    assert pyright([*ACCEPTED, *REJECTED], tmp_path) == marked(1)


@pytest.mark.slow
def test_the_plugin_tells_each_fault_of_literal_schedules_once_and_nothing_else(
    tmp_path: Path,
) -> None:
    settings = tmp_path / "mypy.ini"
    settings.write_text("[mypy]\nplugins = bgjobs.mypy_plugin\n", "utf-8")
    files = [*ACCEPTED, *REJECTED, *REJECTED_BY_PLUGIN]
    by_types: Findings = {}
    by_plugin: dict[Place, list[str]] = {}
    for place, code, message in mypy_errors(files, tmp_path, f"--config-file={settings}"):
        if code == "bgjobs-schedule":
            by_plugin.setdefault(place, []).append(message)
        else:
            by_types.setdefault(place, set()).add(code)

    assert by_types == marked(0)
    expected = marked_for_plugin()
    found = {
        place: shortened(messages, expected.get(place, []))
        for place, messages in by_plugin.items()
    }
    assert found == expected


@pytest.mark.slow
def test_without_the_plugin_its_cases_are_right_to_mypy(cache: Path) -> None:
    errors = list(mypy_errors(REJECTED_BY_PLUGIN, cache))
    assert [code for _, code, _ in errors] == ["unused-ignore"]


def test_importing_everything_of_bgjobs_does_not_import_mypy() -> None:
    names = "from bgjobs import *; import bgjobs.testing, sys"
    check = "sys.exit('mypy' in sys.modules or 'bgjobs.mypy_plugin' in sys.modules)"
    subprocess.run([sys.executable, "-c", f"{names}; {check}"], cwd=ROOT, check=True)
