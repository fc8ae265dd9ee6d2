"""What requests share is read once, and again when it is old."""

import anyio
import anyio.lowlevel
import pytest

from bgjobs.web.shared import MOST_KEPT, SHARE, SharedReads
from tests.web.clocks import JumpingClock

pytestmark = pytest.mark.anyio


class Reader:
    """Counts how often it was asked, and takes some seconds each time."""

    def __init__(self, clock: JumpingClock, seconds: float = 0.0) -> None:
        self.calls = 0
        self._clock = clock
        self._seconds = seconds

    async def read(self) -> int:
        self.calls += 1
        answer = self.calls
        await anyio.lowlevel.checkpoint()
        self._clock.added += self._seconds
        return answer


async def test_fifty_requests_at_once_read_once(clock: JumpingClock) -> None:
    shared, reader, answers = SharedReads(clock.monotonic), Reader(clock), list[int]()

    async def ask() -> None:
        answers.append(await shared.get("key", reader.read, 60))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(ask)
    assert (reader.calls, set(answers), len(answers)) == (1, {1}, 50)


async def test_a_value_is_read_again_when_it_is_old(clock: JumpingClock) -> None:
    shared, reader = SharedReads(clock.monotonic), Reader(clock)
    assert await shared.get("key", reader.read, 60) == 1
    clock.added += 59
    assert await shared.get("key", reader.read, 60) == 1
    clock.added += 2
    assert await shared.get("key", reader.read, 60) == 2
    assert await shared.get("other", reader.read, 60) == 3


async def test_what_takes_long_to_read_is_shared_for_longer(clock: JumpingClock) -> None:
    shared, slow = SharedReads(clock.monotonic), Reader(clock, seconds=10)
    assert await shared.get("key", slow.read, 1) == 1
    clock.added += SHARE * 10 - 2
    assert await shared.get("key", slow.read, 1) == 1
    clock.added += 4
    assert await shared.get("key", slow.read, 1) == 2


async def test_an_error_is_not_kept(clock: JumpingClock) -> None:
    shared, reader = SharedReads(clock.monotonic), Reader(clock)

    async def fail() -> int:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        await shared.get("key", fail, 60)
    assert await shared.get("key", reader.read, 60) == 1


async def test_a_cancelled_read_leaves_the_key_to_the_next_request(clock: JumpingClock) -> None:
    shared, reader = SharedReads(clock.monotonic), Reader(clock)
    with anyio.move_on_after(0):
        await shared.get("key", anyio.sleep_forever, 60)
    assert await shared.get("key", reader.read, 60) == 1


async def test_as_many_values_are_kept_as_have_a_use(clock: JumpingClock) -> None:
    """The address of a page has a query, which a browser chooses."""
    shared, reader = SharedReads(clock.monotonic), Reader(clock)
    for number in range(MOST_KEPT + 1):
        await shared.get(number, reader.read, 60)
    assert await shared.get(MOST_KEPT, reader.read, 60) == MOST_KEPT + 1
    assert await shared.get(0, reader.read, 60) == MOST_KEPT + 2
