"""Some commands over PostgreSQL; the tests of the stores cover what differs from SQLite."""

import shlex
from collections.abc import Generator
from pathlib import Path

import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobOptions, JobRequest
from bgjobs.cli.application import load_config
from bgjobs.stores.types import NewJob
from tests.cli.conftest import Call
from tests.cli.hostile import HOSTILE, forged, raw
from tests.fixtures.postgres import drop_schema, random_schema

APP = """
import os
from attrs import evolve
import bgjobs, shop

config = evolve(
    shop.config,
    store=bgjobs.PostgresStore(os.environ["SHOP_DSN"], schema=os.environ["SHOP_SCHEMA"]),
    store_timeout=0.1,
)
"""


@pytest.fixture
def schema(shop: Path, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """Return the name of a schema of this test that does not exist yet."""
    (shop / "shop_on_postgres.py").write_text(APP, "utf-8")
    name = random_schema()
    monkeypatch.setenv("BGJOBS_APP", "shop_on_postgres:config")
    monkeypatch.setenv("SHOP_DSN", postgres_dsn)
    monkeypatch.setenv("SHOP_SCHEMA", name)
    yield name
    drop_schema(postgres_dsn, name)


def test_a_schema_is_created_and_jobs_are_changed(schema: str, call: Call) -> None:
    before = call("status")
    missing = call("migrate", "status")
    applied = call("migrate", "up", "--json").json["applied"]
    job = call("jobs", "enqueue", "greet", "--args", '["Ada"]', "--json").json["id"]
    call("queues", "pause", "default")
    listed = call("jobs", "list", "--json").json
    cancelled = call("jobs", "cancel", job, "--reason", "no")
    found_cancelled = call("jobs", "list", "--cancelled", "--json").json
    not_failed = call("jobs", "retry", "--all", "--yes")
    retried = call("jobs", "retry", "--all", "--cancelled", "--yes")
    found = call("status", "--json").json
    sane = call("doctor", "--json")

    assert (before.code, missing.code) == (5, 5)
    assert before.line.endswith("found none; run bgjobs migrate up")
    assert applied[0] == "0001_jobs"
    assert [one["id"] for one in listed] == [job]
    assert cancelled.out == f"cancelled {job}\n"
    assert [(one["state"], one["reason"]) for one in found_cancelled] == [("cancelled", "no")]
    assert not_failed.out == "retried 0\n"
    assert retried.out == "retried 1\n"
    assert found["jobs"]["waiting"] == 1
    assert [queue["paused"] for queue in found["queues"]] == [True, False]
    assert sane.code == 0, sane.out


def test_an_unreachable_server_is_one_line_without_its_password(
    shop: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "shop_on_postgres.py").write_text(APP, "utf-8")
    monkeypatch.setenv("BGJOBS_APP", "shop_on_postgres:config")
    monkeypatch.setenv("SHOP_DSN", "postgresql://ada:secret@127.0.0.1:1/shop")
    monkeypatch.setenv("SHOP_SCHEMA", "bgjobs")

    for command in ("status", "migrate up", "jobs list"):
        answer = call(*command.split())
        assert answer.code == 4
        assert answer.line.startswith("the store cannot be reached: postgresql://127.0.0.1:1")
        assert "secret" not in answer.err


def test_all_stored_texts_are_escaped(schema: str, call: Call) -> None:
    call("migrate", "up")
    store = load_config("shop_on_postgres:config").store
    store.open()
    options = JobOptions(unique_key=HOSTILE, metadata=(("tenant", HOSTILE),))
    store.write([NewJob(new_id(), JobRequest(f"named{HOSTILE}", "{}", options))])
    store.close()
    [job] = [one["id"] for one in call("jobs", "list", "--json").json]

    commands = ["jobs list", "status", "doctor", f"jobs show {job}", f"jobs cancel {job}"]
    answers = [call(*shlex.split(command)) for command in commands]
    cancelled = call("jobs", "cancel", "--all", "--yes", "--reason", HOSTILE)
    shown = [
        call("jobs", "show", job),
        call("jobs", "export"),
        call("jobs", "list", "--cancelled"),
    ]
    found = call("jobs", "show", job, "--json")

    assert ["named" in one.out for one in answers] == [True, True, True, True, False]
    for answer in [*answers, cancelled, *shown, found]:
        assert not raw(answer.out + answer.err)
        assert not forged(answer.out + answer.err)
    assert found.json["worker"] == f"named{HOSTILE}"
    assert found.json["metadata"] == {"tenant": HOSTILE}
    assert found.json["unique_key"] == HOSTILE


def test_validate_checks_each_constraint_once(schema: str, call: Call) -> None:
    call("migrate", "up")

    first = call("migrate", "validate")
    second = call("migrate", "validate")
    third = call("migrate", "validate", "--json")

    assert "validated jobs_limits, moved aside 0\n" in first.out
    assert second.out == "nothing to validate: all constraints are valid for all rows\n"
    remark = "nothing to validate: all constraints are valid for all rows"
    assert third.json == {"validated": {}, "remark": remark}
