"""`bgjobs run` on a real terminal: its log, its options, and how signals end it."""

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
    """Enqueue a job that runs for this time."""
    config = load_config("shop:config")
    slow = next(worker for worker in config.all_workers() if worker.name == "slow")
    with closing(sqlite3.connect("shop.db")) as connection:
        [job] = config.store.enqueue_in(connection, [request(slow, [seconds], {})])
        connection.commit()
    return job.id


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_the_first_signal_lets_a_handler_finish(backend: str, shop: Path) -> None:
    job = enqueue_slow(0.5)

    with terminal(*BGJOBS, "run", "--backend", backend, cwd=shop) as session:
        session.until("begun")
        session.signal(signal.SIGTERM)
        session.until("stopping: handlers have 10 s to finish; a second signal cancels them")
        session.until("ended")
        code, rest = session.end()

    assert code == 0
    assert f"JobSucceeded|queue:default|job:{job}" in rest
    assert rest.endswith("stopped\n")


def test_a_second_signal_cancels_the_handler_and_releases_the_job(shop: Path) -> None:
    job = enqueue_slow(3_600)

    with terminal(*BGJOBS, "run", cwd=shop) as session:
        session.until("begun")
        session.type(CTRL_C)
        session.until("stopping")
        session.type(CTRL_C)
        code, rest = session.end()

    assert code == 0
    assert f"JobReleased|queue:default|job:{job}" in rest
    assert rest.endswith("stopped\n")


def test_logs_have_the_level_that_was_asked_for(shop: Path) -> None:
    enqueue_slow(0)

    with terminal(*BGJOBS, "run", "--log-level", "error", cwd=shop) as session:
        session.until("ended")
        session.signal(signal.SIGINT)
        code, rest = session.end()

    assert code == 0
    assert rest == "\n"


def running(call: Call) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call("jobs", "list", "--running", "--json").json
    return found


def test_another_process_lists_and_cancels_a_running_job(shop: Path, call: Call) -> None:
    job = str(enqueue_slow(3_600))

    with terminal(*BGJOBS, "run", cwd=shop) as session:
        session.until("begun")
        while len(owners := call("owners", "--json").json) < 3:
            continue  # one queue may have started while another has no lease yet
        while [one["id"] for one in running(call)] != [job]:
            continue  # jobs that were enqueued earlier may still be running
        cancelled = call("jobs", "cancel", job, "--reason", "no longer", "--by", "ada")
        session.until(f"JobCancelled|queue:default|job:{job}")
        session.signal(signal.SIGTERM)
        code, _ = session.end()

    assert code == 0
    assert [one["queue"] for one in owners] == ["cleaning", "default", "mail"]
    assert cancelled.out == f"asked the process that runs it to cancel {job}\n"
    ended = call("jobs", "show", job, "--json").json
    assert (ended["state"], ended["reason"]) == ("cancelled", "no longer")
    assert (ended["cancelled_by"], ended["error"]) == ("ada", None)
    [past] = ended["history"]
    assert (past["kind"], past["queue"], past["ended"]) == (
        "reservation",
        "default",
        "cancelled",
    )
    assert [one["queue"] for one in ended["timeline"]] == [None, "default", "default", None]


def test_an_application_that_only_enqueues_has_nothing_to_run(shop: Path, call: Call) -> None:
    (shop / "producer.py").write_text(
        "import bgjobs, shop\n"
        "config = bgjobs.Config(store=shop.config.store, enqueue_only=[shop.greet])\n",
        "utf-8",
    )

    answer = call("--app", "producer:config", "run")

    assert answer.code == 2
    assert answer.line == "nothing to run: the application has no queues and no scheduled jobs"


