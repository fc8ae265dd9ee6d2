"""Cancelled jobs, the history of a job, and the options that select jobs by properties."""

import getpass
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bgjobs._core.ids import new_id
from bgjobs.cli import options
from tests.cli.conftest import Call, ids
from tests.cli.test_terminal import fail_many

UNKNOWN = "01890000-0000-7000-8000-000000000000"


def test_a_retry_of_all_failed_jobs_leaves_cancelled_jobs_alone(call: Call) -> None:
    [waiting] = ids(call, "--waiting")
    call("jobs", "cancel", waiting)

    failed = call("jobs", "retry", "--all", "--yes")
    kept = ids(call, "--cancelled")
    tried = call("jobs", "retry", "--all", "--cancelled", "--dry-run")
    cancelled = call("jobs", "retry", "--all", "--cancelled", "--yes")

    assert failed.out == "retried 2\n"
    assert kept == [waiting]
    assert tried.out == "would retry 1 cancelled job\n"
    assert cancelled.out == "retried 1\n"
    assert ids(call, "--cancelled") == []
    assert waiting in ids(call, "--waiting")


def test_a_cancelled_job_is_refused_where_it_has_ended_and_retried_by_its_id(
    call: Call,
) -> None:
    [waiting] = ids(call, "--waiting")
    call("jobs", "cancel", waiting)

    again = call("jobs", "cancel", waiting)
    tried = call("jobs", "retry", waiting, "--dry-run")
    retried = call("jobs", "retry", waiting)

    assert (again.code, again.err) == (1, f"refused {waiting}: it was cancelled\n")
    assert tried.out == f"would change {waiting}: cancelled\n"
    assert retried.out == f"retried {waiting}\n"


def test_a_job_shows_its_whole_story_after_a_cancellation_and_a_retry(call: Call) -> None:
    failed = ids(call, "--failed")[0]
    call("jobs", "retry", failed, "--by", "Grace")
    call("jobs", "cancel", failed, "--reason", "wrong address", "--by", "Ada")
    cancelled = call("jobs", "show", failed)
    call("jobs", "retry", failed, "--by", "Ida")

    drawn = call("jobs", "show", failed).out
    found = call("jobs", "show", failed, "--json").json

    story = [(one["what"], one["queue"], one["by"]) for one in found["timeline"]]
    assert story[:5] == [
        ("enqueued", None, None),
        ("attempt 1 reserved", "mail", None),
        ("attempt 1 failed", "mail", None),
        ("failed for good", None, None),
        ("retried", None, "Grace"),
    ]
    assert sorted(story[5:], key=str) == [
        ("cancelled", None, "Ada"),
        ("due", None, None),
        ("retried", None, "Ida"),
    ]
    assert found["timeline"][1]["node"]
    assert [one["kind"] for one in found["history"]] == ["reservation", "end", "end"]
    assert found["history"][0]["ended"] == "failed"
    end = found["history"][2]
    assert (end["state"], end["text"], end["by"], end["retried_by"]) == (
        *("cancelled", "wrong address", "Ada", "Ida"),
    )
    assert (found["state"], found["reason"], found["cancelled_by"]) == ("waiting", None, None)
    for text in ("wrong address", "Grace", "Ada", "Ida", "error or reason", "ValueError"):
        assert text in drawn
    assert "cancelled by  Ada" in cancelled.out
    assert "reason        wrong address" in cancelled.out


