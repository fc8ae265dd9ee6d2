"""`Client.list` in each state, by each property and page by page; `count` and its limit."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from attrs import evolve

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.testing.contract import steps
from tests.fixtures.hostile_rows import HostileRows
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio

STATES = [state for state in get_args(bgjobs.State) if state != "unreadable"]


@bgjobs.worker
async def mail() -> None: ...


@bgjobs.worker
async def other() -> None: ...


def put(
    app: Harness, state: bgjobs.State, count: int, name: str = "mail", **options: Any
) -> list[UUID]:
    """Store jobs in this state. Return their ids, the oldest first."""
    with app.opened() as store:
        store.migrate()
        return [put_one(store, state, name=name, **options).id for _ in range(count)]


def put_one(store: bgjobs.Store, state: bgjobs.State, name: str, **options: Any) -> bgjobs.Job:
    now = datetime.now(UTC)
    if state in steps.ENDS:
        return steps.end(store, steps.ENDS[state], now, name=name, **options)
    if state == "delayed":
        options["available_in"] = timedelta(hours=1)
    job = steps.put_one(store, name, now, **options)
    if state == "running":
        [job] = steps.take(store, steps.start(store, now=now), [name], now=now)
    return job


async def pages(
    client: bgjobs.Client, wanted: bgjobs.JobFilter[Any], limit: int
) -> Sequence[Sequence[UUID]]:
    """Return the ids of each page, the last of which may be empty."""
    page, found = bgjobs.Page(limit), list[list[UUID]]()
    while True:
        listing = await client.list(wanted, page)
        assert {job.state for job in listing} <= {wanted.state}
        found.append([job.id for job in listing])
        if listing.after is None:
            return found
        page = bgjobs.Page(limit, listing.after)


@pytest.mark.parametrize("state", STATES)
async def test_each_state_is_listed_page_by_page(app: Harness, state: bgjobs.State) -> None:
    for one in reversed(STATES):  # so that no job waits when one is reserved
        put(app, one, 1, name="other")
    ids = put(app, state, 5)
    in_order = ids if state in ("waiting", "delayed", "running") else ids[::-1]
    async with bgjobs.connect(app.config(mail)) as client:
        for limit in (1, 2, 5, 100):
            found = await pages(client, bgjobs.JobFilter(state, name="mail"), limit)
            assert [one for page in found for one in page] == in_order
            assert all(len(page) == limit for page in found[:-1])
        everything = await pages(client, bgjobs.JobFilter(state), 2)
        assert len([one for page in everything for one in page]) == 6
        assert await client.list(bgjobs.JobFilter(state, name="unknown")) == []
        counts = await client.count()
        assert [getattr(counts, one) for one in STATES] == [
            6 if one == state else 1 for one in STATES
        ]
        few = await client.count(["mail"], at_most=3)
        assert [getattr(few, one) for one in STATES] == [
            3 if one == state else 0 for one in STATES
        ]


@pytest.mark.parametrize("state", STATES)
async def test_jobs_are_listed_by_their_time_and_metadata(
    app: Harness, state: bgjobs.State
) -> None:
    old = put(app, state, 2, metadata=(("shop", "x"),))
    between = datetime.now(UTC)
    new = put(app, state, 2, metadata=(("shop", "y"), ("part", "1")))
    async with bgjobs.connect(app.config(mail)) as client:

        async def listed(**properties: Any) -> set[UUID]:
            return {one.id for one in await client.list(bgjobs.JobFilter(state, **properties))}

        assert await listed(before=between) == set(old)
        assert await listed(after=between) == set(new)
        assert await listed(before=between, after=between) == set()
        assert await listed(metadata={"shop": "x"}) == set(old)
        assert await listed(metadata={"shop": "y"}, name="mail") == set(new)
        assert await listed(metadata={"shop": "y"}, before=between) == set()


@pytest.mark.parametrize("state", ["running", "succeeded", "failed", "cancelled"])
async def test_jobs_are_listed_by_the_queue_and_the_owner_that_reserved_them(
    app: Harness, state: bgjobs.State
) -> None:
    ids = put(app, state, 2)
    async with bgjobs.connect(app.config(mail)) as client:
        jobs = {job.id: job for job in await client.list(bgjobs.JobFilter(state))}
        for one in ids:
            owned = bgjobs.JobFilter(state, owner=jobs[one].reserved_by)
            assert [job.id for job in await client.list(owned)] == [one]
        assert await client.list(bgjobs.JobFilter(state, owner=new_id())) == []
        found = await client.list(bgjobs.JobFilter(state, queue="default"))
        assert {job.id for job in found} == set(ids)
        assert await client.list(bgjobs.JobFilter(state, queue="mail")) == []


async def test_jobs_of_a_queue_that_has_stopped_are_listed(app: Harness) -> None:
    queues = [bgjobs.Queue("one", workers=[mail]), bgjobs.Queue("two", workers=[other])]
    async with bgjobs.run(app.config(queues=queues)) as bg:
        job = await bg.wait_for(await bg.enqueue(mail.request()))
        await bg.wait_for(await bg.enqueue(other.request()))
    async with bgjobs.connect(app.config(queues=queues)) as client:
        found = await client.list(bgjobs.JobFilter("succeeded", queue="one"))
        assert list(found) == [job]


async def test_a_search_is_listed_page_by_page(app: Harness) -> None:
    """The latest failure first; the position is not an id."""
    now = datetime.now(UTC)
    with app.opened() as store:
        store.migrate()
        ids = [steps.lose(store, f"no route {n % 2}", now, name="mail").id for n in range(6)]
    async with bgjobs.connect(app.config(mail)) as client:
        for name in (None, "mail"):
            wanted = bgjobs.JobFilter("failed", search="route 1", name=name)
            found = await pages(client, wanted, 2)
            assert sorted(one for page in found for one in page) == ids[1::2]


async def test_unreadable_rows_are_listed_and_counted(app: Harness) -> None:
    app.migrate()
    rows = HostileRows(app.database)
    bad = sorted(UUID(str(rows.insert(metadata="{"))) for _ in range(3))
    async with bgjobs.connect(app.config(mail)) as client:
        assert await client.list(bgjobs.JobFilter("waiting")) == []  # which sets them apart
        found = await pages(client, bgjobs.JobFilter("unreadable"), 2)
        assert sorted(one for page in found for one in page) == bad
        assert (await client.count(["mail"])).unreadable == 3
        assert (await client.count(at_most=2)).unreadable == 2


async def test_the_timeline_of_a_job_whose_owner_is_unknown_has_no_queue(app: Harness) -> None:
    [job_id] = put(app, "succeeded", 1)
    async with bgjobs.connect(app.config(mail)) as client:
        job = await client.find(job_id)
        assert isinstance(job, bgjobs.SucceededJob)
        assert [one.queue for one in await client.timeline(job)] == [None, "default", None]
        unknown = evolve(job, reserved_by=new_id())
        assert await client.timeline(unknown) == bgjobs.timeline(unknown)
        assert [one.queue for one in await client.timeline(unknown)] == [None] * 3


async def test_the_jobs_of_any_filter_are_counted(app: Harness) -> None:
    put(app, "failed", 1)
    put(app, "waiting", 3, metadata=(("tenant", "7"),))
    put(app, "waiting", 2, name="other")
    waiting = bgjobs.JobFilter("waiting")
    of_tenant = bgjobs.JobFilter("waiting", metadata={"tenant": "7"})
    async with bgjobs.connect(app.config(mail)) as client:
        found = [
            await client.count_matching(one)
            for one in (waiting, evolve(waiting, name="other"), of_tenant)
        ]
        assert found == [5, 2, 3]
        for one in (waiting, of_tenant):
            assert await client.count_matching(one, at_most=2) == 2
            assert await client.count_matching(one, at_most=0) == 0
        assert await client.count_matching(bgjobs.JobFilter("unreadable")) == 0
        with pytest.raises(TypeError, match="count_matching: wanted: expected a JobFilter"):
            await client.count_matching("waiting")  # type: ignore[arg-type] # the point


async def test_a_page_examines_as_many_rows_as_it_may(app: Harness) -> None:
    """Here are more than are read at once; the next page goes on behind them."""
    put(app, "waiting", 250)
    [wanted] = put(app, "waiting", 1, metadata=(("tenant", "7"),))
    of_tenant = bgjobs.JobFilter("waiting", metadata={"tenant": "7"})
    async with bgjobs.connect(app.config(mail)) as client:
        first = await client.list(of_tenant, bgjobs.Page(10, examined=240))
        assert (list(first), first.after is None) == ([], False)
        second = await client.list(of_tenant, bgjobs.Page(10, first.after, examined=240))
        assert [job.id for job in second] == [wanted]
    with pytest.raises(ValueError, match="Page: examined"):
        bgjobs.Page(examined=0)
