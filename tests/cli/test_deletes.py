"""`bgjobs jobs delete` and `prune --worker`, and lists by metadata, over a SQLite file."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bgjobs.ids import new_id
from tests.cli.conftest import Answer, Call
from tests.cli.terminal import BGJOBS, terminal


def ids(call: Call, *options: str) -> list[str]:
    return [job["id"] for job in call("jobs", "list", *options, "--json").json]


def reserve(job: str) -> None:
    """Run a job as far as the row tells."""
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute(
            "update bgjobs_jobs set reserved_at = 0, reserved_by = ?, reservations = 1"
            " where id = ?",
            (str(new_id()), job),
        )


def test_jobs_of_each_state_are_deleted_for_ever(call: Call) -> None:
    every = ids(call, "--waiting", "--delayed", "--failed", "--succeeded")
    assert len(every) == 6

    answer = call("jobs", "delete", *every, every[0], "--yes")

    assert (answer.code, answer.err) == (0, "")
    assert sorted(answer.out.splitlines()) == sorted(f"deleted {one}" for one in every)
    assert ids(call, "--waiting", "--delayed", "--failed", "--succeeded") == []
    assert call("jobs", "delete", every[0], "--yes").code == 3


def test_a_running_job_is_not_deleted(call: Call) -> None:
    [running] = ids(call, "--waiting")
    failed = ids(call, "--failed")[0]
    reserve(running)

    tried = call("jobs", "delete", running, failed, "--dry-run")
    answer = call("jobs", "delete", running, failed, "--yes", "--json")
    alone = call("jobs", "delete", running, "--yes")

    assert tried.out == f"would refuse {running}: running\nwould change {failed}: failed\n"
    assert answer.code == 1
    assert answer.json == {"deleted": [failed], "refused": [running]}
    assert answer.err == f"refused {running}: it is running: cancel it first\n"
    assert (alone.code, alone.out) == (1, "")
    assert ids(call, "--running") == [running]


def test_a_job_that_the_database_does_not_let_be_deleted_is_named(call: Call) -> None:
    odd, other = ids(call, "--failed")
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute(
            f"create trigger odd before delete on bgjobs_jobs_failed when old.id = '{odd}'"
            " begin select raise(abort, 'odd row'); end"
        )

    answer = call("jobs", "delete", odd, other, "--yes", "--json")

    assert (answer.code, answer.json) == (1, {"deleted": [other], "refused": [odd]})
    assert answer.line.startswith(f"refused {odd}: ")
    assert "odd row" in answer.line


def test_a_dry_run_deletes_nothing(call: Call) -> None:
    failed = ids(call, "--failed")

    assert call("jobs", "delete", *failed, "--dry-run", "--json").json == {
        "would_change": failed
    }
    assert ids(call, "--failed") == failed


def test_deleting_asks_first(call: Call, shop: Path) -> None:
    [job] = ids(call, "--waiting")

    answer = call("jobs", "delete", job)
    with terminal(*BGJOBS, "jobs", "delete", job, cwd=shop) as there:
        there.until(f"Delete job {job} for ever? [y/N]: ")
        there.type("n\n")
        refused = there.end()

    assert (answer.code, answer.line) == (2, "there is no terminal to ask on: add --yes")
    assert refused[0] == 1
    assert ids(call, "--waiting") == [job]


def test_a_run_of_a_schedule_may_be_deleted(call: Call) -> None:
    [planned] = ids(call, "--worker", "purge")

    assert call("jobs", "delete", planned, "--yes").out == f"deleted {planned}\n"
    assert ids(call, "--worker", "purge") == []


def test_one_workers_jobs_are_pruned(call: Call) -> None:
    ages = ("--succeeded-for", "0", "--failed-for", "0")

    tried = [
        call("jobs", "prune", *ages, "--worker", name, "--dry-run").out
        for name in ("send", "greet", "slow")
    ]
    answer = call("jobs", "prune", *ages, "--worker", "send", "--yes")

    assert tried == [
        "would delete 2 ended jobs\n",
        "would delete 1 ended job\n",
        "would delete 0 ended jobs\n",
    ]
    assert answer.out == "deleted 2\n"
    assert ids(call, "--failed") == []
    assert len(ids(call, "--succeeded")) == 1
    for option in ("--yes", "--dry-run"):
        wrong = call("jobs", "prune", *ages, "--worker", "sned", option)
        assert (wrong.code, wrong.line.split(";")[0]) == (2, "no worker 'sned'")


def mark(*pairs: tuple[str, str]) -> None:
    """Add metadata to jobs of each table, by their worker."""
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        for table in ("jobs", "jobs_failed", "jobs_succeeded"):
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
def test_metadata_without_its_key_or_sign_is_refused(pair: str, call: Call) -> None:
    answer: Answer = call("jobs", "list", "--metadata", pair)

    assert answer.code == 2
    assert answer.line.startswith(
        f"jobs list: invalid value for '--metadata': expected KEY=VALUE, found '{pair}'"
    )


def test_a_row_that_cannot_be_read_keeps_no_other_job_from_being_cancelled(call: Call) -> None:
    [waiting] = ids(call, "--waiting")
    bad = ids(call, "--failed")[0]
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute("update bgjobs_jobs_failed set metadata = '{' where id = ?", (bad,))

    answer = call("jobs", "cancel", bad, waiting, "--reason", "no", "--json")

    assert answer.code == 1
    assert (answer.json["cancelled"], answer.json["refused"]) == ([waiting], [bad])
    assert answer.err.startswith(f"refused {bad}: its row cannot be read: ")
