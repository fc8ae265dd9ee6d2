"""`assert_children`: what it finds, and what it says."""

import pytest

import bgjobs
from bgjobs.testing import assert_children, drain, run_virtual

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def send(to: str) -> None: ...


@bgjobs.worker
async def note(text: str = "") -> None: ...


@bgjobs.worker
async def campaign(context: bgjobs.JobContext) -> None:
    async with context.open_nursery() as nursery:
        await nursery.enqueue(send.request("ada"))
        await nursery.enqueue(send.request("bob"))
        await nursery.enqueue(note.request())


CONFIG = bgjobs.Config(
    store=bgjobs.SQLiteStore(":memory:"),
    queues=[bgjobs.Queue("q", workers=[send, note, campaign])],
)


@pytest.fixture
def anyio_backend() -> object:
    return bgjobs.testing.virtual_backend("trio")


async def test_children_are_found_in_any_order() -> None:
    async with run_virtual(CONFIG) as bg:
        job = await bg.enqueue(campaign.request())
        await drain(bg)
        found = assert_children(bg, job, [note, send.request("bob"), send.request("ada")])
        assert [one.name for one in found] == ["note", "send", "send"]
        assert '"bob"' in found[1].payload
        assert assert_children(bg, found[0], []) == []


async def test_missing_and_further_children_are_listed() -> None:
    async with run_virtual(CONFIG) as bg:
        job = await bg.enqueue(campaign.request())
        await drain(bg)
        with pytest.raises(AssertionError) as caught:
            assert_children(bg, job.id, [send.request("ada"), send.request("eve"), note])
        assert str(caught.value).splitlines() == [
            "expected 3 children, found 3",
            "  missing: send(to='eve')",
            "  not expected: send(to='bob'), succeeded",
        ]


async def test_a_worker_stands_for_one_child() -> None:
    async with run_virtual(CONFIG) as bg:
        job = await bg.enqueue(campaign.request())
        await drain(bg)
        with pytest.raises(AssertionError, match="expected 2 children, found 3"):
            assert_children(bg, job, [send, note])
