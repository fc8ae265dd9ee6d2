"""The page of what is wrong, on both stores."""

import pytest

import bgjobs
from bgjobs.stores.operations import Finding, Level
from tests.fixtures.databases import Database
from tests.web.lists import HOSTILE, open_owner, prepared, refusing, rows, shown

pytestmark = pytest.mark.anyio
LEVELS: tuple[Level, ...] = ("ok", "warning", "problem", "ok")


@bgjobs.worker
async def send(to: str) -> None: ...


def config_of(store: bgjobs.Store) -> bgjobs.Config:
    return bgjobs.Config(store=store, queues=[bgjobs.Queue("mail", workers=[send])])


async def test_a_healthy_system_has_no_unhandled_jobs(database: Database) -> None:
    with prepared(database) as store:
        open_owner(store, "mail")
    answer = await shown(config_of(database.store()), "/health")
    assert "None wait." in answer.text
    assert {"ok"} <= {row[0] for row in rows(answer)} <= {"ok", "warning"}


async def test_unhandled_jobs_are_listed(database: Database) -> None:
    with prepared(database):
        pass
    hostile = bgjobs.worker(name="<b>'x'")(send.handler)
    both = bgjobs.Config(store=database.store(), enqueue_only=[send, hostile])
    async with bgjobs.connect(both) as client:
        await client.enqueue_many([send.request("a"), send.request("b")])
        await client.enqueue(hostile.request("c"))
    answer = await shown(config_of(database.store()), "/health")
    first, second = rows(answer, 1)
    assert (first[:2], first[3:]) == (["<b>'x'", "1"], ["no", "-"])
    assert (second[:2], second[3:]) == (["send", "2"], ["yes", "mail"])
    assert "no process runs 'mail': start one with bgjobs run" in " ".join(
        row[2] for row in rows(answer)
    )
    assert "<b>" not in answer.text


async def test_problems_come_first_and_hostile_texts_are_escaped(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with prepared(database):
        pass

    async def diagnose(_: object) -> list[Finding]:
        return [Finding("one", level, HOSTILE) for level in LEVELS]

    monkeypatch.setattr(bgjobs.Admin, "diagnose", diagnose)
    answer = await shown(config_of(database.store()), "/health")
    assert [row[0] for row in rows(answer)] == ["problem", "warning", "ok", "ok"]
    assert "2 checks found something." in answer.text
    assert answer.text.count("&lt;script&gt;") == 4


async def test_refused_checks_cost_that_part_only(database: Database) -> None:
    with prepared(database):
        pass
    answer = await shown(config_of(refusing(database.store(), "diagnose")), "/health")
    assert "What the checks find cannot be read" in answer.text
    assert "None wait." in answer.text
