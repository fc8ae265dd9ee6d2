"""One module of the command line writes, and it silences the logs of libraries on request."""

import ast
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import bgjobs.cli
from bgjobs.cli.output.terminal import library_logs_disabled

FOLDER = Path(bgjobs.cli.__file__).parent


TERMINAL = FOLDER / "output" / "terminal.py"


MODULES = sorted(path for path in FOLDER.rglob("*.py") if path != TERMINAL)


BUILT_IN = {"print", "input", "open", "breakpoint"}


OF_MODULES = {
    "sys": {"stdout", "stderr", "__stdout__", "__stderr__", "displayhook", "excepthook"},
    "click": {
        *("echo", "secho", "echo_via_pager", "confirm", "prompt", "progressbar", "getchar"),
        *("pause", "clear", "edit", "launch", "get_text_stream", "get_binary_stream"),
    },
    "traceback": {"print_exception", "print_exc", "print_last", "print_stack", "print_tb"},
    "logging": {"StreamHandler"},
    "warnings": {"warn"},
    "os": {"write", "system", "fdopen"},
}


METHODS = {"write", "writelines", "write_text", "print_json"}


RICH = {"console", "text", "segment"}
"""Modules of rich that do not write."""


ALLOWED = {
    ("commands/jobs/export_import.py", "write"),
    ("commands/jobs/export_import.py", "os.fdopen"),
}
"""The file of an export."""


def writing(source: str) -> Iterator[str]:
    """Return the names in a source that write, or through which it could write."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) if name in BUILT_IN:
                yield name
            case ast.Call(func=ast.Name(id="Console")):
                yield "Console"
            case ast.Attribute(value=ast.Name(id=module), attr=name) if name in OF_MODULES.get(
                module, ()
            ):
                yield f"{module}.{name}"
            case ast.Attribute(attr=name) if name in METHODS:
                yield name
            case ast.ImportFrom(module=str(module), names=names):
                yield from _imported(module, [one.name for one in names])
            case ast.Import(names=names):
                yield from (one.name for one in names if one.name.split(".")[0] == "rich")
                # under another name it would not be found above
                yield from (one.name for one in names if one.name in OF_MODULES and one.asname)
            case _:
                pass


def _imported(module: str, names: list[str]) -> Iterator[str]:
    yield from (name for name in names if name in OF_MODULES.get(module, ()))
    top, _, rest = module.partition(".")
    if top == "rich" and rest not in RICH:
        yield module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_no_other_module_writes(path: Path) -> None:
    name = path.relative_to(FOLDER).as_posix()

    found = {one for one in writing(path.read_text("utf-8")) if (name, one) not in ALLOWED}

    assert found == set()


def test_every_exception_is_needed() -> None:
    found = {
        (path.relative_to(FOLDER).as_posix(), name)
        for path in MODULES
        for name in writing(path.read_text("utf-8"))
    }

    assert found == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "print('x')",
        "import click\nclick.echo('x')",
        "from click import secho",
        "import sys\nsys.stdout.write('x')",
        "from sys import stderr as other",
        "import traceback\ntraceback.print_exc()",
        "from rich.live import Live",
        "import rich",
        "from rich import print as show",
        "import logging\nlogging.StreamHandler()",
        "import click\nclick.confirm('x')",
        "import sys as system",
        "from rich.console import Console\nConsole()",
        "def f(stream): stream.write('x')",
    ],
)
def test_a_module_that_writes_is_found(source: str) -> None:
    assert [*writing(source)]


NAMES = ("bgjobs", "bgjobs.stores.sqlite", "psycopg", "psycopg.pool")


@pytest.mark.parametrize("name", NAMES)
def test_library_logs_are_disabled_only_within_the_block(
    name: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger(name)
    own = logging.StreamHandler()
    logger.addHandler(own)

    try:
        with library_logs_disabled():
            logger.error("within")
            logging.getLogger(f"{name}.made_later").error("within")
            logging.getLogger("shop").error("of the application")
        logger.error("behind")
    finally:
        logger.removeHandler(own)

    assert caplog.messages == ["of the application", "behind"]
    assert "within" not in capsys.readouterr().err
