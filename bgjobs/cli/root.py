"""The tree of commands."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC
from importlib import import_module
from typing import Any

import click

from bgjobs.cli import exits, quiet
from bgjobs.cli.errors import fault_of
from bgjobs.cli.exits import ExitCode
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session
from bgjobs.cli.streams import abandon, finish, write_as_a_whole

_EPILOG = f"""\b
Exit codes:
{exits.table()}

\b
Why did a job fail, and once more:
  bgjobs jobs list --failed
  bgjobs jobs retry ID
"""


_COMMANDS = {
    "run": "Run the queues and scheduled jobs until TERM or INT (Ctrl-C).",
    "migrate": "Bring the schema of the store up to date.",
    "status": "Show the store, its jobs, the queues and how many run them.",
    "jobs": "Look at jobs, and change what becomes of them.",
    "queues": "List the queues with their jobs, or pause one of them.",
    "schedules": "Look at scheduled jobs, run one now, pause one.",
    "owners": "List who runs queues now, on any node.",
    "watch": "Watch queues, running jobs, rates and failures until Ctrl-C.",
    "doctor": "Look for what is wrong; the exit code is 1 if something is.",
    "completion": "Print the completion script of a shell.",
}
"""In the order of their use, with the first line of their help, as they are imported late."""


@contextmanager
def _read() -> Generator[None]:
    """Exit by our code where the output is not read; click would exit by 1."""
    try:
        yield
    except BrokenPipeError:
        raise click.exceptions.Exit(ExitCode.UNREAD) from None


class _OnDemand(click.Group):
    """Imports a command when it is called: each needs other libraries, the help needs none."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line; help may be printed by it."""
        with _read():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command."""
        with _read():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click has it
        """Return their names."""
        return [*_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one of them; None when there is none of this name."""
        if cmd_name in _COMMANDS and cmd_name not in self.commands:
            module = import_module(f"bgjobs.cli.commands.{cmd_name}")
            self.add_command(getattr(module, cmd_name))
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as click has it
        """Write them down without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([*_COMMANDS.items()])


@click.group(
    cls=_OnDemand,
    epilog=_EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
@click.option(
    "--app",
    envvar="BGJOBS_APP",
    metavar="MODULE:NAME",
    help="The application's Config, or a function that returns it; else BGJOBS_APP.",
)
@click.option(
    "--utc", "in_utc", is_flag=True, help="Show times in UTC, not in this machine's time zone."
)
@click.option("--traceback", "with_traceback", is_flag=True, help="Show where an error arose.")
@click.version_option(package_name="bgjobs", message="%(version)s")
@click.pass_context
def root(
    context: click.Context, app: str | None, *, in_utc: bool, with_traceback: bool
) -> None:
    """Operate the background jobs of an application."""
    session = context.ensure_object(Session)
    session.app = app
    session.zone = UTC if in_utc else None
    session.with_traceback = with_traceback
    session.runs_jobs = context.invoked_subcommand == "run"
    session.check_stdout()
    if not session.runs_jobs:
        write_as_a_whole()
    # What a store logs is for those who run jobs; the error of a command tells it, too.
    quiet.without_last_resort()
    if context.invoked_subcommand is None:
        screen.lines(context.get_help(), err=True)
        context.exit(ExitCode.USAGE)


def run_command(arguments: Sequence[str], *, is_mute: bool = False) -> int:
    """Run one command and return its exit code; what goes wrong is told in one line."""
    session = Session(with_traceback="--traceback" in arguments, is_mute=is_mute)
    try:
        code: int | None = root.main(
            list(arguments), prog_name="bgjobs", standalone_mode=False, obj=session
        )
        session.check_stdout()
        finish()
    except BrokenPipeError:
        code = ExitCode.UNREAD
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, its text is shown and not its trace
        return _told(error, session)
    if code == ExitCode.UNREAD:
        abandon()
    return code or ExitCode.DONE


def _told(error: BaseException, session: Session) -> int:
    fault = fault_of(error)
    try:
        if session.with_traceback:
            screen.trace(error)
        screen.note(f"bgjobs: {fault.message}")
    except OSError:  # it is not read any more
        abandon()
    return fault.code
