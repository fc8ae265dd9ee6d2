"""`bgjobs jobs list` and `show`, ids and their prefixes, and rows that are no jobs."""

import json
import re
import sqlite3
import time
from collections.abc import Generator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bgjobs.cli.options import job_id, list_position
from tests.cli.conftest import Answer, Call, ids
from tests.cli.test_commands import COMMANDS

TAKING_IDS = [
    *("show", "retry", "cancel", "delete", "reschedule --in 1h"),
    "list --failed --after",
]


UNKNOWN = "01890000-0000-7000-8000-000000000000"


def test_two_commands_show_why_a_job_failed_and_retry_it(call: Call) -> None:
    listed = call("jobs", "list", "--failed")
    lines = listed.out.splitlines()
    job = lines[1].split()[0]

    retried = call("jobs", "retry", job)

    assert listed.code == retried.code == 0
    assert lines[1].rstrip().endswith("ValueError: no such \\x1b[31m mail box, attempt 1")
    assert retried.out == f"retried {job}\n"
    assert job in ids(call, "--waiting")
    assert job not in ids(call, "--failed")


def test_the_list_shows_all_states_but_succeeded(call: Call) -> None:
    found = call("jobs", "list", "--json").json

    states = [job["state"] for job in found]
    assert sorted(states) == ["delayed", "delayed", "failed", "failed", "waiting"]
    assert {job["worker"] for job in found} == {"send", "greet", "purge"}
    assert len(ids(call, "--succeeded", "--failed")) == 3


def test_a_list_can_be_narrowed_and_paged(call: Call) -> None:
    assert len(ids(call, "--worker", "greet")) == 2
    assert len(ids(call, "--search", "mail box")) == 2
    assert len(ids(call, "--search", "box ma*")) == 2
    assert ids(call, "--search", "letter") == []
    first, second = ids(call, "--failed")
    page = call("jobs", "list", "--failed", "--limit", "1")
    assert page.err == f"more failed jobs: --failed --after {first}\n"
    assert ids(call, "--failed", "--after", first) == [second]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--search x --waiting", "--search: expected none for waiting jobs, found 'x'"),
        ("--queue mail --delayed", "--queue: expected none for delayed jobs, found 'mail'"),
        ("--unreadable --worker send", "--worker: expected none for unreadable jobs"),
        ("--created-after soon", "jobs list: invalid value for '--created-after': expected a"),
        ("--queue male", "no queue 'male'; known queues: 'cleaning', 'default', 'mail'"),
        ("--search *", "--search: expected a word of letters or digits, found '*'"),
        ("--search !!!", "--search: expected a word of letters or digits, found '!!!'"),
        (f"--after {UNKNOWN}", "--after continues the list of one state"),
        (
            "--worker gret",
            (
                "no worker 'gret'; known workers: 'greet', 'purge', 'send', 'slow', "
                "did you mean 'greet'?"
            ),
        ),
    ],
)
def test_contradictory_options_of_a_list_are_refused(
    options: str, message: str, call: Call
) -> None:
    answer = call("jobs", "list", *options.split())

    assert answer.code == 2
    assert answer.line.startswith(message)


def test_an_empty_list_is_a_note(call: Call) -> None:
    answer = call("jobs", "list", "--running")

    assert (answer.code, answer.out, answer.err) == (0, "", "no job is running\n")


def test_a_job_is_shown_with_its_timeline_and_its_payload_only_on_request(call: Call) -> None:
    job = ids(call, "--failed")[0]

    shown = call("jobs", "show", job)
    with_payload = call("jobs", "show", job, "--payload")
    as_json = call("jobs", "show", job, "--json").json
    payload = call("jobs", "show", job, "--payload", "--json").json["payload"]

    assert "Traceback" in shown.out
    assert "secret" not in shown.out + json.dumps(as_json)
    assert "secret" in with_payload.out
    assert payload["mail"]["to"] == "secret"
    assert len(as_json["timeline"]) >= 2
    assert as_json["error"].startswith("ValueError: no such")


