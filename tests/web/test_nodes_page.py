"""The page of the processes and of what runs in them, on both stores."""

from datetime import timedelta

import pytest

import bgjobs
from tests.fixtures.databases import Database, SQLiteFile
from tests.web.lists import HOSTILE, open_owner, prepared, refusing, report, rows, shown

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def send(to: str) -> None: ...


def config_of(store: bgjobs.Store, *, lease: float = 20) -> bgjobs.Config:
    mail = bgjobs.Queue("mail", workers=[send])
    return bgjobs.Config(store=store, queues=[mail], lease=lease)


async def test_processes_and_their_queues_are_listed(database: Database) -> None:
    with prepared(database) as store:
        report(store, "a:1", ago=timedelta(seconds=60))
        report(store, "b:2", ago=timedelta(minutes=5), version="0.9")
        owner = open_owner(store, "mail", "a:1")
        async with bgjobs.connect(config_of(database.store())) as client:
            await client.enqueue_many([send.request("a") for _ in range(3)])
        assert len(store.reserve(owner, ["send"], 2)) == 2
    answer = await shown(config_of(database.store()), "/nodes")
    first, second = rows(answer)
    assert [first[:4], second[:4]] == [
        ["a:1", "running", "1.0", "3.11"],
        ["b:2", "silent", "0.9", "3.11"],
    ]
    assert (first[5], first[6][:5], second[6][:5]) == ("12 ms", "1 min", "5 min")
    [owned] = rows(answer, 1)
    assert (owned[0], owned[1], owned[4]) == ("mail", "a:1", "2")
    assert owned[3].startswith("4 min")


async def test_a_process_with_rare_heartbeats_is_not_silent_early(
    sqlite_file: SQLiteFile,
) -> None:
    with prepared(sqlite_file) as store:
        report(store, "a:1", ago=timedelta(minutes=5))
    [row] = rows(await shown(config_of(sqlite_file.store(), lease=600), "/nodes"))
    assert row[1] == "running"


async def test_hostile_names_of_nodes_are_shown(database: Database) -> None:
    with prepared(database) as store:
        report(store, HOSTILE, version=HOSTILE, ago=timedelta(0))
        open_owner(store, HOSTILE, HOSTILE)
    answer = await shown(config_of(database.store()), "/nodes")
    assert answer.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 4


async def test_a_system_without_processes_says_so(sqlite_file: SQLiteFile) -> None:
    with prepared(sqlite_file):
        pass
    answer = await shown(config_of(sqlite_file.store()), "/nodes")
    assert "No process has reported itself." in answer.text
    assert "No process runs a queue or a scheduled job." in answer.text


async def test_thousands_of_owners_are_bounded(sqlite_file: SQLiteFile) -> None:
    with prepared(sqlite_file) as store:
        for number in range(1_003):
            open_owner(store, f"q{number}")
    answer = await shown(config_of(sqlite_file.store()), "/nodes")
    assert len(rows(answer)) == 1_000
    assert 'And <span class="number">3</span> more.' in answer.text


async def test_a_refused_report_costs_that_table_only(database: Database) -> None:
    with prepared(database) as store:
        open_owner(store, "mail")
    store = refusing(database.store(), "processes")
    answer = await shown(config_of(store), "/nodes")
    assert "What processes have reported cannot be read" in answer.text
    assert [row[0] for row in rows(answer)] == ["mail"]
