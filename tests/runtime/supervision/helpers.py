"""A worker, and applications over a store that becomes unavailable."""

from typing import Any

import bgjobs
from bgjobs.events import StoreFailed
from bgjobs.testing import Recorder
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import Harness

LEASE = 4.0
HOUR = 3600.0


@bgjobs.worker
async def note(number: int = 0) -> None:
    """Succeed."""


def restarting(**settings: Any) -> dict[str, Any]:
    """Settings with immediate restarts, up to a hundred, and a frequent sweep."""
    tolerance = bgjobs.RestartTolerance(restarts=100, backoff=bgjobs.backoff.IMMEDIATE)
    return {"restart_tolerance": tolerance, "sweep_interval": 0.1, **settings}


def over_a_faulty_store(
    app: Harness, *workers: Any, **more: Any
) -> tuple[FaultyStore, bgjobs.Config]:
    """A store that can become unavailable, and an application over it with a short lease."""
    store = FaultyStore(app.database.store())
    return store, app.config(*workers, **{"store": store, "lease": LEASE, **more})


async def failed_call(recorder: Recorder, verb: str) -> None:
    """Wait until a call of this method of the store has failed."""
    while verb not in {event.verb for event in recorder.of(StoreFailed)}:
        await recorder.wait_for(StoreFailed, len(recorder.of(StoreFailed)) + 1)
