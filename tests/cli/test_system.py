"""`bgjobs status`, `queues`, `owners`, `schedules`, `watch`, `doctor`, `migrate` on SQLite."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import bgjobs
from bgjobs.cli import snapshot
from bgjobs.errors import StoreUnavailableError
from tests.cli.conftest import Call

UNKNOWN_SCHEDULE = (
    "no scheduled job 'claening'; known scheduled jobs: 'cleaning', did you mean 'cleaning'?"
)


def test_the_status_shows_store_jobs_queues_and_schedules(call: Call) -> None:
    shown = call("status").out
    found = call("status", "--json").json

    assert "SQLite" in shown
    assert found["schema"]["found"] == found["schema"]["expected"]
    assert found["jobs"] == {
        "waiting": 1,
        "delayed": 2,
        "running": 0,
        "succeeded": 1,
        "failed": 2,
        "cancelled": 0,
        "unreadable": 0,
        "waiting_for_children": 0,
    }
    assert [queue["name"] for queue in found["queues"]] == ["default", "mail"]
    assert found["owners"] == 0
    assert [one["name"] for one in found["schedules"]] == ["cleaning"]


def test_a_file_gets_no_colours_whatever_the_environment_is(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")

    assert "\x1b" not in call("status").out


def test_a_queue_is_paused_and_resumed(call: Call) -> None:
    assert call("queues", "pause", "mail").out == "paused queue mail on all nodes\n"
    paused = {queue["name"]: queue["paused"] for queue in call("queues", "--json").json}
    assert call("queues", "resume", "mail").out == "resumed queue mail on all nodes\n"
    resumed = call("queues").out.splitlines()

    assert paused == {"default": False, "mail": True}
    assert [line.split()[:2] for line in resumed[1:]] == [
        ["default", "active"],
        ["mail", "active"],
    ]


def test_schedules_are_listed_paused_resumed_and_triggered(call: Call) -> None:
    [before] = call("schedules", "list", "--json").json
    assert call("schedules", "pause", "cleaning").out.startswith("paused schedule cleaning")
    [paused] = call("schedules", "list", "--json").json
    assert (
        call("schedules", "resume", "cleaning").out
        == "resumed schedule cleaning on all nodes\n"
    )
    [resumed] = call("schedules", "list", "--json").json
    triggered = call("schedules", "trigger", "cleaning", "--json").json

    assert (before["worker"], before["paused"]) == ("purge", False)
    assert (paused["paused"], paused["next"]) == (True, None)
    assert resumed["paused"] is False
    assert datetime.fromisoformat(resumed["next"]) > datetime.now(UTC)
    assert (triggered["worker"], triggered["state"]) == ("purge", "waiting")
    assert "cleaning" in call("schedules", "list").out


ADD_SCHEDULES = """
import sys, trio, bgjobs

@bgjobs.worker
async def sweep(room: str) -> None: ...

@bgjobs.worker
async def wipe() -> None: ...

async def main(*names):
    config = bgjobs.Config(store=bgjobs.SQLiteStore("shop.db"), enqueue_only=[sweep, wipe])
    for worker, request, name in (
        (sweep, sweep.request("hall"), "nightly"),
        (wipe, wipe.request(), "doubled"),
        (sweep, sweep.request("hall"), "doubled"),
    ):
        async with bgjobs.run(config) as bg:
            job = bgjobs.ScheduledJob(
                worker, bgjobs.every(days=1), name=name, request=request
            )
            await bg.add_scheduled_job(job)

