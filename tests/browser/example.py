"""The shop of the pictures in the documentation: ``python example.py`` lives an hour of it.

The hour passes in virtual time and ends now, so that the jobs, their errors and the counts of
the queues are those of real runs. Then some jobs are left for ``bgjobs run``, which takes them
in real time.
"""

import json
from datetime import UTC, datetime, timedelta

import anyio
import trio
from attrs import evolve
from trio.testing import MockClock

import bgjobs
from bgjobs import every, schedule
from bgjobs.testing import VirtualClock

MINUTES = 60
LONG = 3600.0
"""Seconds that a job runs which is still running in the pictures."""


@bgjobs.worker(max_retries=3)
async def send_receipt(context: bgjobs.JobContext, order: int, language: str) -> None:
    """Send a receipt; the mail server is away now and then."""
    await anyio.sleep(0.1 + order % 7 / 10)
    if order % 19 == 0 and context.attempt == 1:
        raise ConnectionError("the mail server has closed the connection")


@bgjobs.worker(keep_result=True)
async def resize_image(context: bgjobs.JobContext, name: str, width: int) -> dict[str, int]:
    """Make an image smaller; images of 12,000 pixels take long."""
    if width > 10_000:
        await context.report_progress(done=7, total=12, note="sharpening")
        await anyio.sleep(LONG)
    await anyio.sleep(0.4 + width / 800)
    return {"width": width, "height": width * 3 // 4}


@bgjobs.worker(max_retries=1, backoff=lambda _attempt: 20)
async def sync_stock(product: int) -> None:
    """Read the stock of a product from the warehouse."""
    answer = await ask_warehouse(product)
    read_stock(answer)


async def ask_warehouse(product: int) -> str:
    """Return the answer of the warehouse, of which the end is missing sometimes."""
    await anyio.sleep(0.3 + product % 5 / 4)
    answer = json.dumps({"product": product, "pieces": product % 40})
    return answer[:-12] if product % 29 == 0 else answer


def read_stock(answer: str) -> int:
    """Return how many pieces there are."""
    stock = json.loads(answer)
    return int(stock["pieces"])


@bgjobs.worker(timeout=600)
async def build_report(month: str) -> None:
    """Take a while."""
    await anyio.sleep(40)


@bgjobs.worker
async def clean_carts() -> None:
    """Take a moment."""
    await anyio.sleep(2)


@bgjobs.worker
async def archive_orders() -> None:
    """Do nothing; it is due once a day."""


@bgjobs.worker
async def check_prices() -> None:
    """Take a moment."""
    await anyio.sleep(5)


config = bgjobs.Config(
    store=bgjobs.SQLiteStore("example.db"),
    queues=[
        bgjobs.Queue("mail", workers=[send_receipt]),
        bgjobs.Queue("images", workers=[resize_image], concurrency=4),
        bgjobs.Queue("stock", workers=[sync_stock]),
        bgjobs.Queue("reports", workers=[build_report], concurrency=1),
    ],
    scheduled_jobs=[
        bgjobs.ScheduledJob(clean_carts, every(minutes=5)),
        bgjobs.ScheduledJob(check_prices, schedule().every_minutes(10).build()),
        bgjobs.ScheduledJob(
            archive_orders, schedule().at(2, 30).in_timezone("Europe/Paris").build()
        ),
    ],
)


async def live(start: datetime) -> None:
    """Run the jobs of an hour."""
    past = evolve(config, clock=VirtualClock(start))
    async with bgjobs.run(past) as bg:
        await bg.enqueue(build_report.request("2030-01"))
        for minute in range(MINUTES):
            orders = 5 + abs(minute % 30 - 15) // 2 + minute * 7 % 4
            numbers = [1000 + minute * 20 + one for one in range(orders)]
            await bg.enqueue_many(
                send_receipt.request(number, "en" if number % 3 else "fr") for number in numbers
            )
            await bg.enqueue_many(
                resize_image.request(f"photo-{number}.jpg", 800) for number in numbers[::4]
            )
            await bg.enqueue_many(sync_stock.request(number) for number in numbers[::2])
            await trio.sleep(60)


async def leave_some() -> None:
    """Leave jobs that run, wait or are delayed."""
    async with bgjobs.connect(config) as client:
        await client.enqueue_many(
            resize_image.request(f"poster-{number}.jpg", 12_000) for number in range(6)
        )
        await client.admin.pause_queue("reports", by="ada")
        await client.enqueue(build_report.request("2030-02"))
        later = [send_receipt.request(3000 + number, "en") for number in range(8)]
        await client.enqueue_many(one.available_in(hours=2) for one in later)
        unwanted = await client.enqueue(later[0].available_in(hours=3))
        await client.admin.cancel(unwanted.id, reason="the order was cancelled", by="ada")


if __name__ == "__main__":
    began = datetime.now(UTC) - timedelta(minutes=MINUTES)
    trio.run(live, began, clock=MockClock(autojump_threshold=0))
    trio.run(leave_some)
