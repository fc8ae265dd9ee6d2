"""The application whose page the browser opens: ``python shop.py`` migrates and runs some jobs.

The environment names its store and its event loop.
"""

import json
import os
from typing import Any

import anyio

import bgjobs
from bgjobs import web
from bgjobs.web.auth.passwords import PasswordHash

PASSWORD = "correct horse"
LONG = "a" * 190


@bgjobs.worker(keep_result=True)
async def greet(name: str) -> dict[str, str]:
    """Succeed, and return a result."""
    return {"greeting": f"Hello {name}!"}


@bgjobs.worker
async def fail(text: str) -> None:
    """Fail with a text that is no markup, in a function that the standard library calls."""

    def refuse(_found: object) -> None:
        raise ValueError(f"<script>alert('{text}')</script> {LONG}")

    json.loads("{}", object_hook=refuse)


@bgjobs.worker(name=LONG)
async def long_name() -> None:
    """Succeed."""


@bgjobs.worker
async def restock(file: str) -> None:
    """Fail until the warehouse has left its file."""
    json.loads(await anyio.Path(file).read_text())


@bgjobs.worker
async def linger() -> None:
    """Run until it is cancelled."""
    await anyio.sleep_forever()


@bgjobs.worker
async def purge() -> None:
    """Do nothing; the scheduled job runs it."""


def store() -> bgjobs.Store:
    """Return the store that the environment names."""
    dsn = os.environ.get("SHOP_DSN")
    if dsn is None:
        return bgjobs.SQLiteStore("shop.db")
    return bgjobs.PostgresStore(dsn, schema=os.environ["SHOP_SCHEMA"])


event_loop: Any = os.environ.get("SHOP_LOOP", "trio")
config = bgjobs.Config(
    store=store(),
    event_loop=event_loop,
    queues=[
        bgjobs.Queue("default", workers=[greet, long_name, linger], poll_interval=0.1),
        bgjobs.Queue("mail <b>", workers=[fail, restock], max_retries=0, poll_interval=0.1),
    ],
    scheduled_jobs=[bgjobs.ScheduledJob(purge, bgjobs.every(hours=6), name="cleaning")],
)
cheap = PasswordHash(14, 8, 1, salt=bytes(16), digest=b"").of(PASSWORD).text()
users = web.BasicAuth({"ada": cheap, "ben": cheap}, may_act=["ada"], may_see_arguments=["ada"])


async def main() -> None:
    """Run jobs to their end, and leave some that wait."""
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many(
            [greet.request("Ada"), greet.request("<i>"), fail.request("x"), fail.request("y")]
        )
        await bg.enqueue(long_name.request())
        await bg.drain()
        await bg.enqueue_many([greet.request("Ida").available_in(hours=1)] * 2)


if __name__ == "__main__":
    anyio.run(main, backend=event_loop)
