"""`bgjobs run` on a real terminal: what it says, and how signals end it."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bgjobs.cli.application import load_config
from bgjobs.cli.arguments import request
from tests.cli.conftest import Call
from tests.cli.terminal import BGJOBS, CTRL_C, terminal


def enqueue_slow(seconds: float) -> UUID:
    """Let a job wait that takes so long."""
    config = load_config("shop:config")
    slow = next(worker for worker in config.all_workers() if worker.name == "slow")
    with closing(sqlite3.connect("shop.db")) as connection:
        [job] = config.store.enqueue_in(connection, [request(slow, [seconds], {})])
        connection.commit()
    return job.id


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_the_first_signal_lets_a_handler_end(backend: str, shop: Path) -> None:
    job = enqueue_slow(0.5)

    with terminal(*BGJOBS, "run", "--backend", backend, cwd=shop) as there:
        there.until("begun")
        there.signal(signal.SIGTERM)
        there.until("stopping: handlers may go on for 10 s; a second signal cancels them")
        there.until("ended")
        code, rest = there.end()

    assert code == 0
    assert f"JobSucceeded|queue:default|job:{job}" in rest
    assert rest.endswith("stopped\n")


def test_a_second_signal_cancels_it_and_gives_it_back(shop: Path) -> None:
    job = enqueue_slow(3_600)

    with terminal(*BGJOBS, "run", cwd=shop) as there:
        there.until("begun")
        there.type(CTRL_C)
        there.until("stopping")
        there.type(CTRL_C)
        code, rest = there.end()

    assert code == 0
    assert f"JobReleased|queue:default|job:{job}" in rest
    assert rest.endswith("stopped\n")


def test_logging_goes_to_stderr_in_the_level_asked_for(shop: Path) -> None:
    enqueue_slow(0)

    with terminal(*BGJOBS, "run", "--log-level", "error", cwd=shop) as there:
        there.until("ended")
        there.signal(signal.SIGINT)
        code, rest = there.end()

    assert code == 0
    assert rest == "\n"


def running(call: Call) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call("jobs", "list", "--running", "--json").json
    return found


def test_another_process_sees_what_runs_and_cancels_it(shop: Path, call: Call) -> None:
    job = str(enqueue_slow(3_600))

    with terminal(*BGJOBS, "run", cwd=shop) as there:
        there.until("begun")
        while len(owners := call("owners", "--json").json) < 3:
            continue  # one queue may have begun while another takes its lease
        while [one["id"] for one in running(call)] != [job]:
            continue  # others that were enqueued before it may not have ended yet
        cancelled = call("jobs", "cancel", job, "--reason", "no longer")
        there.until(f"JobCancelled|queue:default|job:{job}")
        there.signal(signal.SIGTERM)
        code, _ = there.end()

    assert code == 0
    assert [one["queue"] for one in owners] == ["cleaning", "default", "mail"]
    assert cancelled.out == f"asked the process that runs it to cancel {job}\n"
    ended = call("jobs", "show", job, "--json").json
    assert (ended["state"], ended["error"]) == ("failed", "Cancelled: no longer")


def test_an_application_that_only_enqueues_has_nothing_to_run(shop: Path, call: Call) -> None:
    (shop / "producer.py").write_text(
        "import bgjobs, shop\n"
        "config = bgjobs.Config(store=shop.config.store, enqueue_only=[shop.greet])\n",
        "utf-8",
    )

    answer = call("--app", "producer:config", "run")

    assert answer.code == 2
    assert answer.line == "nothing to run: the application has no queues and no scheduled jobs"


def test_a_signal_ends_it_while_the_store_is_waited_for(shop: Path) -> None:
    (shop / "held_up.py").write_text(
        "import bgjobs, shop\n"
        "store = bgjobs.SQLiteStore('shop.db', busy_timeout=0.05)\n"
        "config = bgjobs.Config(store=store, queues=shop.config.queues)\n",
        "utf-8",
    )
    with closing(sqlite3.connect("shop.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        command = (*BGJOBS, "--app", "held_up:config", "run")
        with terminal(*command, cwd=shop) as there:
            there.until("StoreFailed|verb:migrate")
            there.signal(signal.SIGTERM)
            code, rest = there.end()

    assert code == 0
    assert rest.endswith("stopped before it ran\n")