def test_a_result_is_shown_on_request(call: Call) -> None:
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute("""update bgjobs_jobs_succeeded set result = '{"path":"secret"}'""")
    [job] = ids(call, "--succeeded")

    shown = call("jobs", "show", job)
    as_json = call("jobs", "show", job, "--json").json
    with_result = call("jobs", "show", job, "--payload")

    assert "secret" not in shown.out + json.dumps(as_json)
    assert "result" in with_result.out
    assert "secret" in with_result.out
    assert call("jobs", "show", job, "--payload", "--json").json["result"] == {"path": "secret"}


def test_an_unreadable_row_hides_its_result(call: Call) -> None:
    [job] = ids(call, "--succeeded")
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute("update bgjobs_jobs_succeeded set result = 'secret', errors = '?'")

    shown = call("jobs", "show", job)

    assert "errors: expected" in shown.out
    assert "secret" not in shown.out


@pytest.fixture
def in_nepal(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Set the time zone of this machine to UTC+05:45."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "NPT-5:45")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_nepal")
def test_times_are_local_or_utc(call: Call) -> None:
    job = ids(call, "--failed")[0]

    local, utc = (call(*options, "jobs", "show", job).out for options in ([], ["--utc"]))

    created = r"created +([\d-]{10} [\d:]{8}) (\w+)"
    [(there, npt)], [(here, zone)] = re.findall(created, local), re.findall(created, utc)
    ahead = datetime.fromisoformat(there) - datetime.fromisoformat(here)
    assert (npt, zone, ahead) == ("NPT", "UTC", timedelta(hours=5, minutes=45))


def prefixes(call: Call) -> tuple[str, str, str]:
    """Return the id of a waiting job, its shortest unique prefix, and a shared prefix."""
    [job] = ids(call, "--waiting")
    others = [one for one in ids(call, "--failed", "--succeeded", "--delayed") if one != job]
    alone = next(job[:size] for size in range(4, 37) if not _is_prefix(job[:size], others))
    shared = next(job[:size] for size in range(36, 3, -1) if _is_prefix(job[:size], others))
    return job, alone, shared


def _is_prefix(prefix: str, others: list[str]) -> bool:
    return any(one.startswith(prefix) for one in others)


def test_a_prefix_of_an_id_is_accepted(call: Call) -> None:
    job, alone, _ = prefixes(call)

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
def test_a_prefix_that_several_ids_share_changes_nothing(command: str, call: Call) -> None:
    _, _, shared = prefixes(call)
    before = call("jobs", "list", "--json").json

    answer = call("jobs", *command.split(), shared)

    assert answer.code == 2
    assert answer.line.startswith(
        f"several jobs have an id that begins with '{shared}': {shared}"
    )
    assert call("jobs", "list", "--json").json == before


def test_every_command_that_takes_an_id_takes_a_prefix() -> None:
    """The list of commands that the tests of prefixes use is complete."""
    taking = {
        path[-1]
        for path, command in COMMANDS.items()
        if any(
            getattr(one.type, "func", None) in (job_id, list_position) for one in command.params
        )
    }

    assert taking == {command.split()[0] for command in TAKING_IDS}


@pytest.mark.parametrize("command", ["show", "retry", "cancel", "delete", "reschedule --in 1h"])
def test_a_prefix_that_no_id_has_is_an_unknown_job(command: str, call: Call) -> None:
    answer = call("jobs", *command.split(), "0000-00")

    assert (answer.code, answer.line) == (3, "no job has an id that begins with '0000-00'")


def mark(*pairs: tuple[str, str]) -> None:
    """Set the metadata of the jobs of each worker in all tables."""
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        for table in ("jobs", "jobs_failed", "jobs_succeeded", "jobs_cancelled"):
            for name, text in pairs:
                connection.execute(
                    f"update bgjobs_{table} set metadata = ? where name = ?", (text, name)
                )


