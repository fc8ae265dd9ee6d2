"""The `bgjobs` command, and the subcommands that it imports on demand."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC
from importlib import import_module
from typing import Any

import click

from bgjobs.cli.errors import ExitCode, exit_code_table, explain
from bgjobs.cli.output import terminal
from bgjobs.cli.session import CommandSession

_EPILOG = f"""\b
Exit codes:
{exit_code_table()}

\b
Find out why a job failed, and retry it:
  bgjobs jobs list --failed
  bgjobs jobs retry ID
"""


_COMMANDS = {
    "run": "Run the queues and scheduled jobs until TERM or INT (Ctrl-C).",
    "migrate": "Bring the schema of the store up to date.",
    "status": "Show the store, its jobs, queues and schedules.",
    "jobs": "Show, change, enqueue, export and import jobs.",
    "queues": "List the queues with their jobs, pause or resume one.",
    "schedules": "Show scheduled jobs; trigger, pause or resume one.",
    "owners": "List the queues that run now, on all nodes.",
    "audit": "List what operators did, the newest first.",
    "watch": "Watch queues, running jobs, rates and failures until Ctrl-C.",
    "web": "Serve a web page of the jobs until TERM or INT (Ctrl-C).",
    "doctor": "Look for problems; the exit code is 1 if there are any.",
    "completion": "Print the completion script of a shell.",
}
"""The commands in the order of the help, with the first line of the help of each."""
_MODULES = {"owners": "queues"}
"""The modules of commands that have another name."""


@contextmanager
def _broken_pipe_as_exit() -> Generator[None]:
    """Exit with `BROKEN_PIPE` if the reader of the output ended; click would exit with 1."""
    try:
        yield
    except BrokenPipeError:
        raise click.exceptions.Exit(ExitCode.BROKEN_PIPE) from None


class _LazyGroup(click.Group):
    """Imports a command when it is called: the help needs none of the libraries of commands."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the command line, which may print help."""
        with _broken_pipe_as_exit():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command."""
        with _broken_pipe_as_exit():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature of click
        """Return the names of the commands."""
        return [*_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; return None if there is none of this name."""
        if cmd_name in _COMMANDS and cmd_name not in self.commands:
            module = import_module(f"bgjobs.cli.commands.{_MODULES.get(cmd_name, cmd_name)}")
            self.add_command(getattr(module, cmd_name))
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the signature of click
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([*_COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    epilog=_EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
@click.option(
    "--app",
    envvar="BGJOBS_APP",
    metavar="MODULE:NAME",
    help="The application's Config, or a function that returns it; by default BGJOBS_APP.",
)
@click.option(
    "--utc", "in_utc", is_flag=True, help="Show times in UTC, not in the zone of this machine."
)
@click.option(
    "--traceback", "with_traceback", is_flag=True, help="Show the traceback of an error."
)
@click.version_option(package_name="bgjobs", message="%(version)s")
@click.pass_context
def root(
    context: click.Context, app: str | None, *, in_utc: bool, with_traceback: bool
) -> None:
    """Operate the background jobs of an application."""
    session = context.ensure_object(CommandSession)
    session.app = app
    session.zone = UTC if in_utc else None
    session.with_traceback = with_traceback
    session.runs_jobs = context.invoked_subcommand == "run"
    session.check_stdout()
    if not session.runs_jobs:
        terminal.buffer_stdout()
    # Logs are for processes that run jobs; a command reports the same problem as its error.
    terminal.disable_last_resort_logging()
    if context.invoked_subcommand is None:
        terminal.lines(context.get_help(), err=True)
        context.exit(ExitCode.USAGE)


def run_command(arguments: Sequence[str], *, is_mute: bool = False) -> int:
    """Run one command and return its exit code; an error is one line on stderr."""
    session = CommandSession(with_traceback="--traceback" in arguments, is_mute=is_mute)
    try:
        code: int | None = root.main(
            list(arguments), prog_name="bgjobs", standalone_mode=False, obj=session
        )
        session.check_stdout()
        terminal.flush_stdout()
    except BrokenPipeError:
        code = ExitCode.BROKEN_PIPE
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - every error is shown as its text, without a traceback
        return _report(error, session)
    if code == ExitCode.BROKEN_PIPE:
        terminal.discard_buffers()
    return code or ExitCode.DONE


def _report(error: BaseException, session: CommandSession) -> int:
    explained = explain(error)
    try:
        if session.with_traceback:
            terminal.trace(error)
        terminal.note(f"bgjobs: {explained.message}")
    except OSError:  # the reader of stderr has ended
        terminal.discard_buffers()
    return explained.code
