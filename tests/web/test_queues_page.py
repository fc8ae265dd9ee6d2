"""The page of the queues, on both stores."""

import pytest

import bgjobs
from tests.fixtures.databases import Database, SQLiteFile
from tests.fixtures.stores import operator_of
from tests.web.lists import HOSTILE, open_owner, prepared, record, refusing, rows, shown

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def send(to: str) -> None: ...


@bgjobs.worker
async def clean() -> None: ...


def config_of(database: Database, *queues: bgjobs.Queue) -> bgjobs.Config:
    return bgjobs.Config(store=database.store(), queues=queues, enqueue_only=[send])


async def test_a_queue_has_its_processes_slots_jobs_and_rates(database: Database) -> None:
    mail = bgjobs.Queue("mail", workers=[send], concurrency=3)
    other = bgjobs.Queue("night", workers=[clean])
    config = config_of(database, mail, other)
    with prepared(database) as store:
        owner = open_owner(store, "mail")
        open_owner(store, "mail")
        record(store, ("send", 600, 7, 60, 0), ("clean", 0, 0, 0, 0), ("unknown", 9, 9, 9, 9))
        operator_of(store).pause_queue("night")
        async with bgjobs.connect(config) as client:
            await client.enqueue_many([send.request("a") for _ in range(4)])
            await client.enqueue(send.request("b").available_in(hours=1))
        assert len(store.reserve(owner, ["send"], 1)) == 1
    [first, second] = rows(await shown(config, "/queues"))

    assert first[:9] == ["mail", "running", "send", "2", "3", "6", "1", "3", "1"]
    succeeded, failed, retried, cancelled = first[9:]
    assert 600 / 65 - 0.1 <= float(succeeded) <= 10
    assert (failed, cancelled) == ("0.1", "0")
    assert 0.9 <= float(retried) <= 1.0
    assert second == ["night", "paused", "clean", "0", "10", "0", *"000", *"0000"]


async def test_a_queue_that_no_process_runs_is_marked(sqlite_file: SQLiteFile) -> None:
    with prepared(sqlite_file):
        pass
    config = config_of(sqlite_file, bgjobs.Queue("mail", workers=[send]))
    [row] = rows(await shown(config, "/queues"))
    assert row[1] == "not running"


async def test_queues_of_other_configurations_are_listed(database: Database) -> None:
    with prepared(database) as store:
        for name in ("mail", "zebra", HOSTILE, HOSTILE):
            open_owner(store, name)
        operator_of(store).pause_queue("old")
    answer = await shown(config_of(database, bgjobs.Queue("mail", workers=[send])), "/queues")
    found = rows(answer, 1)
    assert [row[1:] for row in found] == [
        ["running", "2", "0"],
        ["paused", "0", "0"],
        ["running", "1", "0"],
    ]
    assert [row[0] for row in found][1:] == ["old", "zebra"]
    assert "&lt;script&gt;" in answer.text


async def test_a_system_without_queues_says_so(sqlite_file: SQLiteFile) -> None:
    with prepared(sqlite_file):
        pass
    answer = await shown(config_of(sqlite_file), "/queues")
    assert "The configuration has no queues." in answer.text
    assert "<table>" not in answer.text


async def test_a_refused_part_costs_that_part_only(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with prepared(database):
        pass
    mail = bgjobs.Queue("mail", workers=[send])
    store = refusing(database.store(), "activity", "commands")
    answer = await shown(bgjobs.Config(store=store, queues=[mail]), "/queues")
    [row] = rows(answer)
    assert row == ["mail", "-", "send", "0", "10", *"0000", *"----"]
    assert "What queues have done cannot be read" in answer.text
    assert "permission denied" not in answer.text
    texts = [one.getMessage() for one in caplog.records if one.name == "bgjobs.web"]
    assert texts == 2 * ["a part of a page cannot be read: permission denied for table secret"]


async def test_many_queues_are_shown_in_portions(sqlite_file: SQLiteFile) -> None:
    with prepared(sqlite_file):
        pass
    queues = [bgjobs.Queue(f"q{number}", workers=[send]) for number in range(250)]
    config = config_of(sqlite_file, *queues)
    first = await shown(config, "/queues")
    last = await shown(config, "/queues?page=3")
    assert (len(rows(first)), len(rows(last))) == (100, 50)
    assert 'href="/queues?page=2"' in first.text
    assert 'rel="prev"' not in first.text
    assert 'href="/queues?page=2"' in last.text
    assert 'rel="next"' not in last.text


@pytest.mark.parametrize("page", ["0", "-1", "x", "", "9" * 50, "%D9%A3", "4"])
async def test_a_portion_that_does_not_exist_is_the_nearest_one(
    page: str, sqlite_file: SQLiteFile
) -> None:
    with prepared(sqlite_file):
        pass
    queues = [bgjobs.Queue(f"q{number}", workers=[send]) for number in range(101)]
    found = rows(await shown(config_of(sqlite_file, *queues), f"/queues?page={page}"))
    assert len(found) == (1 if page == "4" else 100)
