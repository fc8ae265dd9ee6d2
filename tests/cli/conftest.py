"""An application in its own folder, with ended and waiting jobs, and a way to call `bgjobs`."""

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
    """The result of one call of `bgjobs`."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The only line on stderr, without the name of the program."""
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("bgjobs: ").rstrip()


Call = Callable[..., Answer]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the application and a store in which jobs have run."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copy(SHOP, folder)
    with pytest.MonkeyPatch.context() as patch, _modules_removed(folder):
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        config = load_config("shop:config")
        workers = {worker.name: worker for worker in config.all_workers()}
        anyio.run(_run_jobs, config, workers, backend="trio")
        _leave_jobs(config, workers)
    return folder


async def _run_jobs(config: bgjobs.Config, workers: dict[str, Any]) -> None:
    mail = request(workers["send"], [], {"mail": {"to": "secret"}})
    async with bgjobs.run(config) as bg:
        await bg.enqueue(workers["greet"].request("Ada"))
        await bg.enqueue(mail)
        await bg.enqueue(mail)
        await bg.drain()


def _leave_jobs(config: bgjobs.Config, workers: dict[str, Any]) -> None:
    greet = workers["greet"]
    with closing(sqlite3.connect("shop.db")) as connection:
        config.store.enqueue_in(
            connection, [greet.request("Grace"), greet.request("Ida").available_in(hours=1)]
        )
        connection.commit()


@pytest.fixture
def shop(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A copy of the prepared folder, which is the current folder of the test."""
    folder = tmp_path / "shop"
    shutil.copytree(prepared, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BGJOBS_APP", "shop:config")
    monkeypatch.setattr(sys, "path", [*sys.path])
    with _modules_removed(folder):
        yield folder


@contextmanager
def _modules_removed(folder: Path) -> Generator[None]:
    """Remove the modules of this folder from `sys.modules` afterwards."""
    try:
        yield
    finally:
        for name, module in [*sys.modules.items()]:
            if (getattr(module, "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]


@pytest.fixture
def call(shop: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call `bgjobs` in this process, with captured output."""

    def run(*arguments: str) -> Answer:
        capsys.readouterr()
        code = run_command(arguments)
        return Answer(code, *capsys.readouterr())

    return run


def ids(call: Call, *options: str) -> list[str]:
    """Return the ids of `bgjobs jobs list` with these options."""
    return [job["id"] for job in call("jobs", "list", *options, "--json").json]
