"""Tests that the documentation names, as `tests/…/test_x.py::test_y`, exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.documents import DOCUMENTS, ROOT, named

NAMED = re.compile(r"\b(?:tests|bgjobs/testing)/[\w/]+\.py(?:::\w+)?")
PAGES = [path for path in DOCUMENTS if NAMED.search(path.read_text("utf-8"))]
SECURITY = ROOT / "docs" / "operate" / "security.md"


@cache
def functions(path: Path) -> frozenset[str]:
    """Return the names of the functions of a test module; none, if it does not exist."""
    if not path.is_file():
        return frozenset()
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return frozenset(
        node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def is_there(name: str) -> bool:
    file, _, test = name.partition("::")
    path = ROOT / file
    return test in functions(path) if test else path.is_file()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    missing = [one for one in NAMED.findall(page.read_text("utf-8")) if not is_there(one)]
    assert missing == []


def test_a_test_that_is_not_there_is_noticed() -> None:
    assert is_there("tests/docs/test_named_tests.py::is_there")
    assert is_there("tests/docs/test_named_tests.py")
    assert not is_there("tests/docs/test_named_tests.py::test_of_nothing")
    assert not is_there("tests/docs/test_nothing.py")
    assert not is_there("tests/docs/test_nothing.py::test_nothing")


def test_every_threat_has_a_test() -> None:
    """Each row of the tables of threats names at least one, in its last column."""
    table = SECURITY.read_text("utf-8").split("\n## ")[1]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    threats = [line for line in rows if not line.startswith("| Threat ")]
    assert len(threats) > 15
    assert [line for line in threats if not NAMED.search(line.rsplit("|", 2)[1])] == []
