"""The tree of commands."""

from collections.abc import Sequence
from datetime import UTC
from importlib import import_module

import click

from bgjobs.cli import exits, quiet, screen
from bgjobs.cli.exits import ExitCode
from bgjobs.cli.faults import fault_of
from bgjobs.cli.session import Session

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


class _OnDemand(click.Group):
    """Imports a command when it is called: each needs other libraries, the help needs none."""

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
    # What a store logs is for those who run jobs; the error of a command tells it, too.
    quiet.without_last_resort()
    if context.invoked_subcommand is None:
        screen.lines(context.get_help(), err=True)
        context.exit(ExitCode.USAGE)


def run_command(arguments: Sequence[str]) -> int:
    """Run one _command and give its exit code; what goes wrong is told in one line."""
    session = Session(with_traceback="--traceback" in arguments)
    try:
        code: int | None = root.main(
            list(arguments), prog_name="bgjobs", standalone_mode=False, obj=session
        )
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, its text is shown and not its trace
        if session.with_traceback:
            screen.trace(error)
        fault = fault_of(error)
        screen.note(f"bgjobs: {fault.message}")
        return fault.code
    return code or ExitCode.DONE