def test_jobs_are_listed_by_their_metadata(call: Call) -> None:
    mark(("greet", '{"tenant": "a=b", "kind": "it\'s"}'), ("send", '{"tenant": "c"}'))

    every = ("--waiting", "--delayed", "--failed", "--succeeded", "--metadata")
    assert len(ids(call, *every, "tenant=a=b")) == 3
    assert len(ids(call, *every, "tenant=a=b", "--metadata", "kind=it's")) == 3
    assert ids(call, *every, "tenant=a=b", "--metadata", "kind=") == []
    assert len(ids(call, "--metadata", "tenant=c", "--search", "mail")) == 2
    first, second = ids(call, "--failed", "--metadata", "tenant=c")
    page = call("jobs", "list", "--failed", "--metadata", "tenant=c", "--limit", "1")
    assert page.err == f"more failed jobs: --failed --after {first}\n"
    assert ids(call, "--failed", "--metadata", "tenant=c", "--after", first) == [second]
    assert ids(call, "--metadata", "tenant=c", "--worker", "greet") == []


@pytest.mark.parametrize("pair", ["tenant", "=c"])
def test_metadata_without_a_key_or_an_equals_sign_is_refused(pair: str, call: Call) -> None:
    answer: Answer = call("jobs", "list", "--metadata", pair)

    assert answer.code == 2
    assert answer.line.startswith(
        f"jobs list: invalid value for '--metadata': expected KEY=VALUE, found '{pair}'"
    )


def change(statement: str, *values: str) -> None:
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute(statement, values)


@pytest.fixture
def bad(call: Call) -> str:
    """Return a failed job whose stored metadata is no JSON, after a list has found it."""
    [first, *_] = call("jobs", "list", "--failed", "--json").json
    change("update bgjobs_jobs_failed set metadata = '{\x1b[31m' where id = ?", first["id"])
    listed = call("jobs", "list", "--failed", "--json")
    assert first["id"] not in [job["id"] for job in listed.json]
    found: str = first["id"]
    return found


def test_an_unreadable_row_is_listed_and_shown_with_its_reason(call: Call, bad: str) -> None:
    answer = call("jobs", "list", "--unreadable")
    [row] = call("jobs", "list", "--unreadable", "--json").json
    shown = call("jobs", "show", bad[:-4])
    whole = call("jobs", "show", bad, "--payload", "--json")

    assert (answer.code, answer.err) == (0, "")
    assert "metadata: expected texts by name as JSON" in answer.out
    assert (row["id"], row["state"], row["table"]) == (bad, "unreadable", "jobs_failed")
    assert "payload" not in row["columns"]
    assert "column metadata" in shown.out
    assert "\\x1b[31m" in shown.out
    assert whole.json["columns"]["payload"] == '{"mail":{"to":"secret","copies":1}}'
    assert call("status", "--json").json["jobs"]["unreadable"] == 1
    assert "1 unreadable" in call("status").out
    assert "1 stored row is unreadable: see bgjobs jobs list --unreadable" in call("doctor").out


def test_unreadable_rows_are_paged(call: Call, bad: str) -> None:
    [other] = [job["id"] for job in call("jobs", "list", "--failed", "--json").json]
    change("update bgjobs_jobs_failed set errors = '[1]' where id = ?", other)
    call("jobs", "list", "--failed")
    first = call("jobs", "list", "--unreadable", "--limit", "1")
    newest, oldest = sorted([bad, other], reverse=True)

    assert first.err == f"more unreadable rows: --unreadable --after {newest}\n"
    [row] = call("jobs", "list", "--unreadable", "--after", newest, "--json").json
    assert row["id"] == oldest
    both = call("jobs", "list", "--unreadable", "--waiting")
    assert [oldest in both.out, "reason" in both.out, "when" in both.out] == [True] * 3
    as_json = call("jobs", "list", "--unreadable", "--waiting", "--json").json
    assert [one["state"] for one in as_json] == ["unreadable", "unreadable", "waiting"]


def test_an_unreadable_row_is_exported_as_it_is_stored(
    call: Call, bad: str, tmp_path: Path
) -> None:
    change(f"update bgjobs_jobs_unreadable set payload = '{'x' * 5_000}'")
    file = tmp_path / "rows.jsonl"
    answer = call("jobs", "export", str(file), "--unreadable")
    lines = [json.loads(line) for line in file.read_text().splitlines()]

    assert answer.code == 0
    assert [(one["id"], one["columns"]["metadata"]) for one in lines] == [(bad, "{\x1b[31m")]
    assert lines[0]["columns"]["payload"] == "x" * 5_000


