"""One process that enqueues the jobs of a storm, and writes down which were acknowledged."""

import json
import os
import secrets
import sqlite3
from collections.abc import Sequence
from itertools import count
from random import Random
from typing import Any, final

import anyio
import psycopg
from anyio import to_thread

import bgjobs
from bgjobs._core.config import AnyWorker
from bgjobs._core.requests import JobRequest
from bgjobs.errors import StoreError
from tests.reliability.chaos import zoo
from tests.reliability.chaos.handlers import Tools, workers
from tests.reliability.chaos.harm import HarmingStore, Points
from tests.reliability.chaos.journal import Journal
from tests.reliability.chaos.storm_orders import Orders
from tests.reliability.chaos.worker import STORE_AWAY

SALES = "storm_sales"
ENOUGH = 100
"""Due jobs with which it waits; more would make the end of a storm longer, and no harder."""
MILLISECONDS = 30
"""How long a handler takes at most."""
_USUAL = 6
"""One job in so many is from the zoo, if that is open."""


def main(orders: Orders) -> int:
    """Enqueue until stopped."""
    try:
        anyio.run(Producer(orders).run, backend=orders.backend)
    except StoreError:
        return STORE_AWAY
    return 0


@final
class Producer:
    """Enqueues in each of the ways that there are."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._journal = Journal(orders.journal)
        self._points = Points(orders, self._journal)
        self._random = Random(secrets.randbits(64))
        self._name = secrets.token_hex(4)
        self._numbers = count()
        tools = Tools(orders, self._journal, self._points)
        self._usual, self._wild = workers(tools), zoo.workers(tools)
        self._store: Any = HarmingStore(orders.store(), self._points)

    async def run(self) -> None:
        """Enqueue until stopped."""
        config = bgjobs.Config(
            store=self._store, enqueue_only=[*self._usual, *self._wild], store_timeout=3
        )
        async with bgjobs.run(config) as bg:
            bg.stop_on_signals()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._produce, bg)
                await bg.wait_stopping()
                tasks.cancel_scope.cancel()

    async def _produce(self, bg: bgjobs.BgJobs) -> None:
        while True:
            try:
                await self._enqueue_some(bg)
                if (await bg.count()).waiting > ENOUGH:
                    await anyio.sleep(0.1)
            except (StoreError, sqlite3.Error, psycopg.Error) as error:
                self._journal.write("not stored", repr(error))
                await anyio.sleep(0.05)
            await anyio.sleep(self._random.uniform(0, 0.05))

    async def _enqueue_some(self, bg: bgjobs.BgJobs) -> None:
        way = self._random.random()
        if way < 0.5:
            jobs = [await bg.enqueue(self._request())]
        elif way < 0.8:
            some = self._random.randint(2, 40)
            jobs = list(await bg.enqueue_many(self._request() for _ in range(some)))
        else:
            jobs = list(await to_thread.run_sync(self._sell))
        self._acknowledge(jobs)

    def _acknowledge(self, jobs: Sequence[bgjobs.Job]) -> None:
        self._journal.write("stored", *(str(job.id) for job in jobs))

    def _sell(self) -> Sequence[bgjobs.Job]:
        """Store a row of the application's own and its job in one transaction, or neither."""
        connection = self._orders.database.connect()
        try:
            with connection:
                request = self._request("sale")
                self._write_sale(connection, request)
                self._points.reach("sold")
                jobs: Sequence[bgjobs.Job] = self._store.enqueue_in(connection, [request])
                self._points.reach("sold and stored")
                if self._random.random() < 0.1:
                    connection.rollback()
                    jobs = ()
        finally:
            connection.close()
        self._points.reach("sold and committed")
        return jobs

    def _write_sale(self, connection: Any, request: JobRequest) -> None:
        key = key_of(request.payload)
        connection.execute(f"insert into {self._orders.table(SALES)} values ('{key}')")

    def _request(self, way: str = "") -> JobRequest:
        worker = self._worker()
        key = f"{way}-{self._name}-{os.getpid()}-{next(self._numbers)}"
        request = worker.request(key, self._random.randrange(MILLISECONDS))
        return request.priority(self._random.choice([0, 0, 0, 1, -1]))

    def _worker(self) -> AnyWorker:
        if self._orders.zoo and self._random.randrange(_USUAL) == 0:
            rare = [0.1 if worker.name in zoo.DEADLY else 1 for worker in self._wild]
            return self._random.choices(self._wild, rare)[0]
        weights = [10, 5, 3, 2, 1, 0.3]
        return self._random.choices(self._usual, weights)[0]


def key_of(payload: str) -> str:
    """Give the key that a request was made with."""
    key: str = json.loads(payload)["key"]
    return key
