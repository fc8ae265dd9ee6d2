"""A program in the documentation that is also an application runs only as the main program.

Each call of `bgjobs --app first:config` imports it.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.docs.documents import ROOT, SHOWN, blocks

PROGRAMS = [
    *((block.place, block.code) for path in SHOWN for block in blocks(path)),
    *(
        (path.name, path.read_text("utf-8"))
        for path in sorted((ROOT / "examples").glob("*.py"))
    ),
]
LOOPS = ("trio", "anyio", "asyncio")


def _calls(statements: list[ast.stmt]) -> Iterator[ast.Call]:
    """Yield what is called when a module is imported."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test):
            continue
        yield from (one for one in ast.walk(statement) if isinstance(one, ast.Call))


def runs_when_imported(code: str) -> list[str]:
    """Return the event loops that an application starts when it is imported."""
    called = [ast.unparse(call.func) for call in _calls(ast.parse(code).body)]
    is_app = any(name in ("Config", "bgjobs.Config") for name in called) or "Config:" in code
    loops = {f"{module}.run" for module in LOOPS}
    return [name for name in called if name in loops] if is_app else []


@pytest.mark.parametrize(("place", "code"), PROGRAMS, ids=[place for place, _ in PROGRAMS])
def test_an_application_runs_nothing_when_it_is_imported(place: str, code: str) -> None:
    assert runs_when_imported(code) == []


@pytest.mark.parametrize("loop", LOOPS)
def test_one_that_does_is_found(loop: str) -> None:
    app = "config = bgjobs.Config(store=store)\n"
    assert runs_when_imported(f"{app}{loop}.run(main)\n") == [f"{loop}.run"]
    assert runs_when_imported(f"{app}if True:\n    {loop}.run(main)\n") == [f"{loop}.run"]
    guard = 'if __name__ == "__main__":'
    assert runs_when_imported(f"{app}{guard}\n    {loop}.run(main)\n") == []
