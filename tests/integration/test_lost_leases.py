"""A worker whose lease cannot be renewed stops before another one may take its jobs."""

import threading
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import anyio
import pytest

import bgjobs
from bgjobs._runtime.leases import registry
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import OwnerDied
from bgjobs.stores.types import Renewal
from bgjobs.testing import Recorder
from tests.fixtures.databases import Database

LEASE = 3.0
TRUSTED = 0.5
"""The share of the lease after which handlers end; the rest is a margin for a busy machine."""
PATIENCE = 30.0
"""Seconds that a test may take."""
pytestmark = pytest.mark.anyio


class Pulse:
    """A store that wraps another one, and records when the renewed leases end."""

    def __init__(self, store: bgjobs.Store) -> None:
        self._store = store
        self._stopped = ""
        self._gone_on = threading.Event()
        self.lease_ends: datetime | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def stop(self, how: str) -> None:
        """Make every heartbeat fail from now on, or hang until `go_on`."""
        self._stopped = how

    def go_on(self) -> None:
        self._stopped = ""
        self._gone_on.set()

    def heartbeat(
        self, owners: Collection[UUID], lease: timedelta, *, now: datetime | None = None
    ) -> Renewal:
        if self._stopped == "hangs":
            self._gone_on.wait()
        if self._stopped == "fails":
            raise StoreUnavailableError("no pulse")
        heartbeat = self._store.heartbeat(owners, lease, now=now)
        if heartbeat.alive:
            self.lease_ends = heartbeat.now + lease
        return heartbeat


@pytest.mark.parametrize("how", ["fails", "hangs"])
async def test_handlers_end_before_the_lease_does_in_the_store(
    database: Database, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "TRUSTED_SHARE", TRUSTED)
    pulse = Pulse(database.store())
    recorder = Recorder()
    begun = anyio.Event()
    stopped: list[datetime] = []

    @bgjobs.worker
    async def work(context: bgjobs.JobContext) -> None:
        if context.job.interruptions:
            return
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append(datetime.now(UTC))

    config = bgjobs.Config(
        store=cast("bgjobs.Store", pulse),
        queues=[bgjobs.Queue("all", workers=[work])],
        listeners=[recorder],
        lease=LEASE,
    )
    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config) as bg:
            await bg.enqueue(work.request())
            await begun.wait()
            while pulse.lease_ends is None:
                await anyio.sleep(0.01)
            pulse.stop(how)
            while not stopped:
                await anyio.sleep(0.01)
            lease_ends = pulse.lease_ends
            pulse.go_on()
            assert await bg.drain(with_delayed=True)
            [done] = await bg.list(bgjobs.JobFilter("succeeded"))
    assert stopped[0] < lease_ends
    assert (done.crashes, done.interruptions) == (0, 1)
    assert len(recorder.of(OwnerDied)) == 1
