"""Two listeners: one counts what happens, one sends an alert when a job has failed for good."""

from collections import Counter

import trio

import bgjobs
from bgjobs.events import Event, JobAttemptFailed, JobFailed, JobSucceeded


@bgjobs.worker
async def divide(number: int, by: int) -> None:
    print(f"{number} / {by} = {number / by:g}")


counts = Counter[str]()


def count(event: Event) -> None:
    """Be quick: a plain listener is called where things happen."""
    if isinstance(event, JobSucceeded | JobAttemptFailed | JobFailed):
        counts[type(event).__name__] += 1


async def alert(event: Event) -> None:
    """Send the event; an async listener has a buffer, so it delays no queue."""
    if isinstance(event, JobFailed):
        await trio.sleep(0.1)  # the call of your alerting service
        *_, reason = event.error.splitlines()
        print(f"ALERT: {event.job.name} of queue {event.queue!r} has failed: {reason}")


queue = bgjobs.Queue(
    "maths",
    workers=[divide],
    max_retries=2,
    backoff=bgjobs.backoff.IMMEDIATE,
    listeners=[alert],  # this queue's events only
)
config = bgjobs.Config(
    store=bgjobs.SQLiteStore(":memory:"),
    queues=[queue],
    listeners=[count],  # the events of everything
)


async def main() -> None:
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many([divide.request(6, 3), divide.request(1, 0)])
        await bg.drain()
    for name, number in sorted(counts.items()):
        print(f"{name}: {number}")


if __name__ == "__main__":
    trio.run(main)
