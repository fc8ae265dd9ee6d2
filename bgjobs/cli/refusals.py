"""Changes that the database refused: heard while a command goes on, told at its end."""

from typing import final
from uuid import UUID

import click

import bgjobs
from bgjobs import events
from bgjobs.cli.exits import ExitCode
from bgjobs.cli.output import terminal as screen

SHOWN = 20
"""Refusals that are told with their reason; of more it tells the number."""
KEPT = 1_000


@final
class Refusals:
    """A listener that keeps what was refused."""

    def __init__(self) -> None:
        self.reasons: dict[UUID, str] = {}
        """The first thousand."""
        self.count: int = 0

    def __call__(self, event: bgjobs.Event) -> None:
        """Keep a refusal."""
        if isinstance(event, events.ChangeRefused):
            self.count += 1
            if len(self.reasons) < KEPT:
                self.reasons[event.job_id] = str(event.error)

    @property
    def ids(self) -> list[str]:
        """The ids of the jobs, for JSON."""
        return [str(one) for one in self.reasons]

    def end(self) -> None:
        """Name what was refused, and end the command as one that was done in part."""
        texts = [f"refused {one}: {why}" for one, why in self.reasons.items()]
        tell(texts, self.count)


def tell(texts: list[str], count: int) -> None:
    """Print the first refusals of so many, and end the command; nothing if there is none."""
    if not count:
        return
    for text in texts[:SHOWN]:
        screen.note(text)
    if count > SHOWN:
        screen.note(f"refused {count - SHOWN:,} more")
    raise click.exceptions.Exit(ExitCode.NOT_DONE)
