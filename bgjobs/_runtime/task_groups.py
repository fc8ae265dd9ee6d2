"""Task groups and tasks that run for the length of a block."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

from anyio import CancelScope, Event, create_task_group, get_cancelled_exc_class
from anyio.abc import TaskGroup

from bgjobs._core.exceptions import leaves
from bgjobs._runtime.cancellation import native_task, run_shielded


@asynccontextmanager
async def background_tasks(ended: Event) -> AsyncGenerator[TaskGroup]:
    """Open a task group that is cancelled after the block has ended, and set `ended` then.

    A cancellation of the block does not reach it: the thread of a plain handler may run on for
    a while, and its lease must be renewed until it has returned.
    """
    started = Event()
    groups: list[TaskGroup] = []

    async def keep() -> None:
        async with create_task_group() as group:
            groups.append(group)
            started.set()
            await ended.wait()
            group.cancel_scope.cancel()

    async with task_group() as outer:
        outer.start_soon(run_shielded, keep)
        try:
            with CancelScope(shield=True):  # at most one iteration of the event loop
                await started.wait()
            yield groups[0]
        finally:
            ended.set()


@asynccontextmanager
async def run_beside(
    task: Callable[[], Coroutine[Any, Any, None]], *, stop: Callable[[], None]
) -> AsyncGenerator[None]:
    """Run a task during the block; when the block ends, call `stop` and wait for the task."""
    async with task_group() as group:
        group.start_soon(task)
        try:
            yield
        finally:
            stop()


@asynccontextmanager
async def task_group() -> AsyncGenerator[TaskGroup]:
    """Open a task group that raises an error of the block unchanged, without a group around it.

    Inside an exception group, `sys.exit(4)` would end the process with another exit code.
    """
    block_error: BaseException | None = None
    try:
        async with create_task_group() as group:
            try:
                yield group
            except BaseException as error:
                if _ends_early(error):
                    raise
                block_error = error
    except BaseExceptionGroup as errors:
        block_error = block_error or _interruption(errors)
    if block_error is not None:
        raise block_error


def _ends_early(error: BaseException) -> bool:
    """Whether the event loop or Python ends the block: by a cancellation or `GeneratorExit`."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.split(get_cancelled_exc_class())[0] is not None
    return isinstance(error, (get_cancelled_exc_class(), GeneratorExit))


def _interruption(group: "BaseExceptionGroup[BaseException]") -> BaseException:
    """Return a `KeyboardInterrupt` if a group contains nothing else; raise other groups.

    Trio puts a Ctrl-C that comes while a block is left into a group, and a second one, that
    comes meanwhile in another task, too. On asyncio the group is raised, as the interrupt has
    ended the event loop already.
    """
    errors = [*leaves(group)]
    interrupted = all(isinstance(error, KeyboardInterrupt) for error in errors)
    if native_task() is not None or not interrupted:
        raise group
    return errors[0]
