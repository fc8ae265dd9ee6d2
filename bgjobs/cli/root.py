"""The tree of commands."""

import logging
import sys
import traceback
from collections.abc import Sequence

import click

from bgjobs.cli import exits
from bgjobs.cli.commands.completion import completion
from bgjobs.cli.commands.doctor import doctor
from bgjobs.cli.commands.jobs import jobs
from bgjobs.cli.commands.migrate import migrate
from bgjobs.cli.commands.owners import owners
from bgjobs.cli.commands.queues import queues
from bgjobs.cli.commands.run import run
from bgjobs.cli.commands.schedules import schedules
from bgjobs.cli.commands.status import status
from bgjobs.cli.commands.watch import watch
from bgjobs.cli.exits import ExitCode
from bgjobs.cli.faults import fault_of, tell
from bgjobs.cli.session import Session

_logger = logging.getLogger("bgjobs")
_NOWHERE = logging.NullHandler()

_EPILOG = f"""\b
Exit codes:
{exits.table()}

\b
Why did a job fail, and once more:
  bgjobs jobs list --failed
  bgjobs jobs retry ID
"""


class _AsAdded(click.Group):
    """Lists its commands in the order of their use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click has it
        """Give their names."""
        return list(self.commands)


@click.group(
    cls=_AsAdded,
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
@click.option("--traceback", "with_traceback", is_flag=True, help="Show where an error arose.")
@click.version_option(package_name="bgjobs", message="%(version)s")
@click.pass_context
def root(context: click.Context, app: str | None, *, with_traceback: bool) -> None:
    """Operate the background jobs of an application."""
    session = context.ensure_object(Session)
    session.app = app
    session.with_traceback = with_traceback
    # What a store would log is for those who run jobs; doctor tells it, too.
    _logger.addHandler(_NOWHERE)
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(ExitCode.USAGE)


for _command in (
    run,
    migrate,
    status,
    jobs,
    queues,
    schedules,
    owners,
    watch,
    doctor,
    completion,
):
    root.add_command(_command)


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
            traceback.print_exception(error, file=sys.stderr)
        fault = fault_of(error)
        tell(fault)
        return fault.code
    return code or ExitCode.DONE