trio.run(main)
"""


@pytest.fixture
def added(shop: Path) -> None:
    """Scheduled jobs that another process has added, of workers that the shop lacks."""
    subprocess.run([sys.executable, "-c", ADD_SCHEDULES], cwd=shop, check=True)


@pytest.mark.usefixtures("added")
def test_schedules_that_another_process_has_added_are_operated(call: Call) -> None:
    def nightly() -> Any:
        found = call("schedules", "list", "--json").json
        [state] = [one for one in found if one["name"] == "nightly"]
        return state

    assert nightly()["paused"] is False
    assert call("schedules", "pause", "nightly").out == "paused schedule nightly on all nodes\n"
    assert nightly()["paused"] is True
    assert (
        call("schedules", "resume", "nightly").out == "resumed schedule nightly on all nodes\n"
    )
    assert nightly()["paused"] is False
    triggered = call("schedules", "trigger", "nightly", "--json").json
    assert (triggered["worker"], triggered["state"]) == ("sweep", "waiting")
    wrong = call("schedules", "pause", "nihgtly")
    assert (wrong.code, wrong.line) == (
        2,
        (
            "no scheduled job 'nihgtly'; known scheduled jobs: 'cleaning', 'doubled', "
            "'nightly', did you mean 'nightly'?"
        ),
    )
    doubled = call("schedules", "pause", "doubled")
    assert (doubled.code, doubled.line) == (
        2,
        (
            "scheduled job 'doubled' exists for the workers sweep, wipe; use an application "
            "whose configuration has the one that you mean"
        ),
    )


def test_the_next_runs_of_a_schedule_are_shown(call: Call) -> None:
    shown = call("schedules", "next", "--count", "2").out
    found = call("schedules", "next", "cleaning", "--count", "2", "--json").json

    assert shown.startswith("cleaning: ")
    assert len(shown.splitlines()) == 3
    assert len(found["cleaning"]) == 2


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("queues pause mial", "no queue 'mial'; known queues: 'default', 'mail', did you mean"),
        ("queues resume mial", "no queue 'mial'"),
        *(
            (f"schedules {verb} claening", UNKNOWN_SCHEDULE)
            for verb in ("next", "pause", "resume", "trigger")
        ),
    ],
)
def test_a_misspelt_name_is_an_error_with_similar_names(
    command: str, found: str, call: Call
) -> None:
    answer = call(*command.split())

    assert answer.code == 2
    assert answer.line.startswith(found)


def test_there_are_no_owners_if_no_queue_runs(call: Call) -> None:
    assert call("owners", "--json").json == []
    assert call("owners").out.split()[:3] == ["owner", "queue", "node"]


def test_watch_writes_a_line_for_each_snapshot(call: Call) -> None:
    lines = call("watch", "--count", "2", "--interval", "0.1").out.splitlines()
    documents = call("watch", "--count", "1", "--json").out.splitlines()

    assert [line.count("? succeeded/s") for line in lines] == [1, 0]
    assert "2 failed, 0 cancelled; 0.0 succeeded/s, 0.0 failed/s" in lines[1]
    [document] = map(json.loads, documents)
    assert document["jobs"]["failed"] == len(document["failed"]) == 2
    assert [one["worker"] for one in document["last_hour"]] == ["greet", "send"]


def test_watch_reads_the_first_due_job_and_the_next_scheduled_runs(call: Call) -> None:
    [waited] = call("watch", "--count", "1").out.splitlines()
    before = json.loads(call("watch", "--count", "1", "--json").out)
    call("schedules", "pause", "cleaning")
    call("jobs", "cancel", "--all", "--worker", "greet", "--yes")
    after = json.loads(call("watch", "--count", "1", "--json").out)

    assert "; first due job has waited " in waited
    assert before["waiting_for"] > 0
    assert [one["name"] for one in before["next_runs"]] == ["cleaning"]
    assert (after["waiting_for"], after["next_runs"]) == (None, [])


def test_watch_continues_while_the_store_is_unreachable(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_snapshot = snapshot.take_snapshot
    outages = iter([True, False])

    async def fail_once(client: bgjobs.Client, config: bgjobs.Config) -> snapshot.Snapshot:
        if next(outages):
            raise StoreUnavailableError("no route")
        return await take_snapshot(client, config)

    monkeypatch.setattr(snapshot, "take_snapshot", fail_once)
    answer = call("watch", "--count", "2", "--interval", "0.1")

    away, found = answer.out.splitlines()
    assert (answer.code, answer.err) == (0, "")
    assert re.search(
        r": the store has been unreachable since .{10,} \(0\.\d s\): no route$", away
    )
    assert "2 failed" in found


def test_the_doctor_finds_no_problem_in_a_healthy_store(call: Call) -> None:
    answer = call("doctor", "--json")

    levels = {finding["check"]: finding["level"] for finding in answer.json}
    assert answer.code == 0
    assert {"versions", "lease"} <= set(levels)
    assert "problem" not in levels.values()
    assert "Python" in call("doctor").out


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 51, 2)])
def test_the_doctor_explains_how_a_bug_of_sqlite_is_avoided(
    version: tuple[int, int, int], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no problem unless another program uses the file."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)

    [found] = [one for one in call("doctor", "--json").json if one["check"] == "SQLite library"]

    assert found["level"] == "ok"
    assert found["text"].startswith(".".join(map(str, version)))
    assert "bgjobs does not let that happen" in found["text"]
    assert "'pragma wal_autocheckpoint = 0'" in found["text"]


def test_the_doctor_reports_that_the_shared_memory_file_was_removed(call: Call) -> None:
    store = bgjobs.SQLiteStore("shop.db")
    store.open()
    store.count()
    Path("shop.db-shm").unlink()

    answer = call("doctor", "--json")

    assert answer.code == 1
    assert answer.json[-1]["level"] == "problem"
    assert (
        "shop.db-shm was removed or replaced while other processes" in answer.json[-1]["text"]
    )
    assert not Path("shop.db-shm").exists(), "doctor must not create another one"
    store.close()


def test_the_doctor_reports_an_error_that_other_commands_fail_with(call: Call) -> None:
    Path("shop.db").unlink()

    answer = call("doctor", "--json")

    assert answer.code == 1
    assert answer.json[-1]["level"] == "problem"
    assert answer.json[-1]["text"].endswith("run bgjobs migrate up")


def test_unhandled_jobs_are_reported(shop: Path, call: Call) -> None:
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute("update bgjobs_jobs set name = 'gret' where name = 'greet'")
    answer = call("doctor", "--json")

    found = [one for one in answer.json if one["check"] == "jobs"]
    assert answer.code == 1
    assert [one["level"] for one in found] == ["problem"]
    assert found[0]["text"].startswith("2 jobs wait for worker 'gret' since 20")
    assert "no queue of the application has it (did you mean 'greet'?)" in found[0]["text"]
    assert "bgjobs jobs cancel --all --worker gret" in found[0]["text"]
    assert "unhandled  2 of gret: see bgjobs doctor" in call("status").out
    [unhandled] = call("status", "--json").json["unhandled"]
    assert (unhandled["worker"], unhandled["waiting"], unhandled["queues"]) == ("gret", 2, [])
    assert "; unhandled: 2 of gret" in call("watch", "--count", "1").out
    [line] = call("watch", "--count", "1", "--json").out.splitlines()
    assert [one["worker"] for one in json.loads(line)["unhandled"]] == ["gret"]
    call("jobs", "cancel", "--all", "--worker", "gret", "--yes")
    assert call("doctor").code == 0
    assert "of gret" not in call("status").out + call("watch", "--count", "1").out


def test_schedules_of_other_applications_are_marked(shop: Path, call: Call) -> None:
    (shop / "mail.py").write_text(
        "from attrs import evolve\nimport shop\n"
        "config = evolve(shop.config, scheduled_jobs=[])\n",
        "utf-8",
    )
    [mine] = call("schedules", "list", "--json").json
    [theirs] = call("--app", "mail:config", "schedules", "list", "--json").json

    assert mine["configured"]
    assert theirs == {**mine, "configured": False}
    shown = call("--app", "mail:config", "schedules", "list").out
    assert "waiting, not configured here" in shown
    assert "schedules  1" in call("--app", "mail:config", "status").out


def test_up_applies_pending_migrations(shop: Path, call: Call) -> None:
    (shop / "shop.db").unlink()

    before = call("migrate", "status", "--json")
    first = call("migrate", "up", "--json")
    second = call("migrate", "up")
    after = call("migrate", "status")

    assert before.code == 5
    assert before.json["pending"] == first.json["applied"]
    assert first.json["applied"][0] == "0001_jobs"
    assert second.out == after.out == "the schema is up to date\n"
    assert (first.code, second.code, after.code) == (0, 0, 0)


def test_status_lists_pending_migrations(shop: Path, call: Call) -> None:
    (shop / "shop.db").unlink()

    answer = call("migrate", "status")

    assert answer.code == 5
    assert answer.out.startswith("pending 0001_jobs\n")
    assert answer.out.endswith("run bgjobs migrate up\n")


def test_sql_prints_statements_that_a_database_accepts(shop: Path, call: Call) -> None:
    (shop / "shop.db").unlink()

    printed = call("migrate", "sql").out

    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(printed)
        tables = connection.execute("select name from sqlite_schema").fetchall()
    assert ("bgjobs_jobs",) in tables
    assert call("migrate", "sql", "--json").json[0]["name"] == "0001_jobs"


def test_sql_notes_that_there_is_nothing_to_do(call: Call) -> None:
    answer = call("migrate", "sql")

    assert (answer.code, answer.out) == (0, "")
    assert answer.err == "-- nothing to do: the schema is up to date\n"
    assert call("migrate", "sql", "--json").json == []


def test_there_is_nothing_to_validate_on_sqlite(call: Call) -> None:
    nothing = "nothing to validate on SQLite: the migration has checked all rows"

    answer = call("migrate", "validate")

    assert (answer.code, answer.out, answer.err) == (0, f"{nothing}\n", "")
    found = call("migrate", "validate", "--json").json
    assert found == {"validated": {}, "remark": nothing}


def test_without_a_schema_the_error_says_what_to_do(shop: Path, call: Call) -> None:
    (shop / "shop.db").unlink()

    answer = call("jobs", "list")

    assert answer.code == 5
    assert answer.line.endswith("found none; run bgjobs migrate up")


def test_a_newer_schema_is_refused(shop: Path, call: Call) -> None:
    with closing(sqlite3.connect(shop / "shop.db")) as connection:
        connection.execute("insert into bgjobs_migrations values (99, '0099_later', 0)")
        connection.commit()

    for command in ("migrate up", "migrate status", "migrate sql", "status"):
        answer = call(*command.split())
        assert answer.code == 5, command
        assert answer.line.endswith("a newer version of bgjobs created it: upgrade this one")
