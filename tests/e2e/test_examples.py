"""The small examples run to their end."""

import re
import runpy
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import trio

import bgjobs
from bgjobs.errors import StoreError
from bgjobs.stores.port import Store
from bgjobs.testing.contract import CHECKS
from tests.e2e.example_program import ExampleProgram
from tests.fixtures.stores import migrated

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
QUICKSTART = EXAMPLES / "quickstart.py"
CLOCKWORK = EXAMPLES / "clockwork.py"


def run(program: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(program), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def printed(name: str, *arguments: str, cwd: Path) -> list[str]:
    """Run an example to its end, and return the lines that it prints."""
    done = run(EXAMPLES / name, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Return the names that an example defines; its database is in a folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    return lambda name: runpy.run_path(str(EXAMPLES / name))


def test_every_example_is_listed() -> None:
    listed = re.findall(r"\[(\w+\.py)\]\(\1\)", (EXAMPLES / "README.md").read_text("utf-8"))
    assert sorted(listed) == sorted(path.name for path in EXAMPLES.glob("*.py"))


def test_the_quickstart_runs_both_jobs_and_ends(tmp_path: Path) -> None:
    assert printed("quickstart.py", cwd=tmp_path) == ["Hello Ada!", "Good morning, Grace."]


def test_the_readme_shows_the_quickstart_as_it_is() -> None:
    program = QUICKSTART.read_text("utf-8")
    shown = program[program.index("import trio") :]

    assert f"```python\n{shown}```" in (ROOT / "README.md").read_text("utf-8")


def test_clockwork_replays_a_month(tmp_path: Path) -> None:
    *lines, last = printed("clockwork.py", "--virtual", "30d", cwd=tmp_path)

    assert last == "30 days: 132 runs, 0 failed"
    assert len([line for line in lines if line.endswith("backup")]) == 29
    moved = "Sun 29 Mar 2026 03:00:00 CEST  backup   (02:30 does not exist: moved to 03:00)"
    assert lines.count(moved) == 1
    archived = [line.partition("archive: ")[2] for line in lines if "archive" in line]
    assert (
        archived == ["the disk is full, so once more in an hour", "done at the second try"] * 2
    )


def test_clockwork_names_the_arguments_that_it_expects(tmp_path: Path) -> None:
    done = run(CLOCKWORK, "--virtual", "a month", cwd=tmp_path)

    assert done.returncode == 2
    assert "expected a number and h, d or w, found 'a month'" in done.stderr


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_the_web_application_stores_an_order_with_its_job_or_neither(
    backend: str, load: Callable[[str], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    app = load("web_app.py")["app"]

    async def order(*names: str) -> list[httpx2.Response]:
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://shop.example"
        )
        async with app.router.lifespan_context(app), client:
            answers = [await client.post(f"/orders/{name}") for name in names]
            await app.state.bg.drain()
            assert await app.state.bg.count() == bgjobs.Counts(
                0, 0, 0, succeeded=2, failed=0, cancelled=0
            )
        return answers

    answers = anyio.run(order, "ada", "grace", "alan", backend=backend)

    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (201, {"order": 1}),
        (201, {"order": 2}),
        (409, {"error": "sold out"}),
    ]
    assert sorted(capsys.readouterr().out.splitlines()) == [
        "e-mail to ada: thank you for order 1",
        "e-mail to grace: thank you for order 2",
    ]
    with closing(sqlite3.connect("shop.db")) as connection:
        assert connection.execute("select customer from orders").fetchall() == [
            ("ada",),
            ("grace",),
        ]


def test_the_clean_ups_delete_old_rows_once(tmp_path: Path) -> None:
    lines = printed("cleanup.py", "--now", cwd=tmp_path)

    assert lines == [
        "e-mail to ada@example.com: Welcome",
        "sessions: 2 deleted",
        "drafts: 1 deleted",
    ]
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        assert connection.execute("select user from sessions").fetchall() == [("ada",)]
        assert connection.execute("select title from drafts").fetchall() == [("new",)]


def test_jobs_of_the_plain_program_are_run_by_another(
    load: Callable[[str], dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = printed("enqueue_only.py", "cat.jpg", "dog.jpg", cwd=tmp_path)
    refused = run(EXAMPLES / "enqueue_only.py", "cow.jpg", "cat.jpg", cwd=tmp_path)

    names = load("enqueue_only.py")
    # One at a time: two threads that print at once may mix their lines.
    queue = bgjobs.Queue("pictures", workers=[names["make_thumbnail"]], concurrency=1)

    async def run_jobs() -> None:
        async with bgjobs.run(bgjobs.Config(store=names["store"], queues=[queue])) as bg:
            await bg.drain()

    trio.run(run_jobs)

    assert [line.partition(":")[0] for line in lines] == ["cat.jpg", "dog.jpg"]
    assert "UNIQUE constraint failed: pictures.path" in refused.stderr
    assert sorted(capsys.readouterr().out.splitlines()) == [
        "thumbnail of cat.jpg, 200 pixels wide",
        "thumbnail of dog.jpg, 200 pixels wide",
    ]


def test_bgjobs_is_a_task_in_the_nursery_of_the_application(tmp_path: Path) -> None:
    *answers, last = printed("own_nursery.py", cwd=tmp_path)

    assert sorted(answers) == [
        "Ada: Does it run? Yes.",
        "Ada: Does it stop? Yes.",
        "Grace: Does it run? Yes.",
        "Grace: Does it stop? Yes.",
    ]
    assert last == "all tasks have ended"


def test_the_listeners_count_and_send_an_alert(tmp_path: Path) -> None:
    lines = printed("listener.py", cwd=tmp_path)

    assert lines[-3:] == ["JobAttemptFailed: 2", "JobFailed: 1", "JobSucceeded: 1"]
    assert sorted(lines[:-3]) == [
        "6 / 3 = 2",
        "ALERT: divide of queue 'maths' has failed: ZeroDivisionError: division by zero",
    ]


def test_many_processes_run_each_job_once(on_postgres: ExampleProgram) -> None:
    _, dsn = on_postgres.arguments

    *processes, last = printed("many_processes.py", dsn, cwd=on_postgres.cwd)

    assert last == "60 runs of 60 jobs"
    ran = [re.fullmatch(r"process \d+ ran (\d+) jobs", line) for line in processes]
    assert sum(int(match[1]) for match in ran if match) == 60
    assert 1 <= len(processes) <= 3
    with closing(on_postgres.connect()) as connection:
        rows = connection.execute("select number from many_processes.runs").fetchall()
    assert sorted(number for (number,) in rows) == list(range(60))


def test_the_store_in_memory_runs_an_application(tmp_path: Path) -> None:
    lines = printed("memory_store.py", cwd=tmp_path)

    assert sorted(lines) == ["Hello Ada!", "Hello Grace!"]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_store_in_memory_keeps_the_contract(
    check: Callable[[Store], None], load: Callable[[str], dict[str, Any]]
) -> None:
    store: Store = load("memory_store.py")["MemoryStore"]()
    with migrated(store):
        check(store)


def test_the_store_in_memory_refuses_transactions_of_a_caller(
    load: Callable[[str], dict[str, Any]],
) -> None:
    store: Store = load("memory_store.py")["MemoryStore"]()
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(StoreError, match="no transaction reaches them, found a Connection"),
    ):
        store.enqueue_in(connection, [])
