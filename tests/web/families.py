"""Jobs with children, as their nurseries store them."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.stores.nurseries import NewChild, nurseries_of
from bgjobs.stores.types import NewJob, Owner


def running(store: bgjobs.Store, name: str) -> bgjobs.Job:
    """Store a job of a worker that runs."""
    store.write([NewJob(new_id(), bgjobs.JobRequest(name, "{}"))])
    return held(store, name)


def held(store: bgjobs.Store, name: str) -> bgjobs.Job:
    """Reserve the first job of a worker."""
    owner = Owner(new_id(), "mail", "host:1")
    store.open_owner(owner, timedelta(hours=1))
    [job] = store.reserve(owner.id, [name], 1)
    return job


def start(store: bgjobs.Store, parent: bgjobs.Job, *names: str) -> Sequence[UUID]:
    """Start children of these workers; return their ids."""
    nurseries = nurseries_of(store)
    assert nurseries is not None
    new = [
        NewChild(str(key), NewJob(new_id(), bgjobs.JobRequest(name, "{}")))
        for key, name in enumerate(names)
    ]
    found = nurseries.start_children(parent.reservation, new)
    assert found is not None
    return [child.id for child in found]


def wait(store: bgjobs.Store, *parents: bgjobs.Job) -> None:
    """Record that the handlers of these jobs wait for their children."""
    nurseries = nurseries_of(store)
    assert nurseries is not None
    nurseries.record_waits([one.reservation for one in parents])
