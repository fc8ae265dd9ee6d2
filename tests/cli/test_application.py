"""Loading the application of `--app module:name`."""

from pathlib import Path

import pytest

import bgjobs
from bgjobs.cli.application import load_config
from bgjobs.cli.errors import CommandError


@pytest.fixture(autouse=True)
def modules(shop: Path) -> None:
    (shop / "factory.py").write_text(
        "import shop\n"
        "def make(): return shop.config\n"
        "def broken(): raise RuntimeError('no such')\n"
        "def none(): pass\n"
        "async def later(): return shop.config\n"
        "class settings: config = shop.config\n",
        "utf-8",
    )
    (shop / "lacking.py").write_text("x = 1\nimport not_there\n", "utf-8")
    (shop / "leaving.py").write_text("raise SystemExit('bye')\n", "utf-8")
    (shop / "wrong.py").write_text("x = (\n", "utf-8")


RUNS = """
import anyio, asyncio, trio, bgjobs, shop
from {loop} import run
async def main(): pass
for _ in range(2):
    run(main{call})
def make():
    run(main{call})
    return shop.config
config = shop.config
"""


@pytest.mark.parametrize(("loop", "call"), [("trio", ""), ("anyio", ""), ("asyncio", "()")])
def test_a_note_says_that_importing_the_module_runs_an_event_loop(
    loop: str, call: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "running.py").write_text(RUNS.format(loop=loop, call=call), "utf-8")

    assert isinstance(load_config("running:make"), bgjobs.Config)
    assert isinstance(load_config("running:config"), bgjobs.Config)

    assert capsys.readouterr().err == (
        "bgjobs: importing 'running' runs an event loop, and every command imports it: "
        'move that code below if __name__ == "__main__":\n'
    )


def test_a_module_that_runs_no_event_loop_causes_no_note(
    capsys: pytest.CaptureFixture[str],
) -> None:
    load_config("factory:make")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "reference", ["shop:config", "factory:make", "factory:settings.config"]
)
def test_a_configuration_or_a_function_that_returns_one_is_loaded(reference: str) -> None:
    assert isinstance(load_config(reference), bgjobs.Config)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("shop", "expected module:name, such as shop.jobs:config, found 'shop'"),
        ("shop:", "expected module:name, such as shop.jobs:config, found 'shop:'"),
        (":config", "expected module:name, such as shop.jobs:config, found ':config'"),
        ("shop.py:config", "expected a module, found a file; write shop:config"),
        ("./src/shop.py", "expected a module, found a file; write src.shop:config"),
        ("sohp:config", "no module 'sohp' in this folder or installed; did you mean 'shop'?"),
        ("no.where:x", "no module 'no.where' (no 'no') in this folder or installed"),
        ("shop:confg", "module 'shop' has no 'confg'; did you mean 'config'?"),
        ("factory:mak", "module 'factory' has no 'mak'; did you mean 'make'?"),
        ("shop:anyio", "{expected}, found module at shop:anyio"),
        ("shop:greet", "{expected}, found Worker at shop:greet"),
        ("factory:none", "{expected}, found NoneType at factory:none()"),
        (
            "factory:later",
            "factory:later is async; expected a function that returns a Config",
        ),
        (
            "factory:broken",
            "factory:broken() failed at factory.py:3: RuntimeError: no such",
        ),
        (
            "lacking:config",
            (
                "importing 'lacking' failed at lacking.py:2: "
                "ModuleNotFoundError: No module named 'not_there'"
            ),
        ),
        ("leaving:config", "importing 'leaving' failed at leaving.py:1: SystemExit: bye"),
        ("wrong:config", "importing 'wrong' failed: SyntaxError: '(' was never closed"),
    ],
)
def test_anything_else_is_an_error_of_one_line(reference: str, message: str) -> None:
    expected = "expected a bgjobs.Config, or a function that returns one"

    with pytest.raises(CommandError) as caught:
        load_config(reference)

    assert caught.value.message.startswith("app: " + message.format(expected=expected))
    assert caught.value.code == 2
