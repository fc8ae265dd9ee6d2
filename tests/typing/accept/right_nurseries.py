"""Nurseries, used rightly: checked, never run."""

from collections.abc import Sequence
from typing import assert_type

from bgjobs import BgJobs, ChildJob, Client, JobContext, JobNursery, JobTree, NotKept, worker


@worker(keep_result=True)
async def count(path: str) -> int:
    return len(path)


@worker
async def touch(path: str) -> None: ...


@worker(keep_result=True)
async def total(context: JobContext, paths: list[str]) -> int:
    async with context.open_nursery() as nursery:
        assert_type(nursery, JobNursery)
        one = await nursery.enqueue(count.request(paths[0]))
        more = await nursery.enqueue_many(count.request(path) for path in paths)
        quiet = await nursery.enqueue(touch.request("x"), key="x")
        await one.wait()
    assert_type(one, ChildJob[int])
    assert_type(more, Sequence[ChildJob[int]])
    assert_type(quiet, ChildJob[NotKept])
    return one.result + sum(part.result for part in more)


async def application(bg: BgJobs) -> int:
    async with bg.open_nursery(cancel_on_failure=False) as nursery:
        part = await nursery.enqueue(count.request("x"))
    return part.result


async def read(client: Client, child: ChildJob[int]) -> None:
    assert_type(await client.tree(child.id), JobTree)
    assert_type(await client.tree(child.id, most=5), JobTree)
