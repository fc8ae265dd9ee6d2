"""Real processes on one file of which a part is removed or replaced while it is open."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

import tests.fixtures.sqlite_programs as program
from bgjobs.testing.contract.steps import enqueued
from tests.fixtures.sqlite import fresh_sqlite_store

_LOG, _INDEX = "-wal", "-shm"
_MANY = 20


class _Process:
    """A process that uses the file, and the ids of the jobs that it was told are stored."""

    def __init__(self, path: Path) -> None:
        self.acknowledged: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, program.__file__, "answer_commands", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, verb: str) -> str:
        """Return the error, or an empty text."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(verb, file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        if answer.get("answer"):
            self.acknowledged.append(answer["answer"])
        return str(answer.get("error", ""))

    def end(self) -> None:
        self._process.communicate(timeout=60)


@contextmanager
def _processes(path: Path, many: int = 2) -> Generator[list[_Process]]:
    with ExitStack() as stack:
        started = [_Process(path) for _ in range(many)]
        for one in started:
            stack.callback(one.end)
        yield started


def _remove(*ends: str) -> Callable[[Path], None]:
    def harm(path: Path) -> None:
        for end in ends:
            Path(f"{path}{end}").unlink()

    harm.__name__ = f"remove{''.join(ends) or '-database'}"
    return harm


def _move_away(end: str) -> Callable[[Path], None]:
    def harm(path: Path) -> None:
        Path(f"{path}{end}").rename(f"{path}.old")

    harm.__name__ = f"move{end or '-database'}"
    return harm


def _replace(end: str) -> Callable[[Path], None]:
    """As a tool does that restores a backup."""

    def harm(path: Path) -> None:
        copy = path.with_name("copy")
        shutil.copy(f"{path}{end}", copy)
        copy.rename(f"{path}{end}")

    harm.__name__ = f"replace{end or '-database'}"
    return harm


def _name(harm: object) -> str:
    return getattr(harm, "__name__", "")


def _stored(path: Path) -> list[str]:
    with fresh_sqlite_store(path) as store:
        return sorted(str(job.id) for job in enqueued(store))


_HARMS: Sequence[Callable[[Path], None]] = [
    *(_remove(end) for end in ("", _LOG, _INDEX)),
    _remove(_LOG, _INDEX),
    *(_move_away(end) for end in ("", _LOG, _INDEX)),
    *(_replace(end) for end in ("", _LOG, _INDEX)),
]
_HARMS_OF_THE_LOG = [harm for harm in _HARMS if "database" not in _name(harm)]


@pytest.mark.parametrize("harm", _HARMS, ids=_name)
def test_neither_who_has_it_open_nor_who_opens_it_acknowledges_anything(
    harm: Callable[[Path], None], sqlite_path: Path
) -> None:
    with _processes(sqlite_path) as (first, second):
        assert not first.ask("open")
        assert not first.ask("write")
        before = list(first.acknowledged)
        harm(sqlite_path)
        for error in (second.ask("open"), second.ask("enqueue_in"), first.ask("write")):
            assert error.startswith("StoreError: SQLite ")
            assert f"{sqlite_path}" in error
            assert " was re" in error
            assert error.endswith("stop all processes that use the database, then start them")
        assert first.acknowledged == before
        assert not first.ask("close")
        assert not second.ask("open"), "the others have ended"
        assert not second.ask("write")
        assert not second.ask("close")


@pytest.mark.parametrize("harm", _HARMS_OF_THE_LOG, ids=_name)
@pytest.mark.parametrize("closes", [True, False], ids=["closed", "left open"])
def test_what_was_acknowledged_is_in_the_file(
    harm: Callable[[Path], None], closes: bool, sqlite_path: Path
) -> None:
    """A log that was removed is saved by the process that has it open, when it closes."""
    with _processes(sqlite_path) as (first, second):
        assert not first.ask("open")
        for _ in range(_MANY):
            assert not first.ask("write")
        if harm.__name__.startswith("replace"):
            first.ask("close")
            assert not first.ask("open")
            assert not first.ask("write")
        harm(sqlite_path)
        for one in (first, second):
            for verb in ("open", "write", "enqueue_in"):
                one.ask(verb)
        if closes:
            first.ask("close")
            assert not second.ask("open")
            assert not second.ask("write")
        acknowledged = sorted(first.acknowledged + second.acknowledged)
    assert _stored(sqlite_path) == acknowledged


@pytest.mark.parametrize("harm", [_remove(_INDEX), _remove(_LOG, _INDEX)], ids=_name)
def test_what_another_program_wrote_since_survives_the_end_of_the_store(
    harm: Callable[[Path], None], sqlite_path: Path
) -> None:
    """The last connection that is closed would overwrite it with what it knows."""
    with _processes(sqlite_path, 1) as (first,):
        assert not first.ask("open")
        assert not first.ask("write")
        harm(sqlite_path)
        with closing(sqlite3.connect(sqlite_path)) as raw, raw:
            raw.execute("create table orders (number integer)")
            raw.executemany("insert into orders values (?)", [(n,) for n in range(500)])
        assert "was re" in first.ask("write")
        assert not first.ask("close")
    with closing(sqlite3.connect(sqlite_path)) as raw:
        assert raw.execute("select count(*) from orders").fetchone() == (500,)
        assert raw.execute("pragma integrity_check").fetchone() == ("ok",)
