"""What the benchmarks of the store itself share."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.databases.ports import Place
from bgjobs import Store


@contextmanager
def opened(place: Place) -> Iterator[Store]:
    """Open the store for the length of the block."""
    place.store.open()
    try:
        yield place.store
    finally:
        place.store.close()
