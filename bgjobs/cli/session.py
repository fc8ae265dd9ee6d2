"""One call of `bgjobs`: its application, its settings, and access to the store."""

import signal
from collections.abc import Awaitable, Callable
from datetime import tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, final

import click
from attrs import define, evolve

import bgjobs
from bgjobs._core.exceptions import unwrapped
from bgjobs.cli.application import load_config
from bgjobs.cli.errors import CommandError, ExitCode
from bgjobs.cli.output import terminal

if TYPE_CHECKING:
    from bgjobs import Client

P = ParamSpec("P")
T = TypeVar("T")


@final
@define(slots=False)  # `cached_property` needs a `__dict__`
class CommandSession:
    """One call of `bgjobs`."""

    app: str | None = None
    with_traceback: bool = False
    zone: tzinfo | None = None
    """The time zone in which times are shown; None is that of the machine."""
    is_mute: bool = False
    """Whether stdout was closed when the process started."""
    runs_jobs: bool = False
    """Whether stdout belongs to the handlers of jobs, and not to the answer of the command."""

    @cached_property
    def config(self) -> bgjobs.Config:
        """The application's configuration, imported when it is first read."""
        if not self.app:
            raise CommandError("no application: add --app module:config, or set BGJOBS_APP")
        if self.runs_jobs:
            return load_config(self.app)
        with terminal.all_output_to_stderr():
            return load_config(self.app)

    def check_stdout(self) -> None:
        """Raise `CommandError` if the answer cannot be written, before anything is done."""
        if self.is_mute and not self.runs_jobs:
            raise CommandError(
                "stdout is closed, so nothing was done: the answer needs it", ExitCode.NOT_DONE
            )

    def run(self, work: "Callable[[Client], Awaitable[T]]", *listeners: "bgjobs.Listener") -> T:
        """Run `work` with a client of the application's store, and return its result.

        Raises:
            KeyboardInterrupt: After Ctrl-C, once `work` was cancelled and has ended.
        """
        import anyio  # noqa: PLC0415 - the help needs no event loop

        config = evolve(self.config, listeners=[*self.config.listeners, *listeners])

        async def main() -> T:
            async with bgjobs.connect(config) as client:
                return await work(client)

        try:
            with terminal.prints_to_stderr():
                return anyio.run(_until_interrupted, main, backend="trio")
        except BaseExceptionGroup as group:
            raise unwrapped(group) from None


def pass_session(command: Callable[Concatenate[CommandSession, P], T]) -> Callable[P, T]:
    """Pass the session to a command as its first argument."""
    return click.make_pass_decorator(CommandSession)(command)


async def _until_interrupted(work: Callable[[], Awaitable[T]]) -> T:
    import anyio  # noqa: PLC0415 - as above

    answers: list[T] = []
    is_interrupted = False
    try:
        async with anyio.create_task_group() as group:

            async def answer() -> None:
                answers.append(await work())
                group.cancel_scope.cancel()

            group.start_soon(answer)
            # Left after the first signal, so that a second one ends the process at once.
            with anyio.open_signal_receiver(signal.SIGINT) as signals:
                async for _ in signals:
                    is_interrupted = True
                    group.cancel_scope.cancel()
                    break
    except BaseException:
        if not is_interrupted:
            raise  # otherwise it comes from the cancellation, such as of a connection attempt
    if not answers:
        raise KeyboardInterrupt
    return answers[0]
