"""Errors that leave the task groups of an application."""

import pytest
import trio

from bgjobs._runtime.task_groups import task_group


async def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("count", [1, 2])
def test_interrupts_of_several_tasks_are_raised_as_one(count: int) -> None:
    async def main() -> None:
        async with task_group() as group:
            for _ in range(count):
                group.start_soon(_interrupt)

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