def test_the_author_is_the_user_of_the_operating_system(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (*ids(call, "--waiting"), *ids(call, "--delayed", "--worker", "greet"))
    call("jobs", "cancel", first)
    monkeypatch.setattr(options, "getpass", _NoUser)

    answer = call("jobs", "cancel", second)

    assert (answer.code, answer.err) == (0, "")
    assert call("jobs", "show", first, "--json").json["cancelled_by"] == getpass.getuser()
    assert call("jobs", "show", second, "--json").json["cancelled_by"] is None


class _NoUser:
    @staticmethod
    def getuser() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")


def test_jobs_are_listed_and_retried_by_their_queue(call: Call) -> None:
    failed = ids(call, "--failed")

    assert ids(call, "--queue", "mail") == failed
    assert ids(call, "--queue", "default") == []
    assert len(ids(call, "--queue", "default", "--succeeded")) == 1
    assert ids(call, "--queue", "cleaning", "--failed") == []
    none = call("jobs", "retry", "--all", "--queue", "default", "--yes")
    tried = call("jobs", "retry", "--all", "--queue", "mail", "--dry-run")
    done = call("jobs", "retry", "--all", "--queue", "mail", "--yes")
    assert (none.out, tried.out, done.out) == (
        *("retried 0\n", "would retry 2 failed jobs\n", "retried 2\n"),
    )


def test_jobs_are_selected_by_the_time_of_their_creation(call: Call) -> None:
    newest, oldest = call("jobs", "list", "--failed", "--json").json
    between = newest["created_at"]

    assert ids(call, "--failed", "--created-before", between) == [oldest["id"]]
    assert ids(call, "--failed", "--created-after", between) == [newest["id"]]
    assert ids(call, "--created-before", "2020-01-01T00:00Z") == []
    assert call(
        "jobs", "cancel", "--all", "--created-after", "2090-01-01T00:00Z", "--yes"
    ).out == ("cancelled 0\n")
    lines = call("jobs", "export", "--created-before", between).out.splitlines()
    assert len(lines) == 1


def test_a_page_without_a_match_shows_where_the_list_continues(call: Call) -> None:
    oldest = f"{UNKNOWN[:-1]}1"
    fail_many(10_000)
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute("update bgjobs_jobs_failed set reserved_by = ?", (str(new_id()),))
        connection.execute(
            "update bgjobs_jobs_failed set reserved_by = (select reserved_by from "
            "bgjobs_jobs_succeeded limit 1) where id = ?",
            (oldest,),
        )

    first = call("jobs", "list", "--failed", "--queue", "default")
    as_json = call("jobs", "list", "--failed", "--queue", "default", "--json")
    assert first.err.startswith(
        "no match among the first 10,000 failed jobs; more: --failed --after "
    )
    assert (first.code, first.out, as_json.json) == (0, "", [])
    assert as_json.err == first.err

    after = first.err.split()[-1]
    second = call("jobs", "list", "--failed", "--queue", "default", "--after", after)
    assert oldest in second.out
    assert second.err == ""


def test_cancelled_jobs_are_pruned(call: Call) -> None:
    [waiting] = ids(call, "--waiting")
    call("jobs", "cancel", waiting)

    tried = call("jobs", "prune", "--cancelled-for", "0", "--dry-run")
    kept = call("jobs", "prune", "--cancelled-for", "1h", "--yes")
    done = call("jobs", "prune", "--cancelled-for", "0", "--yes")

    assert tried.out == "would delete 1 ended job\n"
    assert (kept.out, done.out) == ("deleted 0\n", "deleted 1\n")
    assert ids(call, "--cancelled") == []
    assert len(ids(call, "--failed")) == 2


def test_cancelled_jobs_are_counted_on_their_own(call: Call) -> None:
    [waiting] = ids(call, "--waiting")
    call("jobs", "cancel", waiting)

    status: dict[str, Any] = call("status", "--json").json
    queues = {one["name"]: one for one in call("queues", "--json").json}
    [seen] = [call("watch", "--count", "1", "--json").json]

    for counts in (status["jobs"], queues["default"], seen["jobs"]):
        assert counts["cancelled"] == 1
    assert (status["jobs"]["failed"], queues["default"]["failed"]) == (2, 0)
    assert "2 failed, 1 cancelled" in call("status").out
    assert "2 failed, 1 cancelled" in call("watch", "--count", "1").out


def test_a_store_that_does_not_exist_is_one_line(call: Call, shop: Path) -> None:
    for file in shop.glob("shop.db*"):
        file.unlink()

    for command in (
        *("jobs list", "jobs retry --all --yes", "jobs cancel --all --yes", "status"),
        *(f"jobs show {UNKNOWN}", f"jobs cancel {UNKNOWN}", "jobs export", "queues"),
    ):
        answer = call(*command.split())
        assert answer.code == 5
        assert answer.line.endswith("found none; run bgjobs migrate up")
