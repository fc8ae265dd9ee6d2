"""`bgjobs jobs`, over a real SQLite file."""

import io
import json
import re
import sqlite3
import sys
import time
from collections.abc import Generator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bgjobs.cli.options import job_id, list_position
from tests.cli.conftest import Call
from tests.cli.test_page import COMMANDS

TAKING_IDS = [
    *("show", "retry", "cancel", "delete", "reschedule --in 1h"),
    "list --failed --after",
]
NOBODY = "01890000-0000-7000-8000-000000000000"


def ids(call: Call, *options: str) -> list[str]:
    """Give the ids that a list has."""
    return [job["id"] for job in call("jobs", "list", *options, "--json").json]


def test_two_commands_tell_why_a_job_failed_and_run_it_again(call: Call) -> None:
    listed = call("jobs", "list", "--failed")
    lines = listed.out.splitlines()
    job = lines[1].split()[0]

    retried = call("jobs", "retry", job)

    assert listed.code == retried.code == 0
    assert lines[1].rstrip().endswith("ValueError: no such \\x1b[31m mail box, attempt 0")
    assert retried.out == f"retried {job}\n"
    assert job in ids(call, "--waiting")
    assert job not in ids(call, "--failed")


def test_the_list_shows_all_but_what_succeeded(call: Call) -> None:
    found = call("jobs", "list", "--json").json

    states = [job["state"] for job in found]
    assert sorted(states) == ["delayed", "delayed", "failed", "failed", "waiting"]
    assert {job["worker"] for job in found} == {"send", "greet", "purge"}
    assert len(ids(call, "--succeeded", "--failed")) == 3


def test_a_list_can_be_chosen_from_and_has_pages(call: Call) -> None:
    assert len(ids(call, "--worker", "greet")) == 2
    assert len(ids(call, "--search", "mail box")) == 2
    assert len(ids(call, "--search", "box ma*")) == 2
    assert ids(call, "--search", "letter") == []
    first, second = ids(call, "--failed")
    page = call("jobs", "list", "--failed", "--limit", "1")
    assert page.err == f"more failed jobs: --failed --after {first}\n"
    assert ids(call, "--failed", "--after", first) == [second]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--search x --waiting", "--search looks in the errors of failed jobs"),
        ("--search *", "search: expected a word of letters or digits, found '*'"),
        ("--search !!!", "search: expected a word of letters or digits, found '!!!'"),
        (f"--after {NOBODY}", "--after continues the list of one state"),
        (
            "--worker gret",
            (
                "no worker 'gret'; known workers: 'greet', 'purge', 'send', 'slow', "
                "did you mean 'greet'?"
            ),
        ),
    ],
)
def test_a_list_that_cannot_be_is_refused(options: str, told: str, call: Call) -> None:
    answer = call("jobs", "list", *options.split())

    assert answer.code == 2
    assert answer.line.startswith(told)


def test_an_empty_list_says_so(call: Call) -> None:
    answer = call("jobs", "list", "--running")

    assert (answer.code, answer.out, answer.err) == (0, "", "no job is running\n")


def test_a_job_is_shown_with_its_story_and_its_payload_only_when_asked(call: Call) -> None:
    job = ids(call, "--failed")[0]

    shown = call("jobs", "show", job)
    with_payload = call("jobs", "show", job, "--payload")
    as_json = call("jobs", "show", job, "--json").json
    payload = call("jobs", "show", job, "--payload", "--json").json["payload"]

    assert "Traceback" in shown.out
    assert "secret" not in shown.out + json.dumps(as_json)
    assert "secret" in with_payload.out
    assert payload["mail"]["to"] == "secret"
    assert len(as_json["story"]) >= 2
    assert as_json["error"].startswith("ValueError: no such")


