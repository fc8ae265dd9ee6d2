"""`VirtualEventLoop`: asyncio in virtual time."""

import asyncio
import time
from typing import Any

import anyio

from bgjobs.testing import VirtualEventLoop


def run(main: Any) -> Any:
    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        return runner.run(main())


def test_waits_end_at_once_and_in_order() -> None:
    async def main() -> list[float]:
        ended: list[float] = []

        async def nap(seconds: float) -> None:
            await asyncio.sleep(seconds)
            ended.append(anyio.current_time())

        async with asyncio.TaskGroup() as tasks:
            for seconds in (1e6, 1.0, 1 / 3):
                tasks.create_task(nap(seconds))
        return ended

    assert run(main) == [1 / 3, 1.0, 1e6]


def test_deadlines_that_are_due_only_by_rounding_expire() -> None:
    """Rounding errors of floats must not make the loop check the same timer forever."""

    async def main() -> int:
        over = 0
        for step in range(1, 2000):
            with anyio.move_on_after(3600 + step / 7):
                await anyio.sleep_forever()
            with anyio.move_on_after(1e-10):
                await anyio.sleep_forever()
            over += 1
        return over

    begun = time.monotonic()
    assert run(main) == 1999
    assert time.monotonic() - begun < 3600


def test_it_works_after_centuries() -> None:
    async def main() -> tuple[float, float]:
        for _ in range(2):
            with anyio.move_on_after(1e10):
                await anyio.sleep_forever()
        before = anyio.current_time()
        called = asyncio.Event()
        asyncio.get_running_loop().call_later(0, called.set)
        await called.wait()
        return before, anyio.current_time()

    before, after = run(main)
    assert abs(before - 2e10) < 1e-4
    assert abs(after - before) < 1e-4
