"""`bgjobs jobs`: look at jobs, and change what becomes of them."""

import click

from bgjobs.cli.commands.jobs.cancel import cancel
from bgjobs.cli.commands.jobs.delete_prune import delete
from bgjobs.cli.commands.jobs.enqueue import enqueue
from bgjobs.cli.commands.jobs.export_import import export, import_jobs
from bgjobs.cli.commands.jobs.list_show import list_jobs
from bgjobs.cli.commands.jobs.prune import prune
from bgjobs.cli.commands.jobs.reschedule import reschedule
from bgjobs.cli.commands.jobs.retry_cancel_reschedule import retry
from bgjobs.cli.commands.jobs.show import show


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