@pytest.fixture
def in_nepal(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """The time zone of this machine is a quarter of an hour beside all others."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "NPT-5:45")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_nepal")
def test_people_see_local_time_or_utc(call: Call) -> None:
    job = ids(call, "--failed")[0]

    local, utc = (call(*options, "jobs", "show", job).out for options in ([], ["--utc"]))

    created = r"created +([\d-]{10} [\d:]{8}) (\w+)"
    [(there, npt)], [(here, zone)] = re.findall(created, local), re.findall(created, utc)
    ahead = datetime.fromisoformat(there) - datetime.fromisoformat(here)
    assert (npt, zone, ahead) == ("NPT", "UTC", timedelta(hours=5, minutes=45))


@pytest.mark.parametrize(
    "command", ["show", "retry", "cancel", "retry --dry-run", "reschedule --in 1h"]
)
def test_a_job_that_does_not_exist_is_told(command: str, call: Call) -> None:
    answer = call("jobs", *command.split(), NOBODY)

    assert answer.code == 3
    assert NOBODY in answer.line


def test_what_cannot_be_retried_is_refused_and_the_rest_done(call: Call) -> None:
    waiting = ids(call, "--waiting")[0]
    failed = ids(call, "--failed")[0]

    tried = call("jobs", "retry", failed, waiting, "--dry-run")
    answer = call("jobs", "retry", failed, waiting)

    assert tried.out == f"would change {failed}: failed\nwould refuse {waiting}: waiting\n"
    assert answer.code == 1
    assert answer.out == f"retried {failed}\n"
    assert answer.err == f"refused {waiting}: it is waiting\n"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("retry", "expected ids, or --all; found neither"),
        (f"retry {NOBODY} --all", "expected ids, or --all; found both"),
        (f"retry {NOBODY} --worker send", "the options that select jobs go with --all"),
        ("cancel", "expected ids, or --all; found neither"),
        ("retry --all", "there is no terminal to ask on: add --yes"),
        ("cancel --all", "there is no terminal to ask on: add --yes"),
        ("prune --failed-for 0", "there is no terminal to ask on: add --yes"),
        ("retry --all --worker sned", "no worker 'sned'; known workers: "),
        ("cancel --all --worker sned --yes", "no worker 'sned'; known workers: "),
        ("export --worker sned", "no worker 'sned'; known workers: "),
        ("enqueue gret", "no worker 'gret'; known workers: "),
        (f"reschedule {NOBODY}", "expected --in, --at or --priority, found none of them"),
        (
            f"reschedule {NOBODY} --in 1h --at 2030-01-01T00:00Z",
            "expected --in or --at, found both",
        ),
        ("enqueue greet --in 1h --at 2030-01-01T00:00Z", "expected --in or --at, found both"),
        ("import no.jsonl", "jobs import: invalid value for 'FILE': 'no.jsonl'"),
    ],
)
def test_a_change_that_cannot_be_is_refused(command: str, told: str, call: Call) -> None:
    before = call("jobs", "list", "--json").out

    answer = call("jobs", *command.split())

    assert answer.code == 2
    assert answer.line.startswith(told)
    assert call("jobs", "list", "--json").out == before


def test_all_failed_jobs_are_retried(call: Call) -> None:
    tried = call("jobs", "retry", "--all", "--dry-run")
    chosen = call("jobs", "retry", "--all", "--search", "attempt", "--dry-run", "--json")
    none = call("jobs", "retry", "--all", "--before", "2020-01-01T00:00Z", "--dry-run")
    early = call("jobs", "retry", "--all", "--before", "2020-01-01T00:00Z", "--yes")
    answer = call("jobs", "retry", "--all", "--yes")

    assert tried.out == "would retry 2 failed jobs\n"
    assert chosen.json == {"would_retry": 2, "is_exact": True}
    assert none.out == "would retry 0 failed jobs\n"
    assert early.out == "retried 0\n"
    assert answer.out == "retried 2\n"
    assert ids(call, "--failed") == []
    assert call("jobs", "retry", "--all", "--json").json == {"retried": 0, "refused": []}


def test_waiting_jobs_are_cancelled_with_a_reason(call: Call) -> None:
    [job] = ids(call, "--waiting")

    answer = call("jobs", "cancel", job, "--reason", "not today", "--json")

    assert answer.json == {"cancelled": [job], "asked": [], "refused": []}
    assert call("jobs", "show", job, "--json").json["error"] == "Cancelled: not today"
    assert call("jobs", "cancel", "--all", "--worker", "greet", "--yes").out == "cancelled 1\n"
    assert ids(call, "--worker", "greet", "--delayed", "--waiting") == []


def test_the_next_run_of_a_schedule_is_left_to_its_schedule(call: Call) -> None:
    [planned] = ids(call, "--worker", "purge")

    answer = call("jobs", "reschedule", "--in", "0", planned)

    assert answer.code == 1
    assert answer.err == (
        f"refused {planned}: schedule cleaning has planned it: "
        "pause or trigger the schedule instead\n"
    )
    assert call("jobs", "cancel", "--all", "--yes").out == "cancelled 2\n"
    assert ids(call, "--worker", "purge", "--delayed") == [planned]
    assert call("jobs", "cancel", planned).out == f"cancelled {planned}\n"


def test_a_job_is_enqueued_with_arguments_of_the_workers_types(call: Call) -> None:
    arguments = ("--kwargs", '{"mail": {"to": "a@b", "copies": 2}}')

    job = call("jobs", "enqueue", "send", *arguments, "--priority", "5", "--json").json

    assert (job["state"], job["priority"]) == ("waiting", 5)
    shown = call("jobs", "show", job["id"], "--payload", "--json").json
    assert shown["payload"] == {"mail": {"to": "a@b", "copies": 2}}


def test_a_job_can_be_enqueued_for_later_and_once(call: Call) -> None:
    later = call("jobs", "enqueue", "greet", "--args", '["Ada"]', "--in", "1h", "--json").json

    assert later["id"] in ids(call, "--delayed")
    assert (later["state"], later["is_new"]) == ("delayed", True)


def test_a_job_whose_key_is_taken_is_not_told_as_enqueued(call: Call) -> None:
    unique = ("jobs", "enqueue", "greet", "--args", '["Ada"]', "--unique", "ada")
    first, second, third = call(*unique), call(*unique), call(*unique, "--in", "1h", "--json")

    job = first.out.removeprefix("enqueued ").rstrip()
    assert (second.code, second.out) == (
        0,
        f"nothing was enqueued: job {job} has this key\n",
    )
    found = third.json
    assert (found["id"], found["is_new"], found["state"]) == (job, False, "waiting")


def test_a_time_may_be_said_with_its_zone(call: Call) -> None:
    job = call(
        *("jobs", "enqueue", "greet", "--args", '["Ada"]', "--at", "2090-01-01T01:00+01:00"),
        "--json",
    ).json
    moved = call("jobs", "reschedule", job["id"], "--at", "2091-01-01T00:00Z")

    assert (job["state"], job["available_at"]) == ("delayed", "2090-01-01T00:00:00Z")
    assert moved.code == 0
    shown = call("jobs", "show", job["id"], "--json").json
    assert shown["available_at"] == "2091-01-01T00:00:00Z"


def test_arguments_are_read_from_stdin(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"name": "Ada"}'))

    job = call("jobs", "enqueue", "greet", "--kwargs", "-", "--json").json

    shown = call("jobs", "show", job["id"], "--payload", "--json").json
    assert shown["payload"]["name"] == "Ada"


@pytest.mark.parametrize(
    ("worker", "arguments", "told"),
    [
        (
            "greet",
            {"--args": "lambda name: name"},
            (
                "--args: expected a JSON array such as '[\"Ada\", 3]', "
                "found no JSON at character 1"
            ),
        ),
        (
            "greet",
            {"--kwargs": "{'name': 'Ada'}"},
            (
                '--kwargs: expected a JSON object such as \'{"name": "Ada"}\', '
                "found no JSON at character 2"
            ),
        ),
        (
            "greet",
            {"--args": '{"name": "Ada"}'},
            "--args: expected a JSON array such as '[\"Ada\", 3]', found an object",
        ),
        (
            "greet",
            {},
            (
                "worker 'greet': missing a required argument: 'name'; "
                "it takes (name: str, times: int = 1)"
            ),
        ),
        (
            "greet",
            {"--kwargs": '{"nmae": "Ada"}'},
            (
                "worker 'greet': missing a required argument: 'name'; "
                "it takes (name: str, times: int = 1)"
            ),
        ),
        (
            "greet",
            {"--args": '["Ada", "often"]'},
            "payload of worker 'greet': times: expected int, found str",
        ),
        (
            "send",
            {"--kwargs": '{"mail": {"too": "a@b"}}'},
            (
                "payload of worker 'send': mail: missing field 'to'; "
                "mail: found 1 unexpected field, expected only 'to', 'copies'"
            ),
        ),
        (
            "greet",
            {"--args": '["Ada"]', "--priority": "99999"},
            "jobs enqueue: invalid value for '--priority'",
        ),
        ("greet", {"--args": '["Ada"]', "--unique": ""}, "unique key: expected 1 to"),
        ("greet", {"--args": "[NaN]"}, "payload of worker 'greet': expected JSON, found NaN"),
    ],
)
def test_arguments_that_do_not_fit_are_told(
    worker: str, arguments: dict[str, str], told: str, call: Call
) -> None:
    options = [part for pair in arguments.items() for part in pair]

    answer = call("jobs", "enqueue", worker, *options)

    assert answer.code == 2
    assert answer.line.startswith(told)


def test_waiting_jobs_are_rescheduled(call: Call) -> None:
    [delayed] = ids(call, "--delayed", "--worker", "greet")
    failed = ids(call, "--failed")[0]

    answer = call("jobs", "reschedule", delayed, failed, "--in", "0", "--priority", "7")

    assert answer.code == 1
    assert answer.out == f"changed {delayed}\n"
    assert answer.err == f"refused {failed}: it has failed\n"
    assert call("jobs", "show", delayed, "--json").json["priority"] == 7
    assert delayed in ids(call, "--waiting")


def test_ended_jobs_are_pruned(call: Call) -> None:
    kept = call("jobs", "prune", "--dry-run")
    tried = call("jobs", "prune", "--failed-for", "0", "--dry-run", "--json")
    answer = call("jobs", "prune", "--failed-for", "0", "--yes")

    assert kept.out == "would delete 0 ended jobs\n"
    assert tried.json == {"would_delete": 2, "is_exact": True}
    assert answer.out == "deleted 2\n"
    assert ids(call, "--failed") == []
    assert len(ids(call, "--succeeded")) == 1


def test_failed_jobs_go_out_as_lines_and_come_back(shop: Path, call: Call) -> None:
    before = call("jobs", "list", "--failed", "--json").json

    exported = call("jobs", "export", "failed.jsonl")
    again = call("jobs", "export", "failed.jsonl")
    call("jobs", "prune", "--failed-for", "0", "--yes")
    tried = call("jobs", "import", "failed.jsonl", "--dry-run")
    imported = call("jobs", "import", "failed.jsonl", "--yes")
    skipped = call("jobs", "import", "failed.jsonl", "--yes", "--json")

    assert exported.err == "exported 2 to failed.jsonl\n"
    assert (again.code, again.line) == (
        2,
        "failed.jsonl: the file exists; add --force to replace it",
    )
    assert call("jobs", "export", "failed.jsonl", "--force").code == 0
    assert tried.out == "would import up to 2 failed jobs\n"
    assert imported.out == "imported 2, skipped 0\n"
    assert skipped.json == {"imported": 0, "skipped": 2, "refused": 0, "errors": []}
    assert call("jobs", "list", "--failed", "--json").json == before
    assert call("jobs", "export").out == (shop / "failed.jsonl").read_text("utf-8")


def test_a_line_that_is_no_job_is_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}\n"), "utf-8"))

    answer = call("jobs", "import", "-", "--yes")

    assert answer.code != 0
    assert "line 1" in answer.line


def test_refused_lines_are_named_and_the_rest_is_imported(shop: Path, call: Call) -> None:
    call("jobs", "export", "failed.jsonl")
    first, second = (shop / "failed.jsonl").read_bytes().splitlines()
    long = b"x" * (2**23 + 5)
    lines = [first, b"no json", b"", second.replace(b'"send"', b'"se\xffnd"'), long, second]
    (shop / "some.jsonl").write_bytes(b"\n".join(lines))
    call("jobs", "prune", "--failed-for", "0", "--yes")

    stopped = call("jobs", "import", "some.jsonl", "--yes")
    answer = call("jobs", "import", "some.jsonl", "--yes", "--skip-bad")
    again = call("jobs", "import", "some.jsonl", "--yes", "--skip-bad", "--json")

    problems = [
        (2, "expected a JSON object, found something else"),
        (4, "name: expected text without NUL and lone surrogates, found one"),
        (5, "expected at most 4,194,304 characters, found more"),
    ]
    assert (stopped.code, stopped.line) == (1, f"line 2: {problems[0][1]}")
    assert (answer.code, answer.out) == (1, "imported 2, skipped 0, refused 3\n")
    assert answer.err.splitlines() == [f"line {number}: {why}" for number, why in problems]
    assert again.code == 1
    assert again.json == {
        "imported": 0,
        "skipped": 2,
        "refused": 3,
        "errors": [{"line": number, "reason": why} for number, why in problems],
    }


def test_of_many_refused_lines_some_are_named_and_all_are_counted(
    shop: Path, call: Call
) -> None:
    (shop / "some.jsonl").write_text("no json\n" * 130, "utf-8")
    answer = call("jobs", "import", "some.jsonl", "--yes", "--skip-bad")
    assert answer.out == "imported 0, skipped 0, refused 130\n"
    told = answer.err.splitlines()
    assert told[19].startswith("line 20: ")
    assert told[20:] == ["refused 110 more"]
    as_json = call("jobs", "import", "some.jsonl", "--yes", "--skip-bad", "--json").json
    assert (as_json["refused"], len(as_json["errors"])) == (130, 100)


def refuse(shop: Path, table: str, job: str, verb: str = "insert", row: str = "new") -> None:
    """Make the database refuse one row."""
    with closing(sqlite3.connect(shop / "shop.db")) as connection:
        connection.execute(
            f"create trigger odd before {verb} on bgjobs_{table} "
            f"when {row}.id = '{job}' begin select raise(abort, 'odd row'); end"
        )
        connection.commit()


def test_a_job_that_the_database_does_not_let_run_again_is_named(
    shop: Path, call: Call
) -> None:
    odd, other = ids(call, "--failed")
    refuse(shop, "jobs", odd)

    answer = call("jobs", "retry", "--all", "--yes")
    as_json = call("jobs", "retry", "--all", "--yes", "--json")
    alone = call("jobs", "retry", odd)

    assert (answer.code, answer.out) == (1, "retried 1\n")
    assert answer.line.startswith(f"refused {odd}: ")
    assert "odd row" in answer.line
    assert (as_json.code, as_json.json) == (1, {"retried": 0, "refused": [odd]})
    assert alone.code == 1
    assert "odd row" in alone.line
    assert other in ids(call, "--waiting")


def test_a_job_that_the_database_does_not_let_be_cancelled_is_named(
    shop: Path, call: Call
) -> None:
    [odd] = ids(call, "--waiting")
    [other] = ids(call, "--delayed", "--worker", "greet")
    refuse(shop, "jobs_failed", odd)

    alone = call("jobs", "cancel", odd, other, "--json")
    answer = call("jobs", "cancel", "--all", "--yes", "--json")

    assert (alone.code, alone.json) == (
        1,
        {"cancelled": [other], "asked": [], "refused": [odd]},
    )
    assert "odd row" in alone.line
    assert (answer.code, answer.json) == (1, {"cancelled": 0, "refused": [odd]})
    assert "odd row" in answer.line


def test_a_job_that_the_database_does_not_let_be_deleted_is_named(
    shop: Path, call: Call
) -> None:
    odd, other = ids(call, "--failed")
    refuse(shop, "jobs_failed", odd, "delete", "old")

    answer = call("jobs", "prune", "--failed-for", "0", "--yes")
    as_json = call("jobs", "prune", "--failed-for", "0", "--yes", "--json")

    assert (answer.code, answer.out) == (1, "deleted 1\n")
    assert answer.line.startswith(f"refused {odd}: ")
    assert "odd row" in answer.line
    assert (as_json.code, as_json.json) == (1, {"deleted": 0, "refused": [odd]})
    assert other not in ids(call, "--failed")


def beginnings(call: Call) -> tuple[str, str, str]:
    """The whole id of a waiting job, the shortest beginning of it alone, and a shared one."""
    [job] = ids(call, "--waiting")
    others = [one for one in ids(call, "--failed", "--succeeded", "--delayed") if one != job]
    alone = next(job[:size] for size in range(4, 37) if not _begins_any(job[:size], others))
    shared = next(job[:size] for size in range(36, 3, -1) if _begins_any(job[:size], others))
    return job, alone, shared


def _begins_any(beginning: str, others: list[str]) -> bool:
    return any(one.startswith(beginning) for one in others)


def test_the_beginning_of_an_id_will_do(call: Call) -> None:
    job, alone, _ = beginnings(call)

    assert call("jobs", "show", alone, "--json").json["id"] == job
    assert call("jobs", "show", alone.upper().replace("-", ""), "--json").json["id"] == job
    assert call("jobs", "reschedule", alone, "--in", "2h").out == f"changed {job}\n"
    assert call("jobs", "cancel", alone, "--dry-run").out == f"would change {job}: delayed\n"
    assert call("jobs", "cancel", alone).out == f"cancelled {job}\n"
    assert call("jobs", "retry", alone).out == f"retried {job}\n"
    assert call("jobs", "list", "--waiting", "--after", alone, "--json").json == []


@pytest.mark.parametrize(
    "command",
    TAKING_IDS,
)
def test_a_beginning_that_several_ids_share_changes_nothing(command: str, call: Call) -> None:
    _, _, shared = beginnings(call)
    before = call("jobs", "list", "--json").json

    answer = call("jobs", *command.split(), shared)

    assert answer.code == 2
    assert answer.line.startswith(
        f"several jobs have an id that begins with '{shared}': {shared}"
    )
    assert call("jobs", "list", "--json").json == before


def test_every_command_that_takes_an_id_takes_its_beginning() -> None:
    """What is tested with beginnings above are all that there are."""
    taking = {
        path[-1]
        for path, command in COMMANDS.items()
        if any(
            getattr(one.type, "func", None) in (job_id, list_position) for one in command.params
        )
    }

    assert taking == {command.split()[0] for command in TAKING_IDS}


@pytest.mark.parametrize("command", ["show", "retry", "cancel", "delete", "reschedule --in 1h"])
def test_a_beginning_that_no_id_has_is_an_unknown_job(command: str, call: Call) -> None:
    answer = call("jobs", *command.split(), "0000-00")

    assert (answer.code, answer.line) == (3, "no job has an id that begins with '0000-00'")
