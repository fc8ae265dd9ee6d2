"""Waiting handlers and parents on the pages, on both stores."""

import re
from datetime import timedelta
from uuid import UUID

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.settlements import Succeed
from bgjobs.stores.nurseries import NewChild, nurseries_of
from bgjobs.stores.types import NewJob, Owner
from tests.fixtures.databases import Database, SQLiteFile
from tests.fixtures.stores import migrated, operator_of
from tests.web.families import held, running, start, wait
from tests.web.lists import HOSTILE, prepared, rows, shown
from tests.web.stored import browser_of, rows_of, seen

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def book() -> None: ...


def config_of(database: Database) -> bgjobs.Config:
    mail = bgjobs.Queue("mail", workers=[book], concurrency=3)
    return bgjobs.Config(store=database.store(), queues=[mail])


def family(store: bgjobs.Store) -> list[UUID]:
    """Store a job that waits for a running and an ended child, both of queue mail."""
    parent = running(store, "book")
    first, second = start(store, parent, "page", "cover")
    held(store, "page")
    assert not store.write(settle=[Succeed(held(store, "cover").reservation)]).lost
    wait(store, parent)
    return [parent.id, first, second]


async def test_waiting_handlers_are_counted_apart_from_running_ones(database: Database) -> None:
    with prepared(database) as store:
        family(store)
    queues = await shown(config_of(database), "/queues")
    assert rows(queues)[0][3:8] == ["3", "3", "9", "1", "1"]
    assert "Jobs that wait for children hold no slot" in queues.text
    nodes = await shown(config_of(database), "/nodes")
    assert sorted([*row[4:]] for row in rows(nodes, 0)) == [["0", "0"], ["0", "1"], ["1", "0"]]
    overview = await shown(config_of(database), "/")
    assert "Of the running jobs, 1 waits for children." in seen(overview)
    assert "mail active 1 1 9" in seen(overview)
    assert "For children" in overview.text


async def test_queues_elsewhere_have_waiting_handlers_too(sqlite_file: SQLiteFile) -> None:
    with prepared(sqlite_file) as store:
        family(store)
    config = bgjobs.Config(store=sqlite_file.store(), queues=[], enqueue_only=[book])
    assert rows(await shown(config, "/queues")) == [["mail", "running", "3", "1", "1"]]


async def test_without_waiting_handlers_there_is_no_column(database: Database) -> None:
    with prepared(database) as store:
        running(store, "book")
    for target in ("/", "/queues", "/nodes", "/jobs?state=running"):
        answer = await shown(config_of(database), target)
        assert "children" not in answer.text, target


async def test_a_list_of_running_jobs_says_which_wait(database: Database) -> None:
    with migrated(database.store()) as store:
        family(store)
    async with browser_of(database.store()) as browser:
        answer = await browser.get("/jobs?state=running")
    texts = {row[1]: row[-1] for row in rows(answer)}
    assert texts == {"book": "waits for children", "page": ""}


async def test_a_job_shows_for_how_many_children_it_waits(database: Database) -> None:
    with migrated(database.store()) as store:
        parent, first, _ = family(store)
    async with browser_of(database.store()) as browser:
        waits, child = [await browser.get(f"/jobs/{one}") for one in (parent, first)]
    assert "State running, waits for 1 of 2 children since 20" in seen(waits)
    assert "State running Since" in seen(child)
    assert [row[0] for row in rows(waits)] == ["waited", "attempt 1 running"]
    times = {row[0]: [bool(one) for one in row[4:]] for row in rows(waits, 1)}
    assert times == {"book": [True, False], "page": [True, False], "cover": [True, True]}


async def test_the_nursery_of_an_application_is_no_link(database: Database) -> None:
    with migrated(database.store()) as store:
        owner = Owner(new_id(), "nursery", HOSTILE)
        store.open_owner(owner, timedelta(hours=1))
        nurseries = nurseries_of(store)
        assert nurseries is not None
        new = NewChild("a", NewJob(new_id(), bgjobs.JobRequest("page", "{}")))
        [child] = nurseries.start_children(owner.id, [new]) or ()
        async with browser_of(database.store()) as browser:
            during = await browser.get(f"/jobs/{child.id}")
        assert not store.write(settle=[Succeed(held(store, "page").reservation)]).lost
        store.close_owners([owner.id])
    async with browser_of(database.store()) as browser:
        after = await browser.get(f"/jobs/{child.id}")
    assert f"Parent {owner.id}, the nursery of an application on " in seen(during)
    assert f"Parent {owner.id}, " in seen(after)
    for answer in (during, after):
        assert f"/jobs/{owner.id}" not in answer.text
        assert "<script>" not in answer.text


async def test_a_parent_that_is_not_stored_any_more_is_no_link(sqlite_file: SQLiteFile) -> None:
    with migrated(sqlite_file.store()) as store:
        parent = running(store, "book")
        [child] = start(store, parent, "page")
        assert not store.write(settle=[Succeed(held(store, "page").reservation)]).lost
        assert not store.write(settle=[Succeed(parent.reservation)]).lost
        assert operator_of(store).delete([parent.id]) == [parent.id]
    async with browser_of(sqlite_file.store()) as browser:
        answer = await browser.get(f"/jobs/{child}")
    assert f"Parent {parent.id}, not stored any more" in seen(answer)
    assert f"/jobs/{parent.id}" not in answer.text


async def test_a_parent_that_cannot_be_read_is_a_link(sqlite_file: SQLiteFile) -> None:
    with migrated(sqlite_file.store()) as store:
        parent = running(store, "book")
        [child] = start(store, parent, "page")
    raw = rows_of(sqlite_file)
    change = f"update {raw.prefix}jobs set errors = 'no JSON' where id = ?"
    raw.run(change, [str(parent.id)])
    async with browser_of(sqlite_file.store()) as browser:
        answer = await browser.get(f"/jobs/{child}")
    assert re.search(rf'<dt>Parent</dt><dd><a href="/jobs/{parent.id}">', answer.text)
