"""A worker, a queue, two jobs."""

import trio

import bgjobs


@bgjobs.worker
async def greet(name: str, *, polite: bool = False) -> None:
    print(f"Good morning, {name}." if polite else f"Hello {name}!")


config = bgjobs.Config(
    store=bgjobs.SQLiteStore("jobs.db"),
    queues=[bgjobs.Queue("default", workers=[greet], concurrency=10, max_retries=3)],
)


async def main() -> None:
    async with bgjobs.run(config) as bg:
        await bg.enqueue(greet.request("Ada"))
        await bg.enqueue(greet.request("Grace", polite=True).available_in(seconds=1))
        await bg.drain(with_delayed=True)  # a server would: await bg.run_until_stopped()


if __name__ == "__main__":
    trio.run(main)
