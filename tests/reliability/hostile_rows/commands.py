"""The commands of operators over the rows that are left, and the problems of each call."""

import io
import json
import os
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, final, get_args

import pytest
from attrs import evolve, frozen

import bgjobs
from bgjobs._core.jobs import State
from bgjobs._core.text import is_visible
from bgjobs.cli.errors import ExitCode
from bgjobs.cli.root import run_command
from tests.fixtures.databases import SQLiteFile
from tests.reliability.hostile_rows.application import config_of
from tests.reliability.hostile_rows.database import TestedDatabase

STATES = get_args(State)
PAGE, PAGES = 200, 100
SHOWN = 3
"""The number of jobs of each state that are shown."""
_STORE = "BGJOBS_HOSTILE_STORE"
_APP = f"{__name__}:operated"
_DONE, _PARTLY = (ExitCode.DONE,), (ExitCode.DONE, ExitCode.NOT_DONE)


@final
@frozen
class Call:
    """One call of `bgjobs`."""

    arguments: Sequence[str]
    code: int
    out: str
    problem: str
    """The problem of the call; empty if there is none."""

    @property
    def deleted(self) -> Sequence[str]:
        """The id of the job that the call deletes."""
        return self.arguments[2:3] if self.arguments[1:2] == ["delete"] else ()


def operated() -> bgjobs.Config:
    """Return the configuration for the commands."""
    described = json.loads(os.environ[_STORE])
    if "dsn" in described:
        return config_of(bgjobs.PostgresStore(described["dsn"], schema=described["schema"]))
    return config_of(bgjobs.SQLiteStore(described["path"]))


def run_commands(database: TestedDatabase, zone: str) -> list[Call]:
    """Call every command of operators, with --json and without, in a time zone."""
    with _environment(database, zone), tempfile.TemporaryDirectory() as folder:
        return list(_calls(Path(folder)))


def _calls(folder: Path) -> Iterator[Call]:
    for command in ("status", "owners", "queues"):
        yield from _both([command])
    yield from _both(["doctor"], _PARTLY)
    yield from _both(["schedules", "list"])
    yield from _both(["watch", "--count", "1"])
    ids = dict[str, list[str]]()
    for state in STATES:
        yield _call(["jobs", "list", f"--{state}", "--limit", "50"])
        listed = list(_paged(state))
        yield from listed
        ids[state] = [job["id"] for one in listed for job in _jobs(one)]
    deleted = set[str]()  # the rows of several states may have the same id
    for state, listed_ids in ids.items():
        found = [one for one in listed_ids if one not in deleted]
        for one in found[:: max(1, len(found) // SHOWN)][:SHOWN]:
            yield from _both(["jobs", "show", one])
            yield _call(["jobs", "show", one, "--payload"])
        if len(found) > 12 and state != "running":
            deleted |= {*found[10:12]}
            yield _call(["jobs", "delete", found[10], "--yes"], _PARTLY)
            yield _call(["jobs", "delete", found[11], "--yes", "--json"], _PARTLY)
        if found and state != "succeeded":
            yield from _both(["jobs", "cancel", *found[:2], "--reason", "no"], _PARTLY)
    yield _call(["jobs", "list", "--failed", "--search", "ValueError*", "--json"])
    yield _call(["jobs", "export", str(folder / "failed.jsonl"), "--force"])
    yield from _both(["jobs", "retry", *ids["failed"][2:5]], _PARTLY) if ids["failed"] else ()
    yield from (
        _both(["jobs", "retry", *ids["cancelled"][2:5]], _PARTLY) if ids["cancelled"] else ()
    )
    yield from _both(["jobs", "retry", *ids["unreadable"][2:5]], _PARTLY)
    yield _call(["jobs", "retry", "--all", "--yes", "--worker", "failing"])
    yield from _both(["jobs", "prune", "--dry-run"])


def _paged(state: str) -> Iterator[Call]:
    """List all jobs of a state, page by page, and check that each is listed once."""
    after: list[str] = []
    seen = set[str]()
    for _ in range(PAGES):
        call = _call(["jobs", "list", f"--{state}", "--limit", str(PAGE), *after, "--json"])
        ids = [job["id"] for job in _jobs(call)]
        again = not seen.isdisjoint(ids) or len(set(ids)) < len(ids)
        yield evolve(call, problem="a job is listed twice") if again else call
        if not ids or again:
            return
        seen.update(ids)
        after = ["--after", ids[-1]]


def _jobs(call: Call) -> list[Any]:
    if call.problem:
        return []
    found: list[Any] = json.loads(call.out)
    return found


def _both(arguments: Sequence[str], codes: Sequence[int] = _DONE) -> Iterator[Call]:
    yield _call(arguments, codes)
    yield _call([*arguments, "--json"], codes)


def _call(arguments: Sequence[str], codes: Sequence[int] = _DONE) -> Call:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_command(["--app", _APP, *arguments])
    text = out.getvalue()
    is_right = code in codes and "bgjobs: " not in err.getvalue()
    problem = "" if is_right else f"exit code {code}: {err.getvalue()[:500]!r}"
    if not problem:
        problem = _problem_of(text, err.getvalue(), with_json="--json" in arguments)
    return Call(arguments, code, text, problem)


def _problem_of(text: str, errors: str, *, with_json: bool) -> str:
    for line in f"{text}\n{errors}".split("\n"):
        if not is_visible(line):
            return f"an invisible character was printed: {line[:200]!a}"
    try:
        if with_json:
            json.loads(text)
    except ValueError as error:
        return f"expected JSON, found {error}"
    return ""


@contextmanager
def _environment(database: TestedDatabase, zone: str) -> Generator[None]:
    if isinstance(database.location, SQLiteFile):
        described = {"path": str(database.location.path)}
    else:
        described = {"dsn": database.dsn_of_operator, "schema": database.location.schema}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(_STORE, json.dumps(described))
        patch.setenv("TZ", zone)
        time.tzset()
        try:
            yield
        finally:
            patch.undo()
            time.tzset()
