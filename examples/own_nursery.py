"""Jobs as one task among others in the nursery of an application."""

import trio

import bgjobs


@bgjobs.worker
async def answer(visitor: str, question: str) -> None:
    print(f"{visitor}: {question}? Yes.")


config = bgjobs.Config(
    store=bgjobs.SQLiteStore(":memory:"),
    queues=[bgjobs.Queue("default", workers=[answer])],
)


async def visit(bg: bgjobs.BgJobs, visitor: str) -> None:
    """Stand for what your application does, such as serving requests."""
    for question in ("Does it run", "Does it stop"):
        job = await bg.enqueue(answer.request(visitor, question))
        await bg.wait_for(job)


async def main() -> None:
    async with trio.open_nursery() as nursery:
        bg: bgjobs.BgJobs = await nursery.start(bgjobs.serve, config)
        async with trio.open_nursery() as visitors:
            visitors.start_soon(visit, bg, "Ada")
            visitors.start_soon(visit, bg, "Grace")
        bg.stop()  # in order; the nursery waits for it, as for any task
    print("all tasks have ended")


if __name__ == "__main__":
    trio.run(main)
