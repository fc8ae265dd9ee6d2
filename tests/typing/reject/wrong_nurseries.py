"""Wrong uses: each marked line must be an error to mypy and to pyright, no other line."""

from bgjobs import Client, JobContext, worker


@worker(keep_result=True)
async def count(path: str) -> int:
    return len(path)


@worker
async def parent(context: JobContext, client: str) -> str:
    async with context.open_nursery() as nursery:
        await nursery.enqueue(count)  # E: arg-type | reportArgumentType
        await nursery.enqueue(count.request("x"), "key")  # E: call-arg | reportCallIssue
        await nursery.enqueue_many(count.request("x"))  # E: arg-type | reportArgumentType
        nursery.enqueue(count.request("x"))  # E: unused-coroutine | reportUnusedCoroutine
        part = await nursery.enqueue(count.request("x"))
    context.open_nursery(False)  # E: call-arg | reportCallIssue
    return part.result  # E: return-value | reportReturnType


async def read(client: Client) -> None:
    await client.tree()  # E: call-arg | reportCallIssue
