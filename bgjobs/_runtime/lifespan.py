"""Opens what `Config.lifespan` returns, around the queues of an application.

It runs in the task of the block of `run`, like an `async with` of the user: a cancellation of
the block is raised inside it. It is closed while the store is still open.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from bgjobs._core.config import AnyWorker, Config
from bgjobs._core.resources import mismatches, problem_of_opened
from bgjobs._runtime.client import Client
from bgjobs.errors import ConfigError

Block = AbstractAsyncContextManager[object]


@asynccontextmanager
async def open_lifespan(config: Config, client: Client) -> AsyncGenerator[object]:
    """Yield the resources of handlers; None without a lifespan.

    An error of the block is raised at the end, although the lifespan suppresses it.

    Raises:
        ConfigError: The function returns no async context manager, or handlers expect other
            resources.
    """
    if config.lifespan is None:
        yield None
        return
    block_error: BaseException | None = None
    async with _checked(config.lifespan(client)) as resources:
        check_resources(config, resources, config.run_workers())
        try:
            yield resources
        except BaseException as error:
            block_error = error
            raise
    if block_error is not None:
        try:
            raise block_error
        finally:
            del block_error  # its traceback holds this frame


def check_resources(config: Config, resources: object, workers: Iterable[AnyWorker]) -> None:
    """Raise `ConfigError` with each worker whose handler expects other resources."""
    has_lifespan = config.lifespan is not None
    problems = mismatches(workers, resources, has_lifespan=has_lifespan)
    if problems:
        raise ConfigError(problems)


def _checked(opened: Block) -> Block:
    if problem := problem_of_opened(opened):
        raise ConfigError([f"lifespan: {problem}"])
    return opened