def test_a_signal_ends_run_while_it_waits_for_the_store(shop: Path) -> None:
    (shop / "locked.py").write_text(
        "import bgjobs, shop\n"
        "store = bgjobs.SQLiteStore('shop.db', busy_timeout=0.05)\n"
        "config = bgjobs.Config(store=store, queues=shop.config.queues)\n",
        "utf-8",
    )
    with closing(sqlite3.connect("shop.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        command = (*BGJOBS, "--app", "locked:config", "run")
        with terminal(*command, cwd=shop) as session:
            session.until("StoreFailed|verb:migrate")
            session.signal(signal.SIGTERM)
            code, rest = session.end()

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
    print("unexpected", flush=True)


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
    """Return the folder of an application with an event loop and a job in each queue."""
    (shop / "loop.py").write_text(LOOP, "utf-8")
    assert call("--app", "loop:config", "migrate", "up").code == 0
    for worker in ("ask_loop", "tell_loop"):
        assert call("--app", "loop:config", "jobs", "enqueue", worker).code == 0
    return shop


@pytest.mark.parametrize(
    ("options", "found"), [([], "asyncio"), (["--backend", "trio"], "trio")]
)
def test_an_option_overrides_the_event_loop_of_the_configuration(
    options: list[str], found: str, loop: Path
) -> None:
    command = (*BGJOBS, "--app", "loop:config", "run", "--queue", "tell", *options)
    with terminal(*command, cwd=loop) as session:
        session.until(f"on {found}")
        session.signal(signal.SIGTERM)
        code, _ = session.end()

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
def test_run_runs_only_what_was_named(
    options: list[str], running: list[str], loop: Path, call: Call
) -> None:
    command = (*BGJOBS, "--app", "loop:config", "run", *options)
    with terminal(*command, cwd=loop) as session:
        message = session.until("; Ctrl-C stops it")
        while len(owners := call("--app", "loop:config", "owners", "--json").json) < len(
            running
        ):
            continue  # each has its own lease
        session.signal(signal.SIGTERM)
        code, rest = session.end()

    assert code == 0
    assert message.endswith(f"running {', '.join(running)}; Ctrl-C stops it")
    assert {one["queue"] for one in owners} == {name.split()[-1] for name in running}
    assert ("unexpected" in message + rest) <= ("queue ask" in running)


@pytest.mark.parametrize(
    ("app", "options", "message"),
    [
        ("shop", ["--queue", "mial"], "no queue 'mial'; known queues: 'default', 'mail', did"),
        ("shop", ["--queue", "mail", "--queue", "x"], "no queue 'x'; known queues: 'default'"),
        ("plain", ["--schedules"], "--schedules: the application has no scheduled jobs"),
    ],
)
def test_an_unknown_name_cannot_be_run(
    app: str, options: list[str], message: str, shop: Path, call: Call
) -> None:
    (shop / "plain.py").write_text(
        "import bgjobs, shop\n"
        "config = bgjobs.Config(store=shop.config.store, queues=shop.config.queues)\n",
        "utf-8",
    )

    answer = call("--app", f"{app}:config", "run", *options)

    assert answer.code == 2
    assert answer.line.startswith(message)


POOL = """
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import bgjobs, shop


@asynccontextmanager
async def open_pool(client: bgjobs.Client) -> AsyncIterator[list[str]]:
    await client.enqueue(use.request())
    print("pool opened")
    yield ["a connection"]
    print("pool closed")


@bgjobs.worker
async def use(context: bgjobs.JobContext[EXPECTED]) -> None:
    print("used", *context.resources)


queue = bgjobs.Queue("pools", workers=[use])
config = bgjobs.Config(store=shop.config.store, queues=[queue], lifespan=open_pool)
"""


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_run_opens_the_lifespan_and_closes_it_at_the_end(backend: str, shop: Path) -> None:
    (shop / "pool.py").write_text(POOL.replace("EXPECTED", "list[str]"), "utf-8")
    command = (*BGJOBS, "--app", "pool:config", "run", "--backend", backend)
    with terminal(*command, cwd=shop) as session:
        session.until("pool opened")
        session.until("used a connection")
        session.signal(signal.SIGTERM)
        session.until("pool closed")
        code, rest = session.end()

    assert code == 0
    assert rest.endswith("stopped\n")


def test_run_refuses_handlers_that_expect_other_resources(shop: Path, call: Call) -> None:
    (shop / "pool.py").write_text(POOL.replace("EXPECTED", "str"), "utf-8")

    answer = call("--app", "pool:config", "run")

    assert answer.code == 2
    assert answer.err.splitlines()[-1] == (
        "bgjobs: invalid configuration: worker 'use': context.resources: "
        "expected str, found list"
    )
