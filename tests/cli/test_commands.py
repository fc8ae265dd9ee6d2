"""Every command has an example in the documentation, and a picture that shows all values.

`BGJOBS_SNAPSHOTS=write pytest tests/cli/test_commands.py` draws the pictures again.
"""

import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from rich.cells import cell_len

import bgjobs
from bgjobs.cli.commands import doctor
from bgjobs.cli.errors import EXIT_CODE_MEANINGS
from bgjobs.cli.root import root, run_command
from tests.cli import steady
from tests.cli.terminal import STYLE

PAGE = Path(__file__).parents[2] / "docs" / "operate" / "command-line.md"


TEXT = PAGE.read_text("utf-8")


EXAMPLES = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("bgjobs ")
]


ID = "01890000-0000-7000-8000-000000000000"


def leaves(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Return every command with its path, and groups that are commands themselves."""
    context = click.Context(group)
    for name in group.list_commands(context):
        here, command = (*path, name), group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, here)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield here, command


COMMANDS = dict(leaves(root))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_documentation_is_accepted(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "failed.jsonl").touch()
    called: list[tuple[str, ...]] = []
    for path, command in COMMANDS.items():
        monkeypatch.setattr(command, "callback", lambda path=path, **_: called.append(path))
    shown = example.replace(" ID", f" {ID}").partition(" > ")[0]

    root.main(shlex.split(shown)[1:], standalone_mode=False)

    path = called[-1]
    assert " ".join(path) in shown


def test_every_command_has_an_example() -> None:
    named = {
        tuple(example.split()[1 : 1 + len(path)]) for path in COMMANDS for example in EXAMPLES
    }

    assert {*COMMANDS} <= named


def test_the_documented_exit_codes_are_those_of_the_help() -> None:
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODE_MEANINGS.items()]

    assert "\n".join(rows) in TEXT


FOLDER = Path(__file__).with_name("snapshots")


WIDTHS = (60, 80, 100)


CALLS = [
    "status",
    "queues",
    "audit",
    "queues pause mail",
    "queues resume mail",
    "owners",
    "doctor",
    "watch --count 1",
    "completion bash",
    "migrate status",
    "migrate up",
    "migrate validate",
    "migrate sql",
    "schedules list",
    "schedules next --count 2",
    "jobs list",
    "jobs list --failed --limit 1",
    "jobs list --succeeded",
    f"jobs show {steady.FAILED} --payload",
    f"jobs show {steady.RUNNING}",
    "jobs list --cancelled",
    f"jobs show {steady.CANCELLED}",
    f"jobs retry {steady.FAILED} {steady.WAITING} --dry-run",
    f"jobs cancel {steady.WAITING} {steady.SUCCEEDED}",
    f"jobs reschedule {steady.DELAYED} --in 5h",
    "jobs export",
    "jobs export failed.jsonl",
    "jobs import failed.jsonl --yes",
    f"jobs retry {steady.FAILED} --by Ida",
    f"jobs retry {steady.CANCELLED} --by Ida",
    f"jobs delete {steady.SUCCEEDED} {steady.RUNNING} --yes",
    "jobs prune --failed-for 0 --dry-run",
    "jobs prune --failed-for 0 --yes",
    'jobs enqueue greet --args ["Ada"]',
    "schedules trigger cleaning",
    "schedules pause cleaning",
    "schedules resume cleaning",
]


NOT_DRAWN = {("run",), ("web",)}
"""Commands that only log, or that serve."""


NOT_KEPT = ("completion bash", "migrate sql", "jobs export")
"""Output that does not depend on the width."""


VALUES = {
    "owners": (
        "owner,queue,node,since,lease left,running,default,mail,worker-7.eu-west-1.compute."
        "internal,019c2f00-50ee-7777-8,019c2f00-50ee-7777-9,2 d ago,10 h"
    ),
    "audit": "at,by,action,subject,changed,Ada,Grace,cancel_all,retry,prune,send,1,204,?,-",
    "queues": (
        "queue,state,owners,waiting,delayed,running,succeeded,failed,cancelled,default,mail,"
        "active"
    ),
    "jobs list": (
        "id,worker,state,when,error,019c2f0e-4,019c2f0e-9,greet,send,slow,purge,running,delayed,"
        "ConnectionRefusedErr,20 min ago,in 2 h,in 5 h,3 h ago"
    ),
    "schedules list": "schedule,worker,state,next,recurs,cleaning,purge,in 5 h,every 6 hours",
    "watch --count 1": (
        "queue,state,owners,waiting,delayed,running,succeeded/s,failed/s,runs by worker,"
        "last hour,failed,next run of,cleaning,in 5 h,failed job,when,error,running job,for,"
        "progress,first due job has waited 20 min"
    ),
    "status": (
        "store,/srv/shop/shop.db,schema,version,jobs,schedules,queue,succeeded,failed,cancelled"
    ),
    "doctor": "check,level,finding,versions,checkpoints,bgjobs 1.0,--worker gret",
    f"jobs show {steady.FAILED} --payload": (
        "id,worker,state,since,created,attempt,priority,crashes,interruptions,metadata tenant,"
        "metadata request,acme,at,what,error,enqueued,failed for good,payload,copies"
    ),
    "jobs list --cancelled": (
        "id,worker,when,reason,019c2f0e-a,send,60 min ago,the customer has"
    ),
    f"jobs show {steady.CANCELLED}": (
        "id,worker,state,cancelled,reason,cancelled by,Ada,at,what,queue,node,by,"
        "error or reason,mail,worker-7.eu-west-1.compute.internal,"
        "worker-8.eu-west-1.compute.internal,Grace,attempt 1 failed,attempt 1 crashed,retried"
    ),
}
"""Values that must be shown at any width."""


class Screen(io.StringIO):
    """A text stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def steady_shop(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    steady.prepare(shop)
    monkeypatch.setattr(bgjobs.SQLiteStore, "label", "SQLite /srv/shop/shop.db")
    monkeypatch.setattr(
        doctor, "versions", lambda: ["bgjobs 1.0", "anyio 4.0", "trio 0.30"] * 3
    )
    monkeypatch.setattr(doctor, "_diagnose", _diagnose)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    return shop


FINDINGS = [
    bgjobs.Finding("checkpoints", "ok", "the log of the file was written back 12 s ago"),
    bgjobs.Finding(
        "jobs",
        "problem",
        (
            "2 jobs wait for worker 'gret' since 2030-01-31 12:00:00 UTC, and no queue of the "
            "application has it (did you mean 'greet'?): cancel them with bgjobs jobs cancel "
            "--all --worker gret"
        ),
    ),
]


def _diagnose(session: object, config: object) -> list[bgjobs.Finding]:
    return FINDINGS


def shown(call: str, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the output of a call on a terminal of this width."""
    screen = Screen()
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        patch.setenv("LINES", "50")
        patch.setattr(sys, "stdout", screen)
        patch.setattr(sys, "stderr", screen)
        run_command(["--utc", *call.split()])
    return steady.steadied(steady.settled(STYLE.sub("", screen.getvalue())))


@pytest.mark.parametrize("width", WIDTHS)
def test_pictures_show_all_values_and_are_unchanged(
    width: int, steady_shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = {call: shown(call, width, monkeypatch) for call in CALLS}

    for call, values in VALUES.items():
        lines = pictures[call].splitlines()
        assert [one for one in values.split(",") if one not in pictures[call]] == [], call
        assert [line for line in lines if cell_len(line) > width] == [], call
    file = FOLDER / f"{width}.txt"
    album = "\n".join(
        f"$ bgjobs {call}\n{picture.rstrip()}\n"
        for call, picture in pictures.items()
        if call not in NOT_KEPT
    )
    if os.environ.get("BGJOBS_SNAPSHOTS") == "write":
        file.write_text(album, "utf-8")
    assert album == file.read_text("utf-8")


def test_every_command_has_a_picture() -> None:
    named: set[Any] = {
        path for path in COMMANDS for call in CALLS if tuple(call.split()[: len(path)]) == path
    }

    assert named | NOT_DRAWN == {*COMMANDS}
