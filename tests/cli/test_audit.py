"""`bgjobs audit`, and who is recorded by the commands that change something."""

import getpass
import shlex

import pytest

from tests.cli.conftest import Call, ids


def entries(call: Call, *options: str) -> list[list[object]]:
    found = call("audit", "--json", *options).json
    return [[one["by"], one["action"], one["subject"], one["changed"]] for one in found]


def test_every_command_that_changes_something_records_who_did_it(call: Call) -> None:
    failed, other = ids(call, "--failed")
    [waiting], [delayed] = ids(call, "--waiting"), ids(call, "--delayed", "--worker", "greet")
    expected = {
        f"jobs reschedule {delayed} --in 5h --priority 3": [
            ("change_priority", delayed, 1),
            ("reschedule", delayed, 1),
        ],
        f"jobs cancel {waiting}": [("cancel", waiting, 1)],
        "jobs cancel --all --worker greet --yes": [
            ("cancel_all", "greet", 0),
            ("cancel_all", "greet", 1),
        ],
        "jobs export failed.jsonl --worker send": [("export_failed", "send", 2)],
        f"jobs retry {failed}": [("retry", failed, 1)],
        "jobs retry --all --worker send --yes": [("retry_all", "send", 1)],
        f"jobs delete {failed} {other} --yes": [("delete", f"{failed}, {other}", 2)],
        "jobs import failed.jsonl --yes": [("import_failed", "lines", 2)],
        "jobs prune --failed-for 0 --worker send --yes": [("prune", "send", 2)],
        "jobs prune --succeeded-for 0 --yes": [("prune", "all", 1)],
        "queues pause mail": [("pause_queue", "mail", 1)],
        "queues resume mail": [("resume_queue", "mail", 1)],
        "schedules trigger cleaning": [("trigger_schedule", "cleaning", 1)],
        "schedules pause cleaning": [("pause_schedule", "cleaning", 1)],
        "schedules resume cleaning": [("resume_schedule", "cleaning", 1)],
    }
    for command, recorded in expected.items():
        seen = len(entries(call))
        assert call(*shlex.split(command), "--by", "Ada").code == 0, command
        new = entries(call)[: len(recorded)]
        assert new == [["Ada", *one] for one in recorded], command
        assert len(entries(call)) == seen + len(recorded), command


def test_the_user_is_recorded_by_default(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "grace")
    call("queues", "pause", "mail")

    def nameless() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    call("queues", "resume", "mail")

    assert [one[:2] for one in entries(call)] == [
        [None, "resume_queue"],
        ["grace", "pause_queue"],
    ]


def test_a_dry_run_and_a_refused_command_record_nothing(call: Call) -> None:
    [failed, _] = ids(call, "--failed")
    call("jobs", "retry", failed, "--dry-run")
    call("jobs", "retry", "--all", "--dry-run")
    call("jobs", "prune", "--failed-for", "0", "--dry-run")
    assert call("queues", "pause", "mial").code == 2
    assert call("queues", "pause", "mail", "--by", " ").code == 2

    assert entries(call) == []


def test_entries_are_limited_and_selected(call: Call) -> None:
    for name in ("Ada", "Grace"):
        call("queues", "pause", "mail", "--by", name)
        call("queues", "resume", "mail", "--by", name)

    assert [one[1] for one in entries(call, "--limit", "1")] == ["resume_queue"]
    assert [one[1] for one in entries(call, "--author", "Ada")] == [
        "resume_queue",
        "pause_queue",
    ]
    assert [one[0] for one in entries(call, "--action", "pause_queue")] == ["Grace", "Ada"]
    assert call("audit", "--limit", "0").code == 2
