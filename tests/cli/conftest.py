"""An application in a folder of its own, with ended and waiting jobs, and ways to call it."""

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import frozen

import bgjobs
from bgjobs.cli.application import load_config
from bgjobs.cli.commands.jobs.enqueue import request
from bgjobs.cli.root import run_command

SHOP = Path(__file__).with_name("shop.py")


@frozen
class Answer:
    """What one call of `bgjobs` gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The one line on stderr, without the name of the program."""
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("bgjobs: ").rstrip()


Call = Callable[..., Answer]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the application and the store of one that ran."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copy(SHOP, folder)
    with pytest.MonkeyPatch.context() as patch, _forgotten(folder):
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        config = load_config("shop:config")
        workers = {worker.name: worker for worker in config.all_workers()}
        anyio.run(_end_some, config, workers, backend="trio")
        _leave_some(config, workers)
    return folder


async def _end_some(config: bgjobs.Config, workers: dict[str, Any]) -> None:
    mail = request(workers["send"], [], {"mail": {"to": "secret"}})
    async with bgjobs.run(config) as bg:
        await bg.enqueue(workers["greet"].request("Ada"))
        await bg.enqueue(mail)
        await bg.enqueue(mail)
        await bg.drain()


def _leave_some(config: bgjobs.Config, workers: dict[str, Any]) -> None:
    greet = workers["greet"]
    with closing(sqlite3.connect("shop.db")) as connection:
        config.store.enqueue_in(
            connection, [greet.request("Grace"), greet.request("Ida").available_in(hours=1)]
        )
        connection.commit()


@pytest.fixture
def shop(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """The same in a folder of the test's own, where the commands are called."""
    folder = tmp_path / "shop"
    shutil.copytree(prepared, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BGJOBS_APP", "shop:config")
    monkeypatch.setattr(sys, "path", [*sys.path])
    with _forgotten(folder):
        yield folder


@contextmanager
def _forgotten(folder: Path) -> Generator[None]:
    """Forget afterwards what was imported from this folder."""
    try:
        yield
    finally:
        for name, module in [*sys.modules.items()]:
            if (getattr(module, "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]


@pytest.fixture
def call(shop: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call `bgjobs` in this process, as if its output went to a file."""

    def run(*arguments: str) -> Answer:
        capsys.readouterr()
        code = run_command(arguments)
        return Answer(code, *capsys.readouterr())

    return run
