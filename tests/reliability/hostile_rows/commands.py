"""The commands of operators over what hostile rows have left, and what is wrong with them."""

import io
import json
import os
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, final

import pytest
from attrs import evolve, frozen

import bgjobs
from bgjobs._core.text import is_visible
from bgjobs.cli.errors import ExitCode
from bgjobs.cli.root import run_command
from tests.fixtures.databases import SQLiteFile
from tests.reliability.hostile_rows.application import config_of
from tests.reliability.hostile_rows.places import Place

STATES = ("running", "waiting", "delayed", "failed", "succeeded", "unreadable")
PAGE, PAGES = 200, 100
SHOWN = 3
"""Jobs of each state that are shown."""
_STORE = "BGJOBS_HOSTILE_STORE"
_APP = f"{__name__}:operated"
_DONE, _PARTLY = (ExitCode.DONE,), (ExitCode.DONE, ExitCode.NOT_DONE)


@final
@frozen
class Called:
    """One call of `bgjobs`."""

    arguments: Sequence[str]
    code: int
    out: str
    problem: str
    """Empty if all is well."""

    @property
    def deleted(self) -> Sequence[str]:
        """The id of the job that it deletes."""
        return self.arguments[2:3] if self.arguments[1:2] == ["delete"] else ()


def operated() -> bgjobs.Config:
    """Return the application that the commands are given."""
    described = json.loads(os.environ[_STORE])
    if "dsn" in described:
        return config_of(bgjobs.PostgresStore(described["dsn"], schema=described["schema"]))
    return config_of(bgjobs.SQLiteStore(described["path"]))


def run_commands(place: Place, zone: str) -> list[Called]:
    """Call every command that operators have, with --json and without, in a time zone."""
    with _environment(place, zone), tempfile.TemporaryDirectory() as folder:
        return list(_calls(Path(folder)))


def _calls(folder: Path) -> Iterator[Called]:
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
    for state, found in ids.items():
        for one in found[:: max(1, len(found) // SHOWN)][:SHOWN]:
            yield from _both(["jobs", "show", one])
            yield _call(["jobs", "show", one, "--payload"])
        if len(found) > 12 and state != "running":
            yield _call(["jobs", "delete", found[10], "--yes"], _PARTLY)
            yield _call(["jobs", "delete", found[11], "--yes", "--json"], _PARTLY)
        if found and state != "succeeded":
            yield from _both(["jobs", "cancel", *found[:2], "--reason", "no"], _PARTLY)
    yield _call(["jobs", "list", "--failed", "--search", "ValueError*", "--json"])
    yield _call(["jobs", "export", str(folder / "failed.jsonl"), "--force"])
    yield from _both(["jobs", "retry", *ids["failed"][2:5]], _PARTLY) if ids["failed"] else ()
    yield from _both(["jobs", "retry", *ids["unreadable"][2:5]], _PARTLY)
    yield _call(["jobs", "retry", "--all", "--yes", "--worker", "failing"])
    yield from _both(["jobs", "prune", "--dry-run"])


def _paged(state: str) -> Iterator[Called]:
    """List all jobs of a state, page by page, none of them twice."""
    after: list[str] = []
    seen = set[str]()
    for _ in range(PAGES):
        call = _call(["jobs", "list", f"--{state}", "--limit", str(PAGE), *after, "--json"])
        ids = [job["id"] for job in _jobs(call)]
        again = not seen.isdisjoint(ids) or len(set(ids)) < len(ids)
        yield evolve(call, problem="lists jobs twice") if again else call
        if not ids or again:
            return
        seen.update(ids)
        after = ["--after", ids[-1]]


def _jobs(call: Called) -> list[Any]:
    if call.problem:
        return []
    found: list[Any] = json.loads(call.out)
    return found


def _both(arguments: Sequence[str], codes: Sequence[int] = _DONE) -> Iterator[Called]:
    yield _call(arguments, codes)
    yield _call([*arguments, "--json"], codes)


def _call(arguments: Sequence[str], codes: Sequence[int] = _DONE) -> Called:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_command(["--app", _APP, *arguments])
    text = out.getvalue()
    is_right = code in codes and "bgjobs: " not in err.getvalue()
    problem = "" if is_right else f"exit code {code}: {err.getvalue()[:500]!r}"
    if not problem:
        problem = _problem_of(text, err.getvalue(), with_json="--json" in arguments)
    return Called(arguments, code, text, problem)


def _problem_of(text: str, errors: str, *, with_json: bool) -> str:
    for line in f"{text}\n{errors}".split("\n"):
        if not is_visible(line):
            return f"what cannot be seen was printed: {line[:200]!a}"
    try:
        if with_json:
            json.loads(text)
    except ValueError as error:
        return f"expected JSON, found {error}"
    return ""


@contextmanager
def _environment(place: Place, zone: str) -> Generator[None]:
    if isinstance(place.database, SQLiteFile):
        described = {"path": str(place.database.path)}
    else:
        described = {"dsn": place.dsn_of_operator, "schema": place.database.schema}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(_STORE, json.dumps(described))
        patch.setenv("TZ", zone)
        time.tzset()
        try:
            yield
        finally:
            patch.undo()
            time.tzset()
