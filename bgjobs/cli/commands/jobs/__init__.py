"""`bgjobs jobs`: look at jobs, and change what becomes of them."""

import click

from bgjobs.cli.commands.jobs.cancel import cancel
from bgjobs.cli.commands.jobs.delete import delete
from bgjobs.cli.commands.jobs.enqueue import enqueue
from bgjobs.cli.commands.jobs.listing import list_jobs
from bgjobs.cli.commands.jobs.prune import prune
from bgjobs.cli.commands.jobs.reschedule import reschedule
from bgjobs.cli.commands.jobs.retry import retry
from bgjobs.cli.commands.jobs.show import show
from bgjobs.cli.commands.jobs.transfer import export, import_jobs


@click.group(no_args_is_help=False)
def jobs() -> None:
    """Look at jobs, and change what becomes of them."""


for _command in (
    list_jobs,
    show,
    retry,
    cancel,
    enqueue,
    reschedule,
    delete,
    prune,
    export,
    import_jobs,
):
    jobs.add_command(_command)
