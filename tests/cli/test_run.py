"""`bgjobs run` on a real terminal: what it says, and how signals end it."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bgjobs.cli.application import load_config
from bgjobs.cli.commands.jobs.enqueue import request
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
        there.until("stopping: handlers have 10 s to finish; a second signal cancels them")
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
    assert rest.endswith("stopped before anything ran\n")


LOOP = """
import sys
import anyio, sniffio
import bgjobs, shop


@bgjobs.worker
async def tell_loop() -> None:
    print("on", sniffio.current_async_library(), flush=True)


@bgjobs.worker
async def ask_loop() -> None:
    print("never here", flush=True)


config = bgjobs.Config(
    store=bgjobs.SQLiteStore("loop.db"),
    event_loop="asyncio",
    queues=[
        bgjobs.Queue("tell", workers=[tell_loop]),
        bgjobs.Queue("ask", workers=[ask_loop]),
    ],
    scheduled_jobs=[bgjobs.ScheduledJob(shop.purge, bgjobs.every(hours=6), name="cleaning")],
)
"""


@pytest.fixture
def loop(shop: Path, call: Call) -> Path:
    """An application that names its event loop, with a job in each of its queues."""
    (shop / "loop.py").write_text(LOOP, "utf-8")
    assert call("--app", "loop:config", "migrate", "up").code == 0
    for worker in ("ask_loop", "tell_loop"):
        assert call("--app", "loop:config", "jobs", "enqueue", worker).code == 0
    return shop


@pytest.mark.parametrize(
    ("options", "found"), [([], "asyncio"), (["--backend", "trio"], "trio")]
)
def test_the_configuration_names_the_event_loop_and_an_option_another(
    options: list[str], found: str, loop: Path
) -> None:
    command = (*BGJOBS, "--app", "loop:config", "run", "--queue", "tell", *options)
    with terminal(*command, cwd=loop) as there:
        there.until(f"on {found}")
        there.signal(signal.SIGTERM)
        code, _ = there.end()

    assert code == 0


@pytest.mark.parametrize(
    ("options", "running"),
    [
        ([], ["queue tell", "queue ask", "scheduled job cleaning"]),
        (["--queue", "tell"], ["queue tell"]),
        (["--queue", "ask", "--queue", "tell"], ["queue tell", "queue ask"]),
        (["--schedules"], ["scheduled job cleaning"]),
        (["--queue", "ask", "--schedules"], ["queue ask", "scheduled job cleaning"]),
    ],
)
def test_it_runs_what_was_named_and_nothing_else(
    options: list[str], running: list[str], loop: Path, call: Call
) -> None:
    command = (*BGJOBS, "--app", "loop:config", "run", *options)
    with terminal(*command, cwd=loop) as there:
        told = there.until("; Ctrl-C stops it")
        while len(owners := call("--app", "loop:config", "owners", "--json").json) < len(
            running
        ):
            continue  # each takes its lease by itself
        there.signal(signal.SIGTERM)
        code, rest = there.end()

    assert code == 0
    assert told.endswith(f"running {', '.join(running)}; Ctrl-C stops it")
    assert {one["queue"] for one in owners} == {name.split()[-1] for name in running}
    assert ("never here" in told + rest) <= ("queue ask" in running)


@pytest.mark.parametrize(
    ("app", "options", "told"),
    [
        ("shop", ["--queue", "mial"], "no queue 'mial'; known queues: 'default', 'mail', did"),
        ("shop", ["--queue", "mail", "--queue", "x"], "no queue 'x'; known queues: 'default'"),
        ("plain", ["--schedules"], "--schedules: the application has no scheduled jobs"),
    ],
)
def test_what_is_not_there_cannot_be_run(
    app: str, options: list[str], told: str, shop: Path, call: Call
) -> None:
    (shop / "plain.py").write_text(
        "import bgjobs, shop\n"
        "config = bgjobs.Config(store=shop.config.store, queues=shop.config.queues)\n",
        "utf-8",
    )

    answer = call("--app", f"{app}:config", "run", *options)

    assert answer.code == 2
    assert answer.line.startswith(told)
