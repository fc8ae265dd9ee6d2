"""Rows that are no jobs, on the command line: they are seen, exported, put back and deleted."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Call


def change(statement: str, *values: str) -> None:
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute(statement, values)


@pytest.fixture
def bad(call: Call) -> str:
    """A failed job whose metadata is no JSON any more, found by a list."""
    [first, *_] = call("jobs", "list", "--failed", "--json").json
    change("update bgjobs_jobs_failed set metadata = '{\x1b[31m' where id = ?", first["id"])
    listed = call("jobs", "list", "--failed", "--json")
    assert first["id"] not in [job["id"] for job in listed.json]
    found: str = first["id"]
    return found


def test_it_is_listed_and_shown_with_its_reason(call: Call, bad: str) -> None:
    answer = call("jobs", "list", "--unreadable")
    [row] = call("jobs", "list", "--unreadable", "--json").json
    shown = call("jobs", "show", bad[:13])
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


def test_it_goes_on_behind_a_page(call: Call, bad: str) -> None:
    [other] = [job["id"] for job in call("jobs", "list", "--failed", "--json").json]
    change("update bgjobs_jobs_failed set errors = '[1]' where id = ?", other)
    call("jobs", "list", "--failed")
    first = call("jobs", "list", "--unreadable", "--limit", "1")
    newest, oldest = sorted([bad, other], reverse=True)

    assert first.err == f"more unreadable rows: --unreadable --after {newest}\n"
    [row] = call("jobs", "list", "--unreadable", "--after", newest, "--json").json
    assert row["id"] == oldest
    refused = call("jobs", "list", "--unreadable", "--failed")
    assert (refused.code, refused.line) == (
        2,
        "--unreadable goes with --limit, --after and --json alone",
    )


def test_it_is_exported_as_it_is_stored(call: Call, bad: str, tmp_path: Path) -> None:
    change(f"update bgjobs_jobs_unreadable set payload = '{'x' * 5_000}'")
    file = tmp_path / "rows.jsonl"
    answer = call("jobs", "export", str(file), "--unreadable")
    lines = [json.loads(line) for line in file.read_text().splitlines()]

    assert answer.code == 0
    assert [(one["id"], one["columns"]["metadata"]) for one in lines] == [(bad, "{\x1b[31m")]
    assert lines[0]["columns"]["payload"] == "x" * 5_000


def test_it_runs_again_once_it_was_repaired(call: Call, bad: str) -> None:
    tried = call("jobs", "retry", bad)
    change("update bgjobs_jobs_unreadable set metadata = null where id = ?", bad)
    answer = call("jobs", "retry", bad)

    assert tried.code == 1
    assert tried.err.startswith(f"refused {bad}: its row cannot be read: metadata: expected")
    assert (answer.code, answer.out) == (0, f"retried {bad}\n")
    assert bad in [job["id"] for job in call("jobs", "list", "--waiting", "--json").json]


def test_it_is_deleted_for_ever(call: Call, bad: str) -> None:
    assert call("jobs", "delete", bad, "--dry-run").out == f"would change {bad}: unreadable\n"
    assert call("jobs", "delete", bad, "--yes").out == f"deleted {bad}\n"
    assert call("jobs", "list", "--unreadable").err == "no stored row is unreadable\n"


def test_all_of_them_are_deleted_at_once(call: Call, bad: str) -> None:
    neither = call("jobs", "delete")
    assert neither.code == 2
    assert neither.line.endswith("expected ids, or --unreadable; found neither")
    assert call("jobs", "delete", "--unreadable", "--dry-run").out == (
        "would delete 1 unreadable row\n"
    )
    assert call("jobs", "delete", "--unreadable", "--yes").out == "deleted 1\n"
    assert call("jobs", "delete", "--unreadable", "--yes", "--json").json == {"deleted": 0}
    assert call("jobs", "show", bad).code == 3


def test_a_search_goes_on_behind_what_it_has_told(call: Call) -> None:
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