def test_an_unreadable_row_can_be_retried_after_a_repair(call: Call, bad: str) -> None:
    tried = call("jobs", "retry", bad)
    change("update bgjobs_jobs_unreadable set metadata = null where id = ?", bad)
    answer = call("jobs", "retry", bad)

    assert tried.code == 1
    assert tried.err.startswith(f"refused {bad}: its row cannot be read: metadata: expected")
    assert (answer.code, answer.out) == (0, f"retried {bad}\n")
    assert bad in [job["id"] for job in call("jobs", "list", "--waiting", "--json").json]


def test_an_unreadable_row_is_deleted_for_ever(call: Call, bad: str) -> None:
    assert call("jobs", "delete", bad, "--dry-run").out == f"would change {bad}: unreadable\n"
    assert call("jobs", "delete", bad, "--yes").out == f"deleted {bad}\n"
    assert call("jobs", "list", "--unreadable").err == "no job is unreadable\n"


def test_all_unreadable_rows_are_deleted_at_once(call: Call, bad: str) -> None:
    neither = call("jobs", "delete")
    assert neither.code == 2
    assert neither.line.endswith("expected ids, or --unreadable; found neither")
    assert call("jobs", "delete", "--unreadable", "--dry-run").out == (
        "would delete 1 unreadable row\n"
    )
    assert call("jobs", "delete", "--unreadable", "--yes").out == "deleted 1\n"
    assert call("jobs", "delete", "--unreadable", "--yes", "--json").json == {"deleted": 0}
    assert call("jobs", "show", bad).code == 3


def test_a_search_continues_at_the_position_that_it_has_shown(call: Call) -> None:
    first = call("jobs", "list", "--search", "mail", "--limit", "1")
    [job] = call("jobs", "list", "--search", "mail", "--limit", "1", "--json").json
    after = first.err.rpartition(" ")[2].strip()

    assert first.err == f"more failed jobs: --failed --after {after}\n"
    assert after.startswith(f"{job['id']}@")
    call("jobs", "retry", job["id"])
    [other] = call("jobs", "list", "--search", "mail", "--after", after, "--json").json
    assert other["id"] != job["id"]
    odd = call("jobs", "list", "--failed", "--after", f"{job['id']}@x")
    assert odd.code == 2
    assert "expected an id, or a position that jobs list has shown" in odd.line


def test_progress_is_listed_and_shown(shop: Path, call: Call) -> None:
    with closing(sqlite3.connect(shop / "shop.db")) as database:
        stored = json.dumps([3, 4, "page \x1b[31m3", 1_700_000_000_000_000])
        database.execute("update bgjobs_jobs_failed set progress = ?", [stored])
        database.commit()
    job, _ = ids(call, "--failed")
    shown = call("jobs", "show", job)
    assert re.search(r"^progress       3 of 4, 75 % \(.* ago\)$", shown.out, re.MULTILINE)
    assert re.search(r"^progress note  page \\x1b\[31m3$", shown.out, re.MULTILINE)
    listed = call("jobs", "list", "--failed").out.splitlines()
    assert "progress" in listed[0].split()
    assert "  75 %  " in listed[1]
    assert call("jobs", "show", job, "--json").json["progress"] == {
        "done": 3,
        "total": 4,
        "fraction": 0.75,
        "note": "page \x1b[31m3",
        "reported_at": "2023-11-14T22:13:20Z",
    }
    call("jobs", "export", "failed.jsonl")
    before = call("jobs", "list", "--failed", "--json").json
    call("jobs", "prune", "--failed-for", "0", "--yes")
    call("jobs", "import", "failed.jsonl", "--yes")
    assert call("jobs", "list", "--failed", "--json").json == before
    call("jobs", "retry", job)
    assert call("jobs", "show", job, "--json").json["progress"] is None
