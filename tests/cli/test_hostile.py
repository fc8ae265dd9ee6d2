"""Stored and typed texts are escaped on a terminal, in a pipe, in JSON and in the log."""

import io
import json
import logging
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from bgjobs.cli.application import load_config
from bgjobs.cli.commands.jobs.enqueue import request
from bgjobs.cli.output import terminal as cli_terminal
from bgjobs.cli.root import root
from tests.cli.conftest import Call
from tests.cli.hostile import BLINK, DEEPER, HOSTILE, PLAUSIBLE, forged, prepare, raw
from tests.cli.terminal import BGJOBS, STYLE, Terminal, terminal

TALKING = (sys.executable, str(Path(__file__).with_name("talking.py")))
EXIT = "[exit code "
OWNER = "01890000-0000-7000-8000-000000000001"
RUNNING = "01890000-0000-7000-8000-000000000002"
JOB_TEXTS = ("worker", "meta-key", "meta-value", "earlier-error")


@pytest.fixture
def hostile(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    prepare(shop)
    monkeypatch.setenv("BGJOBS_APP", "hostile:config")
    return shop


END_OWNER: tuple[Sequence[str], Sequence[str]] = ([], [])
UNHANDLED: "Commands" = [(["status"], ["worker"]), (["doctor"], ["worker"])]
"""Commands that report unhandled jobs once no queue of another application runs."""
Commands = Sequence[tuple[Sequence[str], Sequence[str]]]
"""Arguments, and the texts that the output must contain."""


def showing(ids: Mapping[str, str]) -> Commands:
    """Return every command that shows stored texts, and which texts it shows."""
    failed, waiting, planned = ids["failed"], ids["waiting"], ids["planned"]
    return [
        (["owners"], ["owner", "node"]),
        (["audit"], ["author", "action", "subject"]),
        (["status"], ["shop"]),
        (["queues"], []),
        (["doctor"], []),
        (["schedules", "list"], ["cleaning"]),
        (["schedules", "next"], ["cleaning"]),
        (["migrate", "status"], []),
        (["migrate", "sql"], []),
        (["watch", "--count", "1"], []),
        (["completion", "bash"], []),
        (["jobs", "list"], ["worker", "last-error", "earlier-error"]),
        (["jobs", "list", "--succeeded"], ["worker"]),
        (["jobs", "show", failed], [*JOB_TEXTS, "key", "last-error"]),
        (["jobs", "show", failed, "--payload"], ["argument", "value"]),
        (["jobs", "show", waiting], JOB_TEXTS),
        (["jobs", "show", planned], ["plan"]),
        (["jobs", "show", ids["succeeded"]], JOB_TEXTS),
        (["jobs", "show", RUNNING], JOB_TEXTS),
        (["jobs", "export"], [*JOB_TEXTS, "argument", "value", "last-error"]),
        (["jobs", "reschedule", planned, "--in", "0"], ["plan"]),
        (["jobs", "retry", failed, "--dry-run"], []),
        (["jobs", "cancel", waiting, "--dry-run"], []),
        (["jobs", "reschedule", waiting, "--in", "1h", "--dry-run"], []),
    ]


def given() -> Commands:
    """Return every command that takes a text, and how the text begins."""
    text = f"given{DEEPER}"
    return [
        ([text], ["given"]),
        ([f"--{text}"], ["given"]),
        (["--app", text, "status"], ["given"]),
        (["--app", f"hostile:{text}", "status"], ["given"]),
        (["--app", f"{text}:config", "status"], ["given"]),
        (["--traceback", "--app", f"{text}:config", "status"], ["Traceback", "given"]),
        (["queues", "pause", text], ["given"]),
        (["schedules", "pause", text], ["schedule: expected text without NUL"]),
        (["schedules", "pause", HOSTILE], ["FORGED"]),
        (["queues", "pause", "mail", "--by", text], ["by: expected text without NUL"]),
        (["audit", "--author", text], ["author: expected text without NUL"]),
        (["completion", text], ["given"]),
        (["run", "--queue", text], ["given"]),
        (["run", "--log-level", text], ["given"]),
        (["watch", "--interval", text], ["given"]),
        (["jobs", "list", "--search", "\x1b\u202e"], ["search"]),
        (["jobs", "list", "--worker", text], ["--worker: expected text without NUL"]),
        (["jobs", "list", "--worker", HOSTILE], ["FORGED"]),
        (["jobs", "list", "--after", text], ["given"]),
        (["jobs", "show", text], ["given"]),
        (["jobs", "enqueue", text], ["given"]),
        (["jobs", "enqueue", "greet", "--args", '["Ada"]', "--unique", text], ["given"]),
        (["jobs", "enqueue", "greet", "--kwargs", json.dumps({text: 1})], ["missing a req"]),
        (["jobs", "enqueue", "greet", "--args", '["Ada"]', "--in", text], ["given"]),
        (["jobs", "enqueue", "greet", "--args", '["Ada"]', "--at", text], ["given"]),
        (["jobs", "cancel", "--all", "--worker", HOSTILE, "--yes"], ["FORGED"]),
        (["jobs", "retry", "--all", "--created-before", text], ["given"]),
        (["jobs", "prune", "--failed-for", text], ["given"]),
        (["jobs", "import", f"file{HOSTILE}"], ["file"]),
        (["jobs", "export", f"no-folder/{HOSTILE}"], ["no-folder"]),
        (["jobs", "export", f"to{BLINK}{PLAUSIBLE}"], ["exported", "to"]),
        (["jobs", "export", f"to{BLINK}{PLAUSIBLE}"], ["the file exists"]),
    ]


def end_owner(folder: Path) -> None:
    """End the queue of another application."""
    with closing(sqlite3.connect(folder / f"shop{BLINK}{PLAUSIBLE}.db")) as database:
        database.execute("delete from bgjobs_owners")
        database.commit()


def ids_of(call: Call) -> dict[str, str]:
    listed = call("jobs", "list", "--succeeded", "--failed", "--waiting", "--delayed", "--json")
    found = {one["state"]: one["id"] for one in listed.json}
    [planned] = [one["id"] for one in listed.json if one["schedule"]]
    [waiting] = [one["id"] for one in listed.json if one["state"] == "waiting"]
    return {**found, "waiting": waiting, "planned": planned}


def test_all_output_to_a_pipe_is_escaped(hostile: Path, call: Call) -> None:
    for arguments, texts in [*showing(ids_of(call)), *given(), END_OWNER, *UNHANDLED]:
        if not arguments:
            end_owner(hostile)
            continue
        answer = call(*arguments)
        written = answer.out + answer.err
        assert not raw(written), arguments
        assert not [text for text in texts if text not in written], arguments
        if "export" not in arguments and "show" not in arguments:
            assert not forged(written), arguments
        if answer.err and "--traceback" not in arguments:
            assert answer.err.count("\n") == 1, answer


def output_of(session: Terminal, arguments: Sequence[str]) -> str:
    """Type a command, and return what it writes."""
    typed = json.dumps(arguments)
    session.type(typed)
    session.until(typed)
    session.type("\n")
    written = session.until(EXIT).removesuffix(EXIT)
    session.until("]\n")
    return written


def test_all_output_to_a_terminal_is_escaped(hostile: Path, call: Call) -> None:
    commands = [*showing(ids_of(call)), *given(), END_OWNER, *UNHANDLED]
    environment = {"BGJOBS_APP": "hostile:config"}
    with terminal(*TALKING, cwd=hostile, env=environment) as session:
        for arguments, texts in commands:
            if not arguments:
                end_owner(hostile)
                continue
            written = output_of(session, arguments)
            assert not raw(written), arguments
            plain = STYLE.sub("", written)
            assert not [text for text in texts if text not in plain], arguments
            if "export" not in arguments and "show" not in arguments:
                assert not forged(plain), arguments


def test_json_is_escaped_and_keeps_its_values(hostile: Path, call: Call) -> None:
    ids = ids_of(call)
    for command in (
        "status",
        "queues",
        "owners",
        "audit",
        "doctor",
        "schedules list",
        "schedules next",
        "migrate status",
        "watch --count 1",
        "jobs list",
        f"jobs show {ids['failed']} --payload",
        f"jobs cancel {ids['planned']}",
    ):
        answer = call(*shlex.split(command), "--json")
        assert not raw(answer.out + answer.err), command
        assert answer.json is not None

    shown: Any = call("jobs", "show", ids["failed"], "--payload", "--json").json
    [owner] = call("owners", "--json").json
    end_owner(hostile)
    [unhandled] = call("status", "--json").json["unhandled"]
    [exported, *_] = map(json.loads, call("jobs", "export").out.splitlines())

    assert shown["worker"] == unhandled["worker"] == f"worker{HOSTILE}"
    assert shown["metadata"] == {f"meta-key{HOSTILE}": f"meta-value{HOSTILE}"}
    assert shown["unique_key"] == f"key{ids['failed']}{HOSTILE}"
    assert shown["error"] == f"last-error{HOSTILE}"
    assert f"earlier-error{HOSTILE}" in [one["error"] for one in shown["timeline"]]
    assert shown["payload"] == {f"argument{DEEPER}": f"value{DEEPER}"}
    assert (owner["queue"], owner["node"]) == (f"owner{HOSTILE}", f"node{HOSTILE}")
    assert exported["name"] == f"worker{HOSTILE}"


LISTENING = """
import bgjobs, hostile
from attrs import evolve

def failing(event: bgjobs.Event) -> None:
    if isinstance(event, bgjobs.events.JobFailed):
        raise RuntimeError(event.error)

config = evolve(hostile.config, listeners=[failing])
"""


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_the_log_of_run_is_escaped(backend: str, hostile: Path, call: Call) -> None:
    (hostile / "listening.py").write_text(LISTENING, "utf-8")
    config = load_config("hostile:config")
    declared = next(one for one in config.all_workers() if one.name.startswith("declared"))
    with closing(sqlite3.connect(hostile / f"shop{BLINK}{PLAUSIBLE}.db")) as connection:
        config.store.enqueue_in(connection, [request(declared, [HOSTILE], {})])
        connection.commit()
    command = ("--app", "listening:config", "run", "--log-level", "debug")

    with terminal(*BGJOBS, *command, "--backend", backend, cwd=hostile) as session:
        first = session.until("JobFailed|queue:mail", "RuntimeError: ValueError: ")
        session.signal(signal.SIGTERM)
        code, rest = session.end()

    written = first + rest
    assert code == 0
    assert not raw(written)
    assert "worker:declared\\u202e\\u200b" in written
    assert "listener failing raised on JobFailed" in written


def test_a_log_line_of_an_application_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    handler = cli_terminal.log_handler("%(levelname)s %(message)s")

    try:
        raise ValueError(f"raised{HOSTILE}")
    except ValueError:
        record = logging.LogRecord(
            "shop", logging.ERROR, "shop.py", 1, "message %s", (HOSTILE,), sys.exc_info()
        )
    handler.handle(record)

    first, *lines = capsys.readouterr().err.splitlines()
    assert first.startswith("ERROR message \\x1b[5;41m")
    assert lines[0] == "Traceback (most recent call last):"
    assert not raw("".join([first, *lines]))


def test_a_question_is_escaped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    assert cli_terminal.confirm(f"Cancel {HOSTILE}?")

    written = "".join(capsys.readouterr())
    assert "Cancel \\x1b[5;41m" in written
    assert not raw(written)
    assert not forged(written)


def test_names_with_invisible_characters_are_not_completed(
    hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BGJOBS_COMPLETE_NAMES", "1")
    shell = ShellComplete(root, {}, "bgjobs", "_BGJOBS_COMPLETE")

    offered = [one.value for one in shell.get_completions(["jobs", "enqueue"], "")]

    assert offered == ["greet", "purge", "slow"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_characters_outside_the_encoding_are_escaped(encoding: str, shop: Path) -> None:
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute("update bgjobs_jobs_failed set name = 'caf\u00e9 \u65e5'")

    def run(*arguments: str) -> bytes:
        environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
        command = (*BGJOBS, "jobs", *arguments)
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout

    seen = run("list", "--failed").decode(encoding)
    listed = json.loads(run("list", "--failed", "--json").decode(encoding))
    exported = json.loads(run("export").decode().splitlines()[0])

    name = "caf\u00e9 \u65e5"
    assert name.encode(encoding, "backslashreplace").decode(encoding) in seen
    assert {one["worker"] for one in listed} == {exported["name"]} == {name}
