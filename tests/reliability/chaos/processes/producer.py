"""A process that enqueues jobs, and writes to the journal which were acknowledged."""

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
from tests.reliability.chaos.processes import misbehaviour
from tests.reliability.chaos.processes.handlers import Tools, workers
from tests.reliability.chaos.processes.stores import FaultPoints, FaultPointStore
from tests.reliability.chaos.processes.worker import STORE_UNAVAILABLE
from tests.reliability.chaos.settings import Journal, ProcessSettings

SALES = "chaos_sales"
ENOUGH = 100
"""The number of due jobs from which on it waits; more would only prolong the drain."""
MILLISECONDS = 30
"""The longest time that a handler takes."""
_MISBEHAVING_SHARE = 6
"""One job in so many has a misbehaving handler, if those are enabled."""


def main(settings: ProcessSettings) -> int:
    """Enqueue until stopped."""
    try:
        anyio.run(Producer(settings).run, backend=settings.backend)
    except StoreError:
        return STORE_UNAVAILABLE
    return 0


@final
class Producer:
    """Enqueues in every way that the library has."""

    def __init__(self, settings: ProcessSettings) -> None:
        self._settings = settings
        self._journal = Journal(settings.journal)
        self._fault_points = FaultPoints(settings, self._journal)
        self._random = Random(secrets.randbits(64))
        self._name = secrets.token_hex(4)
        self._numbers = count()
        tools = Tools(settings, self._journal, self._fault_points)
        self._workers, self._misbehaving = workers(tools), misbehaviour.workers(tools)
        self._store: Any = FaultPointStore(settings.store(), self._fault_points)

    async def run(self) -> None:
        """Enqueue until stopped."""
        config = bgjobs.Config(
            store=self._store,
            enqueue_only=[*self._workers, *self._misbehaving],
            store_timeout=3,
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
        """Store a row of the application and its job in one transaction, or roll both back."""
        connection = self._settings.database.connect()
        try:
            with connection:
                request = self._request("sale")
                self._write_sale(connection, request)
                self._fault_points.reach("sold")
                jobs: Sequence[bgjobs.Job] = self._store.enqueue_in(connection, [request])
                self._fault_points.reach("sold and stored")
                if self._random.random() < 0.1:
                    connection.rollback()
                    jobs = ()
        finally:
            connection.close()
        self._fault_points.reach("sold and committed")
        return jobs

    def _write_sale(self, connection: Any, request: JobRequest) -> None:
        key = key_of(request.payload)
        connection.execute(f"insert into {self._settings.table(SALES)} values ('{key}')")

    def _request(self, way: str = "") -> JobRequest:
        worker = self._worker()
        key = f"{way}-{self._name}-{os.getpid()}-{next(self._numbers)}"
        request = worker.request(key, self._random.randrange(MILLISECONDS))
        return request.priority(self._random.choice([0, 0, 0, 1, -1]))

    def _worker(self) -> AnyWorker:
        if self._settings.misbehaviour and self._random.randrange(_MISBEHAVING_SHARE) == 0:
            rare = [
                0.1 if worker.name in misbehaviour.KILLING_WORKERS else 1
                for worker in self._misbehaving
            ]
            return self._random.choices(self._misbehaving, rare)[0]
        weights = [10, 5, 3, 2, 1, 0.3, 1, 0.5]
        return self._random.choices(self._workers, weights)[0]


def key_of(payload: str) -> str:
    """Return the key in the payload of a job."""
    key: str = json.loads(payload)["key"]
    return key
