"""`SharedReads`: what one request has read, other requests show for a moment, too."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar, cast, final

from anyio import Lock
from attrs import define, field

T = TypeVar("T")

MOST_KEPT = 100
"""How many values are kept; then the one that was asked for first is dropped."""
SHARE = 20
"""A value is kept at least so many times as long as reading it took.

So reading takes at most a twentieth of the time, however many browsers are open.
"""


@final
@define(eq=False)
class _Kept:
    """A value, and until when it is shown; Any, because values have many types."""

    lock: Lock = field(factory=Lock)
    value: Any = None
    until: float = 0.0
    is_read: bool = False


@final
class SharedReads:
    """Values that several requests ask for, each of which is read once."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    async def get(self, key: Hashable, read: Callable[[], Awaitable[T]], seconds: float) -> T:
        """Return the value of a key, which `read` returned at most some seconds ago.

        Requests that ask while it is read wait for it. If `read` raises or is cancelled, the
        next one of them reads.
        """
        kept = self._kept.setdefault(key, _Kept())
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        async with kept.lock:
            began = self._monotonic()
            if not kept.is_read or began >= kept.until:
                kept.value = await read()
                ended = self._monotonic()
                kept.until = ended + max(seconds, SHARE * (ended - began))
                kept.is_read = True
            return cast("T", kept.value)
