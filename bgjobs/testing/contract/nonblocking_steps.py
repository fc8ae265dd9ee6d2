"""What the checks of writes and reservations without a thread share."""

import select
from collections.abc import Callable
from typing import Protocol, TypeVar

from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs.stores.nonblocking_calls import (
    NonBlocking,
    NonBlockingCall,
    NonBlockingReserver,
    NonBlockingWriter,
)
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob, Notice
from bgjobs.testing.contract.steps import NOW, ask

T = TypeVar("T")

NO_NOTICE = Notice()
_PATIENCE = 30.0
"""Seconds to wait for an answer."""


class NonBlockingStore(Store, Protocol):
    """A store that has `NonBlocking` calls."""

    @property
    def nonblocking(self) -> NonBlocking | None:
        """What makes calls without a thread."""
        ...


def calls_of(store: NonBlockingStore) -> NonBlocking:
    """Return the calls of a store, which must have them."""
    found = store.nonblocking
    assert found is not None
    return found


def connected_writer(store: NonBlockingStore) -> NonBlockingWriter:
    """Return the writer of a store, after it has connected."""
    writer = calls_of(store).writer
    _connect(writer, lambda: writer.begin(new_job(), NO_NOTICE, now=NOW))
    return writer


def connected_reserver(store: NonBlockingStore) -> NonBlockingReserver:
    """Return the reserver of a store, after it has connected."""
    reserver = calls_of(store).reserver
    _connect(reserver, lambda: reserver.begin(new_id(), ["mail"], 1, now=NOW))
    return reserver


def _connect(call: NonBlockingCall[T], begin: Callable[[], bool]) -> None:
    assert not begin()
    assert call.is_wanted
    call.connect()
    assert not call.is_wanted


def new_job(request: JobRequest | None = None) -> NewJob:
    """Return a job that no store has yet."""
    return NewJob(new_id(), request or ask())


def begin_write(writer: NonBlockingWriter, new: NewJob, notice: Notice = NO_NOTICE) -> None:
    """Begin a write as soon as an earlier one that was left has its answer."""
    until_begun(lambda: writer.begin(new, notice, now=NOW))


def until_begun(begin: Callable[[], bool]) -> None:
    """Call `begin` until it returns True."""
    for _ in range(1000):
        if begin():
            return
        select.select([], [], [], 0.01)
    raise AssertionError("the connection did not become free")


def answer(call: NonBlockingCall[T]) -> T:
    """Wait for the answer to the call in progress, and end it."""
    try:
        while True:
            readable, _, _ = select.select([call.fileno()], [], [], _PATIENCE)
            assert readable, "no answer"
            if (found := call.receive()) is not None:
                return found
    finally:
        call.end()
