"""Telemetry of jobs that start others and wait for them."""

from collections.abc import Mapping

import anyio
import pytest

import bgjobs
from bgjobs.stores.nurseries import nurseries_of
from tests.telemetry.conftest import Exports, Traced

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def page(number: int) -> None: ...


@bgjobs.worker
async def book(context: bgjobs.JobContext, pages: int) -> None:
    async with context.open_nursery() as nursery:
        await nursery.enqueue(page.request(0))
        await nursery.enqueue_many(page.request(number) for number in range(1, pages))


async def test_the_span_of_a_child_is_linked_to_that_of_its_parent(app: Traced) -> None:
    async with bgjobs.run(app.config(book, page)) as bg:
        job = await bg.enqueue(book.request(3))
        await bg.drain()
    spans = app.exports.spans
    [parent] = spans("process book")
    created, processed = spans("create page"), spans("process page")
    assert (len(created), len(processed)) == (3, 3)
    assert parent.context is not None
    for one in created:
        assert one.parent is not None
        assert one.parent.span_id == parent.context.span_id
    links = {link.context.span_id for one in processed for link in one.links}
    assert links == {one.context.span_id for one in created if one.context is not None}
    assert len(links) == 3
    assert {(one.attributes or {})["bgjobs.parent"] for one in processed} == {str(job.id)}
    assert "bgjobs.parent" not in (parent.attributes or {})


async def test_the_span_of_a_child_of_an_application_is_linked_to_its_block(
    sqlite_app: Traced,
) -> None:
    exports = sqlite_app.exports
    async with bgjobs.run(sqlite_app.config(page)) as bg:
        with exports.tracer.start_as_current_span("report") as block:
            async with bg.open_nursery() as nursery:
                await nursery.enqueue(page.request(0))
    created = exports.span("create page")
    assert created.parent is not None
    assert created.parent.span_id == block.get_span_context().span_id
    [link] = exports.span("process page").links
    assert created.context is not None
    assert link.context.span_id == created.context.span_id


@bgjobs.worker
async def hang() -> None:
    await anyio.sleep_forever()


def waits(exports: Exports) -> Mapping[str, int]:
    found = exports.points("bgjobs.queue.waiting_for_children")
    return {dict(attributes)["queue"]: value for attributes, value in found.items()}


async def test_handlers_that_wait_are_counted_by_queue(app: Traced) -> None:
    async def seen(count: int) -> None:
        while waits(app.exports) != {"default": count}:
            await anyio.sleep(0.01)

    async with bgjobs.run(app.config(hang)) as bg, anyio.create_task_group() as tasks:

        async def observe() -> None:
            await app.exports.telemetry.observe(bg, every=0.01)

        await bg.enqueue(hang.request())
        while not (found := await bg.list(bgjobs.JobFilter("running"))):
            await anyio.sleep(0.01)
        tasks.start_soon(observe)
        await seen(0)
        with app.opened() as store:
            nurseries = nurseries_of(store)
            assert nurseries is not None
            nurseries.record_waits([found[0].reservation])
        await seen(1)
        bg.stop(grace=0)
    assert waits(app.exports) == {}
