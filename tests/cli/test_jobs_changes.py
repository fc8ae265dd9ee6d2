"""`bgjobs jobs retry`, `cancel`, `reschedule`, `delete` and `prune` over SQLite."""

import getpass
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bgjobs._core.ids import new_id
from tests.cli.conftest import Call, ids
from tests.cli.terminal import BGJOBS, terminal

UNKNOWN = "01890000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    "command", ["show", "retry", "cancel", "retry --dry-run", "reschedule --in 1h"]
)
def test_an_unknown_job_is_an_error(command: str, call: Call) -> None:
    answer = call("jobs", *command.split(), UNKNOWN)

    assert answer.code == 3
    assert UNKNOWN in answer.line


def test_a_job_that_cannot_be_retried_is_refused_and_the_others_are_retried(call: Call) -> None:
    waiting = ids(call, "--waiting")[0]
    failed = ids(call, "--failed")[0]

    tried = call("jobs", "retry", failed, waiting, "--dry-run")
    answer = call("jobs", "retry", failed, waiting)

    assert tried.out == f"would change {failed}: failed\nwould refuse {waiting}: waiting\n"
    assert answer.code == 1
    assert answer.out == f"retried {failed}\n"
    assert answer.err == f"refused {waiting}: it is waiting\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("retry", "expected ids, or --all; found neither"),
        (f"retry {UNKNOWN} --all", "expected ids, or --all; found both"),
        (f"retry {UNKNOWN} --worker send", "the options that select jobs go with --all"),
        ("cancel", "expected ids, or --all; found neither"),
        ("retry --all", "there is no terminal to ask on: add --yes"),
        ("cancel --all", "there is no terminal to ask on: add --yes"),
        ("prune --failed-for 0", "there is no terminal to ask on: add --yes"),
        ("retry --all --worker sned", "no worker 'sned'; known workers: "),
        ("cancel --all --worker sned --yes", "no worker 'sned'; known workers: "),
        ("export --worker sned", "no worker 'sned'; known workers: "),
        (
            f"retry {UNKNOWN} --cancelled",
            "the options that select jobs go with --all, not with ids",
        ),
        (
            "retry --all --cancelled --search x",
            "--search: expected none for cancelled jobs, found 'x'",
        ),
        ("retry --all --queue male --yes", "no queue 'male'; known queues: "),
        ("retry --all --by=", "jobs retry: invalid value for '--by': expected a name"),
        ("cancel --all --reason=", "--reason: expected a text, found an empty one"),
        (
            "export --unreadable --worker send",
            "--worker: expected none for unreadable jobs, found 'send'",
        ),
        ("enqueue gret", "no worker 'gret'; known workers: "),
        (f"reschedule {UNKNOWN}", "expected --in, --at or --priority, found none of them"),
        (
            f"reschedule {UNKNOWN} --in 1h --at 2030-01-01T00:00Z",
            "expected --in or --at, found both",
        ),
        ("enqueue greet --in 1h --at 2030-01-01T00:00Z", "expected --in or --at, found both"),
        ("import no.jsonl", "jobs import: invalid value for 'FILE': 'no.jsonl'"),
    ],
)
def test_contradictory_options_of_a_change_are_refused(
    command: str, message: str, call: Call
) -> None:
    before = call("jobs", "list", "--json").out

    answer = call("jobs", *command.split())

    assert answer.code == 2
    assert answer.line.startswith(message)
    assert call("jobs", "list", "--json").out == before


def test_all_failed_jobs_are_retried(call: Call) -> None:
    tried = call("jobs", "retry", "--all", "--dry-run")
    chosen = call("jobs", "retry", "--all", "--search", "attempt", "--dry-run", "--json")
    none = call("jobs", "retry", "--all", "--created-before", "2020-01-01T00:00Z", "--dry-run")
    early = call("jobs", "retry", "--all", "--created-before", "2020-01-01T00:00Z", "--yes")
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

    assert answer.json == {"cancelled": [job], "asked": [], "refused": [], "descendants": {}}
    shown = call("jobs", "show", job, "--json").json
    assert (shown["state"], shown["reason"]) == ("cancelled", "not today")
    assert shown["cancelled_by"] == getpass.getuser()
    assert call("jobs", "cancel", "--all", "--worker", "greet", "--yes").out == "cancelled 1\n"
    assert ids(call, "--worker", "greet", "--delayed", "--waiting") == []


