"""Streams that are closed, not UTF-8, without a reader, or used by the application."""

import json
import os
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from bgjobs.cli.root import run_command
from tests.cli.conftest import Call
from tests.cli.terminal import BGJOBS, DEADLINE

PROGRAM = shlex.join(BGJOBS)
COMMANDS = [
    "jobs list",
    "jobs list --json",
    "jobs export",
    "jobs export failed.jsonl",
    "jobs retry --all --yes",
    "jobs cancel --all --yes",
    "jobs prune --failed-for 0 --yes",
    "jobs import /dev/null --yes",
    "jobs enqueue greet --args '[\"Ada\"]'",
    "jobs delete {job} --yes",
    "jobs show {job}",
    "jobs reschedule {waiting} --in 1h",
    "status",
    "queues",
    "queues pause mail",
    "owners",
    "doctor",
    "watch --count 1",
    "watch --count 1 --json",
    "schedules list",
    "schedules next",
    "schedules trigger cleaning",
    "migrate status",
    "migrate up",
    "migrate sql",
    "completion bash",
    "--help",
    "--version",
]


def in_shell(
    command: str, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a line in bash, and return with the exit code of the first command of a pipe."""
    return subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        check=False,
        timeout=DEADLINE,
        encoding="utf-8",
        env={**os.environ, **(env or {})},
    )


def named(command: str) -> str:
    """Fill ids into a command."""
    with closing(sqlite3.connect("shop.db")) as connection:
        [[job]] = connection.execute("select id from bgjobs_jobs_failed limit 1")
        [[waiting]] = connection.execute(
            "select id from bgjobs_jobs order by available_at limit 1"
        )
    return command.format(job=job, waiting=waiting)


def all_jobs(call: Call) -> str:
    return call("jobs", "list", "--json", "--failed", "--succeeded", "--waiting").out


MUTE = "bgjobs: stdout is closed, so nothing was done: the answer needs it\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_without_stdout_nothing_is_done(
    command: str, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    before, line = all_jobs(call), shlex.split(named(command))
    capsys.readouterr()

    code = run_command(line, is_mute=True)

    assert (code, capsys.readouterr().err) == (1, MUTE)
    assert all_jobs(call) == before


@pytest.mark.parametrize("command", ["jobs list", "watch --count 1 --json", "--version"])
def test_a_closed_stdout_is_an_error(command: str, shop: Path) -> None:
    done = in_shell(f"{PROGRAM} {command} >&-")

    assert (done.returncode, done.stderr) == (1, MUTE)


@pytest.mark.parametrize("command", ["jobs list --running", "jobs retry --all --yes", "doctor"])
def test_a_closed_stderr_changes_nothing_else(command: str, shop: Path) -> None:
    done = in_shell(f"{PROGRAM} {command} 2>&- <&-")

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "code"),
    [("jobs xx", 2), ("jobs retry --all", 2), ("jobs show 0000-00", 3), ("status", 0)],
)
def test_with_all_streams_closed_there_is_an_exit_code(
    command: str, code: int, shop: Path
) -> None:
    assert in_shell(f"{PROGRAM} {command} <&- 2>&- >/dev/null").returncode == code
    assert in_shell(f"{PROGRAM} {command} <&- 2>&- >&-").returncode == 1


def test_run_needs_no_stdout(shop: Path) -> None:
    """A service may be started so; the output of handlers is lost."""
    command = f"{PROGRAM} jobs enqueue slow --args '[0]' && exec {PROGRAM} run >&- <&-"
    with subprocess.Popen(["bash", "-c", command], stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "JobSucceeded" in line and "worker:slow" in line:
                run.send_signal(signal.SIGTERM)
        assert run.wait(DEADLINE) == 0


ASCII = {
    "LC_ALL": "C",
    "PYTHONIOENCODING": "ascii",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
}


def test_an_export_is_utf_8_whatever_the_terminal_is(call: Call, tmp_path: Path) -> None:
    job = json.loads(call("jobs", "export").out.splitlines()[0])
    job |= {"id": str(uuid4()), "payload": '{"to":"zoë 🦉"}', "error": "später"}
    lines = tmp_path / "failed.jsonl"
    lines.write_text(json.dumps(job, ensure_ascii=False), encoding="utf-8")
    assert call("jobs", "import", str(lines), "--yes").code == 0
    before = call("jobs", "export").out

    done = in_shell(f"{PROGRAM} jobs export", ASCII)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == before
    assert "zoë 🦉" in done.stdout
    assert "später" in done.stdout


@pytest.mark.parametrize("command", ["jobs list --json", "jobs show {job}", "status"])
def test_other_commands_work_on_an_ascii_terminal(command: str, shop: Path) -> None:
    done = in_shell(f"{PROGRAM} {named(command)}", ASCII)

    assert (done.returncode, done.stderr) == (0, "")


UNREAD = [
    "jobs export",
    "jobs list --limit 10000",
    "jobs list --limit 10000 --json",
    "watch --interval 0.1",
    "watch --interval 0.1 --json",
]


@pytest.mark.parametrize("command", UNREAD)
def test_a_reader_that_ends_first_ends_a_command_silently(command: str, call: Call) -> None:
    fill(call)

    done = in_shell(f"{PROGRAM} {command} | head -c 1 >/dev/null")

    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("command", ["jobs list --json", "jobs --help"])
def test_an_unread_short_answer_is_no_error_text(command: str, shop: Path) -> None:
    """The reader has ended before the answer is written."""
    done = in_shell(f"(sleep 2; exec {PROGRAM} {command}) | true")

    assert done.returncode == 141
    assert done.stderr == ""


def fill(call: Call) -> None:
    """Store more failed jobs than a pipe holds."""
    lines = call("jobs", "export").out.splitlines()
    line = json.loads(lines[0])
    with Path("many.jsonl").open("w", encoding="utf-8") as file:
        for number in range(1_000):
            changed = {**line, "id": f"01890000-0000-7000-8000-{number:012x}"}
            file.write(json.dumps(changed) + "\n")
    assert call("jobs", "import", "many.jsonl", "--yes").code == 0


def test_unread_errors_are_no_traceback(call: Call) -> None:
    done = in_shell(f"{PROGRAM} jobs xx 2>&1 >/dev/null | true")

    assert (done.returncode, done.stderr) == (2, "")


CHATTY = """
import os, subprocess, sys
import bgjobs, shop
from attrs import evolve

print("imported")
os.write(1, b"written\\n")
subprocess.run(["echo", "called"])

def listen(event):
    print("event", type(event).__name__)

def make():
    print("made")
    return evolve(shop.config, listeners=[listen])
"""
JSON_COMMANDS = [
    "jobs list --json",
    "jobs show {job} --json",
    "jobs enqueue greet --args '[\"Ada\"]' --json",
    "jobs cancel {job} --json",
    "jobs retry --all --yes --json",
    "jobs prune --failed-for 0 --yes --json",
    "status --json",
    "queues --json",
    "owners --json",
    "doctor --json",
    "schedules list --json",
    "schedules next --json",
    "schedules trigger cleaning --json",
    "watch --count 1 --json",
    "migrate status --json",
    "migrate up --json",
    "migrate sql --json",
    "jobs export",
]


@pytest.mark.parametrize("command", JSON_COMMANDS)
def test_output_of_the_application_goes_to_stderr(
    command: str, shop: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (shop / "chatty.py").write_text(CHATTY, "utf-8")
    line = shlex.split(named(command))
    capfd.readouterr()

    run_command(["--app", "chatty:make", *line])

    out, err = capfd.readouterr()
    answers = out.splitlines() if command == "jobs export" else [out]
    assert all(json.loads(one) is not None for one in answers)
    for text in ("imported", "written", "called", "made"):
        assert f"{text}\n" in err


def test_output_of_handlers_goes_to_stdout_during_run(shop: Path, call: Call) -> None:
    (shop / "chatty.py").write_text(CHATTY, "utf-8")
    call("jobs", "enqueue", "slow", "--args", "[0]")
    with subprocess.Popen(
        [*BGJOBS, "--app", "chatty:make", "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as run:
        assert run.stdout is not None
        seen: list[str] = []
        for line in run.stdout:
            seen.append(line.rstrip())
            if "event JobSucceeded" in line:
                run.send_signal(signal.SIGTERM)
        assert run.wait(DEADLINE) == 0
    assert {"imported", "made", "begun", "ended"} <= {*seen}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit('no DATABASE_URL')", "SystemExit: no DATABASE_URL"),
        ("sys.exit(3)", "SystemExit: 3"),
        ("raise RuntimeError('no')", "RuntimeError: no"),
    ],
)
def test_an_application_that_cannot_be_loaded_is_wrong_use(
    body: str, message: str, shop: Path, call: Call
) -> None:
    (shop / "leaving.py").write_text(
        f"import sys\ndef make():\n    {body}\n"
        f"def __getattr__(name):\n    if name == 'lazy':\n        {body}\n"
        "    raise AttributeError(name)\n",
        "utf-8",
    )
    (shop / "at_once.py").write_text(f"import sys\n{body}\n", "utf-8")

    for app in ("leaving:make", "leaving:lazy", "at_once:config"):
        for command in ("status", "jobs list", "migrate up", "doctor", "run", "schedules next"):
            answer = call("--app", app, *command.split())
            assert answer.code == 2, (app, command)
            assert answer.line.endswith(message)


@pytest.mark.parametrize(
    "command",
    ["jobs list", "jobs retry --all --dry-run", "jobs retry --all --yes", "jobs export"],
)
def test_a_search_without_a_word_is_wrong_use(command: str, call: Call) -> None:
    answer = call(*command.split(), "--search", "!!!")

    assert answer.code == 2
    assert answer.line == "--search: expected a word of letters or digits, found '!!!'"


def interrupted(*arguments: str, ready: Path) -> "tuple[int, str]":
    """Send Ctrl-C once a file exists; return the exit code and stderr."""
    with subprocess.Popen(
        [sys.executable, "-c", _WITH_SIGINT, *BGJOBS, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        until = time.monotonic() + DEADLINE
        while not ready.exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.01)  # another process makes the file
        process.send_signal(signal.SIGINT)
        message = process.stderr.read()
        return process.wait(DEADLINE), message


# A child of a shell in the background would ignore SIGINT.
_WITH_SIGINT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
SLOW = """
import time
from pathlib import Path
import bgjobs, shop
def make():
    Path("ready").touch()
    time.sleep(60)  # until the signal ends it
if {at_import}:
    make()
"""
STARTING = ["status", "run", "doctor"]


@pytest.mark.parametrize(
    ("command", "at_import"), [("status", True), ("run", False), ("migrate up", False)]
)
def test_ctrl_c_while_the_application_is_imported(
    command: str, *, at_import: bool, shop: Path
) -> None:
    (shop / "slowly.py").write_text(SLOW.format(at_import=at_import), "utf-8")

    code, message = interrupted("--app", "slowly:make", *command.split(), ready=shop / "ready")

    assert (code, message.strip()) == (130, "bgjobs: interrupted")


SILENT = """
from pathlib import Path
import bgjobs, shop
class Silent(bgjobs.PostgresStore):
    def open(self):
        Path("ready").touch()
        super().open()
store = Silent("postgresql://127.0.0.1:{port}/x", call_timeout=1)
config = bgjobs.Config(store=store, queues=shop.config.queues, store_timeout=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", STARTING)
def test_ctrl_c_while_it_connects(command: str, shop: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (shop / "silent.py").write_text(SILENT.format(port=port), "utf-8")

        code, message = interrupted(
            "--app", "silent:config", *command.split(), ready=shop / "ready"
        )

    assert "Traceback" not in message
    assert code == 130
