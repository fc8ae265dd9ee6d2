"""Rules that every file of the project keeps."""

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

from benchmarks.report.code_size import LONGEST, long_files, read_tree

_ROOT = Path(__file__).parents[2]
_MODULES = sorted((_ROOT / "bgjobs").rglob("*.py"))
_UNDERSCORED = re.compile(r"\bbgjobs(?:\.\w+)*\._[a-z]\w*")


def test_no_file_is_too_long() -> None:
    assert long_files(read_tree()) == [], f"split what has more than {LONGEST} lines"


def test_no_two_classes_have_the_same_name() -> None:
    names = Counter(
        node.name
        for file in _MODULES
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_modules_are_named_by_nouns() -> None:
    assert [str(file) for file in _MODULES if file.stem.endswith("ing")] == []


def test_examples_and_documents_use_public_modules_only() -> None:
    files = [*(_ROOT / "examples").glob("*.py"), *(_ROOT / "docs" / "reference").glob("*.md")]
    pages = [*(_ROOT / "docs" / "guide").glob("*.md"), _ROOT / "README.md"]
    found = {
        str(file.relative_to(_ROOT)): names
        for file in [*files, *pages]
        if (names := _UNDERSCORED.findall(file.read_text()))
    }
    assert found == {}


def test_the_floor_of_the_coverage_is_the_documented_one() -> None:
    tools = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    floor = tools["coverage"]["report"]["fail_under"]
    documented = re.findall(
        r"at least (\d+) % of the lines and branches", (_ROOT / "CONTRIBUTING.md").read_text()
    )
    assert documented == [str(floor)]


def test_no_line_is_left_out_of_the_coverage() -> None:
    assert [str(file) for file in _MODULES if "no cover" in file.read_text()] == []