def test_the_planned_run_of_a_schedule_is_not_rescheduled(call: Call) -> None:
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


def refuse(shop: Path, table: str, job: str, verb: str = "insert", row: str = "new") -> None:
    """Add a trigger that refuses a change of one row."""
    with closing(sqlite3.connect(shop / "shop.db")) as connection:
        connection.execute(
            f"create trigger odd before {verb} on bgjobs_{table} "
            f"when {row}.id = '{job}' begin select raise(abort, 'odd row'); end"
        )
        connection.commit()


def test_a_retry_that_the_database_refuses_is_reported(shop: Path, call: Call) -> None:
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


def test_a_cancellation_that_the_database_refuses_is_reported(shop: Path, call: Call) -> None:
    [odd] = ids(call, "--waiting")
    [other] = ids(call, "--delayed", "--worker", "greet")
    refuse(shop, "jobs_cancelled", odd)

    alone = call("jobs", "cancel", odd, other, "--json")
    answer = call("jobs", "cancel", "--all", "--yes", "--json")

    assert (alone.code, alone.json) == (
        1,
        {"cancelled": [other], "asked": [], "refused": [odd], "descendants": {}},
    )
    assert "odd row" in alone.line
    assert (answer.code, answer.json) == (1, {"cancelled": 0, "refused": [odd]})
    assert "odd row" in answer.line


def test_pruning_that_the_database_refuses_is_reported(shop: Path, call: Call) -> None:
    odd, other = ids(call, "--failed")
    refuse(shop, "jobs_failed", odd, "delete", "old")

    answer = call("jobs", "prune", "--failed-for", "0", "--yes")
    as_json = call("jobs", "prune", "--failed-for", "0", "--yes", "--json")

    assert (answer.code, answer.out) == (1, "deleted 1\n")
    assert answer.line.startswith(f"refused {odd}: ")
    assert "odd row" in answer.line
    assert (as_json.code, as_json.json) == (1, {"deleted": 0, "refused": [odd]})
    assert other not in ids(call, "--failed")


def reserve(job: str) -> None:
    """Mark the row of a job as running."""
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute(
            "update bgjobs_jobs set reserved_at = 0, reserved_by = ?, reservations = 1"
            " where id = ?",
            (str(new_id()), job),
        )


def test_jobs_of_each_state_are_deleted_for_ever(call: Call) -> None:
    call("jobs", "cancel", *ids(call, "--waiting"))
    states = ("--waiting", "--delayed", "--failed", "--succeeded", "--cancelled")
    every = ids(call, *states)
    assert len(every) == 6

    answer = call("jobs", "delete", *every, every[0], "--yes")

    assert (answer.code, answer.err) == (0, "")
    assert sorted(answer.out.splitlines()) == sorted(f"deleted {one}" for one in every)
    assert ids(call, *states) == []
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


def test_a_deletion_that_the_database_refuses_is_reported(call: Call) -> None:
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
    with terminal(*BGJOBS, "jobs", "delete", job, cwd=shop) as session:
        session.until(f"Delete job {job} for ever? [y/N]: ")
        session.type("n\n")
        refused = session.end()

    assert (answer.code, answer.line) == (2, "there is no terminal to ask on: add --yes")
    assert refused[0] == 1
    assert ids(call, "--waiting") == [job]


def test_the_planned_run_of_a_schedule_can_be_deleted(call: Call) -> None:
    [planned] = ids(call, "--worker", "purge")

    assert call("jobs", "delete", planned, "--yes").out == f"deleted {planned}\n"
    assert ids(call, "--worker", "purge") == []


def test_the_jobs_of_one_worker_are_pruned(call: Call) -> None:
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


def test_an_unreadable_row_does_not_prevent_other_cancellations(call: Call) -> None:
    [waiting] = ids(call, "--waiting")
    bad = ids(call, "--failed")[0]
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute("update bgjobs_jobs_failed set metadata = '{' where id = ?", (bad,))

    answer = call("jobs", "cancel", bad, waiting, "--reason", "no", "--json")

    assert answer.code == 1
    assert (answer.json["cancelled"], answer.json["refused"]) == ([waiting], [bad])
    assert answer.err.startswith(f"refused {bad}: its row cannot be read: ")
