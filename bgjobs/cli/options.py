"""Options that several commands have, and the types of their values."""

import getpass
from collections.abc import Callable
from datetime import datetime, timedelta
from string import hexdigits
from typing import Any, Protocol, TypeVar

import click

import bgjobs
from bgjobs.cli import names
from bgjobs.cli.output import formats

PRIORITY = click.IntRange(-32_767, 32_767)
_MAX_DURATION = timedelta(days=36_500)
_MIN_DIGITS = 4
"""Digits of an id: a shorter prefix hardly ever means one job, and a typing error another."""

# Any: each command has the parameters of its own options.
C = TypeVar("C", bound=Callable[..., Any] | click.Command)


class Decorator(Protocol):
    """Adds an option or an argument to a command."""

    def __call__(self, command: C, /) -> C:
        """Return the same command."""
        ...


def job_id(text: str) -> str:
    """Check the id of a job, or a prefix of one."""
    digits = text.replace("-", "")
    if not _MIN_DIGITS <= len(digits) <= formats.MAX_DIGITS or not set(digits) <= set(
        hexdigits
    ):
        raise click.BadParameter(
            f"expected a job id as jobs list shows it, or at least its first {_MIN_DIGITS} "
            f"digits, found {text!r}"
        )
    return text


def list_position(text: str) -> str:
    """Check where a list continues: after an id or a prefix of one, or after a cursor."""
    job, sign, _ = text.partition("@")
    job_id(job)
    if sign:
        try:
            bgjobs.Cursor.of(text)
        except ValueError:
            raise click.BadParameter(
                f"expected an id, or a position that jobs list has shown, found {text!r}"
            ) from None
    return text


def duration(text: str) -> timedelta:
    """Parse a duration."""
    found = formats.parse_duration(text)
    if found is None:
        raise click.BadParameter(
            f"expected a duration such as 90s, 15m, 1h30m or 7d, found {text!r}"
        )
    if found > _MAX_DURATION:
        raise click.BadParameter(f"expected at most {_MAX_DURATION.days}d, found {text!r}")
    return found


def timestamp(text: str) -> datetime:
    """Parse a time; a time without a time zone is refused."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.utcoffset() is None:
        raise click.BadParameter(
            f"expected a time with its zone such as 2030-01-31T08:00:00Z, found {text!r}"
        )
    return found


def key_value(text: str) -> tuple[str, str]:
    """Parse a key and its value, which may be empty."""
    key, sign, value = text.partition("=")
    if not key or not sign:
        raise click.BadParameter(f"expected KEY=VALUE, found {text!r}")
    return key, value


def user_name() -> str | None:
    """Return the name of the user of the operating system, or None if it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may run under an id without a name
        return None


def author(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    """Check the name of who does something; refuse one that shows nothing."""
    if name is not None and not name.strip():
        raise click.BadParameter("expected a name, found an empty one")
    return name


json_option: Decorator = click.option("--json", "with_json", is_flag=True, help="Print JSON.")
yes_option: Decorator = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
dry_run_option: Decorator = click.option(
    "--dry-run", is_flag=True, help="Show what would be done, and change nothing."
)
worker_option: Decorator = click.option(
    "--worker",
    metavar="NAME",
    shell_complete=names.complete_workers,
    help="Only the jobs of this worker.",
)
delay_option: Decorator = click.option(
    "--in", "delay", type=duration, metavar="TIME", help="Run it after this time, such as 15m."
)
at_option: Decorator = click.option(
    "--at", type=timestamp, metavar="TIME", help="Run it at this time."
)
by_option: Decorator = click.option(
    "--by",
    default=user_name,
    metavar="NAME",
    callback=author,
    help="Who does it, for the audit and the jobs; by default the name of your user.",
)
ids_argument: Decorator = click.argument("job_ids", metavar="[ID]...", type=job_id, nargs=-1)
