"""`bgjobs jobs`: show, change, enqueue, export and import jobs."""

import click

from bgjobs.cli.commands.jobs.delete_prune import delete, prune
from bgjobs.cli.commands.jobs.enqueue import enqueue
from bgjobs.cli.commands.jobs.export_import import export, import_jobs
from bgjobs.cli.commands.jobs.list_show import list_jobs, show
from bgjobs.cli.commands.jobs.retry_cancel_reschedule import cancel, reschedule, retry


@click.group(no_args_is_help=False)
def jobs() -> None:
    """Show, change, enqueue, export and import jobs."""


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
