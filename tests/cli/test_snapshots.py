"""Pictures of what every command shows at 60, 80 and 100 columns; none of them loses anything.

`BGJOBS_SNAPSHOTS=write pytest tests/cli/test_snapshots.py` draws them anew.
"""

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

import bgjobs
from bgjobs.cli.commands import doctor
from bgjobs.cli.root import run_command
from tests.cli import steady
from tests.cli.terminal import STYLE
from tests.cli.test_page import COMMANDS

FOLDER = Path(__file__).with_name("snapshots")
WIDTHS = (60, 80, 100)
CALLS = [
    "status",
    "queues",
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
    f"jobs retry {steady.FAILED} {steady.WAITING} --dry-run",
    f"jobs cancel {steady.WAITING} {steady.SUCCEEDED}",
    f"jobs reschedule {steady.DELAYED} --in 5h",
    "jobs export",
    "jobs export failed.jsonl",
    "jobs import failed.jsonl --yes",
    f"jobs retry {steady.FAILED}",
    f"jobs delete {steady.SUCCEEDED} {steady.RUNNING} --yes",
    "jobs prune --failed-for 0 --dry-run",
    "jobs prune --failed-for 0 --yes",
    'jobs enqueue greet --args ["Ada"]',
    "schedules trigger cleaning",
    "schedules pause cleaning",
    "schedules resume cleaning",
]
NOT_DRAWN = {("run",)}
"""It logs, line by line."""
NOT_KEPT = ("completion bash", "migrate sql", "jobs export")
"""These are data, whatever the width."""
VALUES = {
    "owners": (
        "owner,queue,node,since,lease left,running,default,mail,worker-7.eu-west-1.compute."
        "internal,019c2f00-50ee-7777-8,019c2f00-50ee-7777-9,2 d ago,10 h"
    ),
    "queues": "queue,state,owners,waiting,delayed,running,succeeded,failed,default,mail,active",
    "jobs list": (
        "id,worker,state,when,error,019c2f0e-4,019c2f0e-9,greet,send,slow,purge,running,delayed,"
        "ConnectionRefusedErr,20 min ago,in 2 h,in 5 h,3 h ago"
    ),
    "schedules list": "schedule,worker,state,next,recurs,cleaning,purge,in 5 h,every 6 hours",
    "watch --count 1": (
        "queue,state,owners,waiting,delayed,running,succeeded/s,failed/s,running job,worker,"
        "for,attempts,id,when,error,019c2f0f-3,019c2f0e-4"
    ),
    "status": "store,/srv/shop/shop.db,schema,version,jobs,schedules,queue,succeeded,failed",
    "doctor": "check,level,finding,versions,checkpoints,bgjobs 1.0,--worker gret",
    f"jobs show {steady.FAILED} --payload": (
        "id,worker,state,since,created,attempts,priority,crashes,interruptions,metadata tenant,"
        "metadata request,acme,at,what,error,enqueued,failed for good,payload,copies"
    ),
}
"""What has to be there at any width."""


class Screen(io.StringIO):
    """A terminal, as far as a program can tell."""

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
    """Return what a call writes to a terminal of this width."""
    screen = Screen()
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        patch.setattr(sys, "stdout", screen)
        patch.setattr(sys, "stderr", screen)
        run_command(["--utc", *call.split()])
    return steady.steadied(steady.settled(STYLE.sub("", screen.getvalue())))


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_lost_and_all_looks_as_it_did(
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


def test_every_command_is_drawn() -> None:
    named: set[Any] = {
        path for path in COMMANDS for call in CALLS if tuple(call.split()[: len(path)]) == path
    }

    assert named | NOT_DRAWN == {*COMMANDS}
