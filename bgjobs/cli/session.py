"""What the commands of one call share: the application, and a way to its store."""

import signal
from collections.abc import Awaitable, Callable
from datetime import tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, final

import click
from attrs import define, evolve

import bgjobs
from bgjobs.cli.application import load_config
from bgjobs.cli.errors import Fault
from bgjobs.cli.exits import ExitCode
from bgjobs.cli.streams import kept_for_answers, kept_for_answers_by_all
from bgjobs.errors import unwrapped

if TYPE_CHECKING:
    from bgjobs import Admin

P = ParamSpec("P")
T = TypeVar("T")


@final
@define(slots=False)  # no slots: the configuration is imported once, when it is first needed
class Session:
    """One call of `bgjobs`."""

    app: str | None = None
    with_traceback: bool = False
    zone: tzinfo | None = None
    """The time zone of what is shown; None is that of the machine."""
    is_mute: bool = False
    """Whether stdout was closed when the process began."""
    runs_jobs: bool = False
    """Whether stdout belongs to the handlers of jobs, and not to the answer of the command."""

    @cached_property
    def config(self) -> bgjobs.Config:
        """The application's configuration."""
        if not self.app:
            raise Fault("no application: say --app module:config, or set BGJOBS_APP")
        if self.runs_jobs:
            return load_config(self.app)
        with kept_for_answers_by_all():
            return load_config(self.app)

    def check_stdout(self) -> None:
        """Raise `Fault` where the answer would be lost, before anything is done."""
        if self.is_mute and not self.runs_jobs:
            raise Fault("stdout is closed: expected one for the answer", ExitCode.NOT_DONE)

    def administered(
        self, work: "Callable[[Admin], Awaitable[T]]", *listeners: "bgjobs.Listener"
    ) -> T:
        """Run `work` over the application's store; Ctrl-C cancels it in order."""
        import anyio  # noqa: PLC0415 - the help needs no event loop

        config = evolve(self.config, listeners=[*self.config.listeners, *listeners])

        async def main() -> T:
            async with bgjobs.administer(config) as admin:
                return await work(admin)

        try:
            with kept_for_answers():
                return anyio.run(_until_interrupted, main, backend="trio")
        except BaseExceptionGroup as group:
            raise unwrapped(group) from None


def pass_session(command: Callable[Concatenate[Session, P], T]) -> Callable[P, T]:
    """Give a command its session as the first argument."""
    return click.make_pass_decorator(Session)(command)


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
            raise  # else it is how the work was cut off, such as while it connected
    if not answers:
        raise KeyboardInterrupt
    return answers[0]
