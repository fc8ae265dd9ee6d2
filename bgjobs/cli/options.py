"""Options that several commands have, and the types of their values."""

from collections.abc import Callable
from datetime import datetime, timedelta
from string import hexdigits
from typing import Any, Protocol, TypeVar

import click

import bgjobs
from bgjobs.cli import completing
from bgjobs.cli.output import formats as ages

PRIORITY = click.IntRange(-32_767, 32_767)
_LONGEST = timedelta(days=36_500)
_FEWEST, _DIGITS = 4, 32
"""Digits of an id: fewer would hardly mean one job, and a slip of the finger another one."""

# Any: commands have whatever parameters their options give them.
C = TypeVar("C", bound=Callable[..., Any] | click.Command)


class Decorator(Protocol):
    """Gives a command an option or an argument."""

    def __call__(self, command: C, /) -> C:
        """Give the same command."""
        ...


def job_id(text: str) -> str:
    """Read the id of a job, or the beginning of one."""
    digits = text.replace("-", "")
    if not _FEWEST <= len(digits) <= _DIGITS or not set(digits) <= set(hexdigits):
        raise click.BadParameter(
            f"expected a job id such as jobs list shows, or at least its first {_FEWEST} "
            f"digits, found {text!r}"
        )
    return text


def place(text: str) -> str:
    """Read where a list goes on: an id, or its beginning, or what a search has told."""
    job, sign, _ = text.partition("@")
    job_id(job)
    if sign:
        try:
            bgjobs.Cursor.of(text)
        except ValueError:
            raise click.BadParameter(
                f"expected an id, or what jobs list has told, found {text!r}"
            ) from None
    return text


def duration(text: str) -> timedelta:
    """Read a length of time."""
    found = ages.duration(text)
    if found is None:
        raise click.BadParameter(
            f"expected a duration such as 90s, 15m, 1h30m or 7d, found {text!r}"
        )
    if found > _LONGEST:
        raise click.BadParameter(f"expected at most {_LONGEST.days}d, found {text!r}")
    return found


def instant(text: str) -> datetime:
    """Read a moment; one without a time zone is refused."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.utcoffset() is None:
        raise click.BadParameter(
            f"expected a time with its zone such as 2030-01-31T08:00:00Z, found {text!r}"
        )
    return found


def pair(text: str) -> tuple[str, str]:
    """Read a key and its value, which may be empty."""
    key, sign, value = text.partition("=")
    if not key or not sign:
        raise click.BadParameter(f"expected KEY=VALUE, found {text!r}")
    return key, value


json_option: Decorator = click.option("--json", "with_json", is_flag=True, help="Print JSON.")
yes_option: Decorator = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
dry_run_option: Decorator = click.option(
    "--dry-run", is_flag=True, help="Say what would be done."
)
worker_option: Decorator = click.option(
    "--worker",
    metavar="NAME",
    shell_complete=completing.workers,
    help="Only the jobs of this worker.",
)
search_option: Decorator = click.option(
    "--search",
    metavar="WORDS",
    help="Only failed jobs with these words in the error's first line; db* begins one.",
)
delay_option: Decorator = click.option(
    "--in", "delay", type=duration, metavar="TIME", help="Run it after this, such as 15m."
)
at_option: Decorator = click.option(
    "--at", type=instant, metavar="TIME", help="Run it at this time."
)
ids_argument: Decorator = click.argument("job_ids", metavar="[ID]...", type=job_id, nargs=-1)
