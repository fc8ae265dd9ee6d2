"""The options that select jobs by their properties, and the filters that they mean."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar, final

import click
from attrs import frozen

import bgjobs
from bgjobs.cli.errors import CommandError
from bgjobs.cli.names import complete_queues
from bgjobs.cli.options import key_value, timestamp, worker_option

S = TypeVar("S", bound=bgjobs.State)
T = TypeVar("T")

_OPTIONS: Mapping[str, Any] = {
    "name": worker_option,
    "queue": click.option(
        "--queue",
        metavar="NAME",
        shell_complete=complete_queues,
        help="Only the jobs that this queue or schedule reserved last.",
    ),
    "search": click.option(
        "--search",
        metavar="WORDS",
        help="Only failed jobs whose error has these words in its first line; db* is a prefix.",
    ),
    "metadata": click.option(
        "--metadata",
        type=key_value,
        multiple=True,
        metavar="KEY=VALUE",
        help="Only jobs with this metadata; may be repeated.",
    ),
    "before": click.option(
        "--created-before",
        type=timestamp,
        metavar="TIME",
        help="Only jobs that were created before this time.",
    ),
    "after": click.option(
        "--created-after",
        type=timestamp,
        metavar="TIME",
        help="Only jobs that were created at this time or later.",
    ),
}
"""The options by the property of a `JobFilter` that each of them sets."""
_NAMES = {"name": "worker", "before": "created_before", "after": "created_after"}
"""The parameters of options, where they have another name than the property."""


@final
@frozen
class Selection:
    """The properties of jobs that were asked for."""

    name: str | None = None
    queue: str | None = None
    search: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    before: datetime | None = None
    after: datetime | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether any property was asked for."""
        return self != Selection()

    def of(self, state: S) -> bgjobs.JobFilter[S]:
        """Return the filter for jobs of a state.

        Raises:
            CommandError: If jobs of this state do not have the properties.
        """
        try:
            return bgjobs.JobFilter(
                state,
                name=self.name,
                queue=self.queue,
                search=self.search,
                metadata=dict(self.metadata),
                before=self.before,
                after=self.after,
            )
        except ValueError as error:
            what, _, problem = str(error).partition(": ")
            raise CommandError(f"{_option(what)}: {problem}") from None


def _option(what: str) -> str:
    """Return the option that sets a property."""
    return f"--{_NAMES.get(what, what).replace('_', '-')}"


def selection_options(*properties: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Add options for these properties, or for all, to a command; it gets a `Selection`."""
    chosen = properties or tuple(_OPTIONS)

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        @wraps(command)
        def with_selection(*args: Any, **kwargs: Any) -> T:
            found = {one: kwargs.pop(_NAMES.get(one, one)) for one in chosen}
            return command(*args, selection=Selection(**found), **kwargs)

        decorated = with_selection
        for one in reversed(chosen):
            decorated = _OPTIONS[one](decorated)
        return decorated

    return decorate
