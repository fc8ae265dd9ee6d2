"""The middleware that the guide shows is short, and part of programs that run."""

import ast

import pytest

from tests.docs.documents import ROOT, Block, blocks

PROGRAMS = list(blocks(ROOT / "docs" / "guide" / "middleware.md"))
MOST_LINES = 20


def middleware_of(block: Block) -> dict[str, int]:
    """Return the names of the middleware of a program, and how many lines each takes.

    These are the lines of the statements up to its end, apart from imports: what it uses.
    """
    found, lines = dict[str, int](), 0
    for node in ast.parse(block.code).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        decorators = node.decorator_list if isinstance(node, ast.AsyncFunctionDef) else []
        lines += (node.end_lineno or 0) - node.lineno + 1 + len(decorators)
        if "asynccontextmanager" in map(ast.unparse, decorators):
            assert isinstance(node, ast.AsyncFunctionDef)
            found[node.name] = lines
    return found


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.place)
def test_no_middleware_takes_more_than_twenty_lines(block: Block) -> None:
    assert {name: at for name, at in middleware_of(block).items() if at > MOST_LINES} == {}


def test_each_program_runs_and_shows_middleware() -> None:
    assert [set(middleware_of(block)) for block in PROGRAMS] == [
        {"outer", "inner"},
        {"report_errors"},
        {"session_per_job"},
        {"log_context"},
    ]
    assert all(block.mark is None and block.printed for block in PROGRAMS)
