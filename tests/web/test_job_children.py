"""The children of a job on its page, and on the page that asks before it is cancelled."""

import re
from collections.abc import Sequence
from uuid import UUID

import pytest

import bgjobs
from bgjobs._core.settlements import Succeed
from bgjobs._core.text import visible
from bgjobs.errors import UnknownJobError
from tests.fixtures.databases import Database, SQLiteFile
from tests.fixtures.stores import migrated
from tests.web.actors import ACTOR
from tests.web.browser import Answer
from tests.web.families import held, running, start
from tests.web.stored import browser_of, rows_of, seen

pytestmark = pytest.mark.anyio
HOSTILE = "<script>alert(1)</script>'\"></title></svg><img src=x onerror=alert(2)>\u202e"
_NODE = re.compile(r'<a class="graph-node" href="/jobs/([0-9a-f-]{36})">')


def nodes(answer: Answer) -> list[UUID]:
    assert answer.status == 200, answer.text
    return [UUID(one) for one in _NODE.findall(answer.text)]


def family(database: Database) -> Sequence[UUID]:
    """Store a job, its first child, a child of that, and its second child, which succeeded."""
    with migrated(database.store()) as store:
        parent = running(store, "book")
        first, second = start(store, parent, "page", "cover")
        done = held(store, "cover")
        assert not store.write(settle=[Succeed(done.reservation)]).lost
        [leaf] = start(store, held(store, "page"), "line")
    return parent.id, first, leaf, second


async def test_the_descendants_are_a_graph_of_links(database: Database) -> None:
    ids = family(database)
    async with browser_of(database.store()) as browser:
        answer = await browser.get(f"/jobs/{ids[0]}")

    assert nodes(answer) == list(ids)
    text = seen(answer)
    assert "Children 3 descendants: 1 running, 1 waiting, 1 succeeded" in text
    for name, state, one in zip(
        ("book", "page", "line", "cover"),
        ("running", "running", "waiting", "succeeded"),
        ids,
        strict=True,
    ):
        assert f"<title>{name}, {state}, {one}</title>" in answer.text
    assert "More descendants" not in text
    assert "Parent" not in text


async def test_a_child_links_to_its_parent(database: Database) -> None:
    parent, first, leaf, second = family(database)
    async with browser_of(database.store()) as browser:
        middle, *last = [await browser.get(f"/jobs/{one}") for one in (first, leaf, second)]

    assert f'<dt>Parent</dt><dd><a href="/jobs/{parent}">' in middle.text
    assert nodes(middle) == [first, leaf]
    assert f'<dt>Parent</dt><dd><a href="/jobs/{first}">' in last[0].text
    for answer in last:
        assert nodes(answer) == []
        assert "Children" not in seen(answer)


async def test_of_many_children_fifty_jobs_are_drawn(database: Database) -> None:
    with migrated(database.store()) as store:
        parent = running(store, "book")
        ids = start(store, parent, *["page"] * 60)
    async with browser_of(database.store()) as browser:
        answer = await browser.get(f"/jobs/{parent.id}")

    assert nodes(answer) == [parent.id, *ids[:49]]
    assert "The first 49 descendants: 49 waiting" in seen(answer)
    assert "More descendants are not shown." in seen(answer)


async def test_names_of_children_are_escaped(database: Database) -> None:
    with migrated(database.store()) as store:
        parent = running(store, "book")
        start(store, parent, HOSTILE)
    async with browser_of(database.store()) as browser:
        answer = await browser.get(f"/jobs/{parent.id}")

    assert len(nodes(answer)) == 2
    assert visible(HOSTILE) in seen(answer)
    for part in ("<script>", "<img", "\u202e"):
        assert part not in answer.text


async def test_a_job_without_children_is_read_with_one_more_call(
    sqlite_file: SQLiteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    read = bgjobs.Client.tree

    async def noted(self: bgjobs.Client, job: bgjobs.Job, *, most: int) -> bgjobs.JobTree:
        asked.append(most)
        return await read(self, job, most=most)

    monkeypatch.setattr(bgjobs.Client, "tree", noted)
    job_id = rows_of(sqlite_file).insert()
    async with browser_of(sqlite_file.store()) as browser:
        answer = await browser.get(f"/jobs/{job_id}")

    assert asked == [50]
    assert "Children" not in seen(answer)


async def test_a_job_that_was_deleted_meanwhile_has_no_graph(
    sqlite_file: SQLiteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(_self: bgjobs.Client, job: bgjobs.Job, **_options: int) -> bgjobs.JobTree:
        raise UnknownJobError(job.id if isinstance(job, bgjobs.Job) else job)

    monkeypatch.setattr(bgjobs.Client, "tree", gone)
    ids = family(sqlite_file)
    async with browser_of(sqlite_file.store(), ACTOR) as browser:
        page = await browser.get(f"/jobs/{ids[0]}")
        form = await browser.get(f"/jobs/change?do=cancel&job={ids[0]}")

    assert nodes(page) == []
    assert "1 job is selected. Those that wait end at once." in seen(form)


async def test_live_descendants_are_counted_before_a_job_is_cancelled(
    database: Database,
) -> None:
    parent, first, leaf, second = family(database)
    async with browser_of(database.store(), ACTOR) as browser:
        forms = [
            seen(await browser.get(f"/jobs/change?do=cancel&job={one}"))
            for one in (parent, first, leaf, second)
        ]
        both = await browser.get(f"/jobs/change?do=cancel&job={parent}&job={leaf}")
        delete = await browser.get(f"/jobs/change?do=delete&job={parent}")

    assert "1 job is selected, and its 2 live descendants. Those that wait" in forms[0]
    assert "1 job is selected, and its 1 live descendant. Those that wait" in forms[1]
    for text in (*forms[2:], seen(both), seen(delete)):
        assert "descendant" not in text


async def test_a_thousand_descendants_are_not_counted_further(sqlite_file: SQLiteFile) -> None:
    with migrated(sqlite_file.store()) as store:
        parent = running(store, "book")
        start(store, parent, *["page"] * 1_000)
    async with browser_of(sqlite_file.store(), ACTOR) as browser:
        answer = await browser.get(f"/jobs/change?do=cancel&job={parent.id}")

    assert "and those of its 1,000 or more descendants that are live." in seen(answer)
