"""Storing failed jobs that were exported, in batches, with what is wrong told by its line."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import final

from attrs import frozen

from bgjobs._core.arguments import check_text
from bgjobs._core.jobs import FailedJob
from bgjobs._runtime.persistence.refusals import answered, answering, isolate
from bgjobs._runtime.services import Services
from bgjobs.errors import ExportedLineError, RowRefusedError
from bgjobs.events import AdminAction, ChangeRefused
from bgjobs.stores.imports import from_line
from bgjobs.stores.operations import Operations

NAMED = 100
"""Errors that are kept of one import; all are counted."""

Numbered = tuple[int, FailedJob]


@final
@frozen(kw_only=True)
class Imported:
    """What became of the lines of an import."""

    stored: int
    """Jobs that were not there."""
    present: int
    """Jobs that were there already, live or ended, and are as they were."""
    refused: int = 0
    """Lines that cannot be read, and jobs that the database does not take."""
    errors: Sequence[ExportedLineError] = ()
    """Why, for the first 100 of these in the order of the lines."""


@final
class Importing:
    """One import."""

    def __init__(self, services: Services, operations: Operations) -> None:
        self._services = services
        self._operations = operations
        self._stored = self._present = self._refused = 0
        self._errors: list[ExportedLineError] = []

    async def store(self, part: Sequence[tuple[int, str]], *, skips: bool) -> int:
        """Store the jobs of some lines and return how many are stored by now.

        Unless it skips what is refused, the first error is raised: before anything of this
        part is stored if a line cannot be read, else once all of it is stored that can be.
        """
        errors: list[ExportedLineError] = []
        jobs: list[Numbered] = []
        for number, line in part:
            check_text(f"import_failed: line {number}", line)
            if not line.strip():
                continue
            try:
                jobs.append((number, from_line(line, number)))
            except ExportedLineError as error:
                if not skips:
                    raise
                errors.append(error)
        await isolate(
            jobs, self._restore, lambda one, error: errors.append(self._told(one, error))
        )
        self._note(errors)
        if errors and not skips:
            raise errors[0]
        return self._stored

    def end(self) -> Imported:
        """Emit that lines were imported, and return what became of them."""
        self._services.bus.emit(AdminAction, "import_failed", "lines", self._stored)
        return Imported(
            stored=self._stored,
            present=self._present,
            refused=self._refused,
            errors=tuple(self._errors),
        )

    async def _restore(self, part: Sequence[Numbered]) -> None:
        jobs = [job for _, job in part]
        restore = answering(self._operations.restore)
        stored = answered(await self._services.dispatch.call(restore, jobs))
        self._stored += len(stored)
        self._present += len(jobs) - len(stored)

    def _told(self, one: Numbered, error: RowRefusedError) -> ExportedLineError:
        number, job = one
        self._services.bus.emit(ChangeRefused, "import_failed", job.id, error)
        refused = ExportedLineError(number, str(error))
        refused.__cause__ = error
        return refused

    def _note(self, errors: list[ExportedLineError]) -> None:
        self._refused += len(errors)
        room = NAMED - len(self._errors)
        self._errors += sorted(errors, key=lambda error: error.number)[:room]


def parts_of(lines: Iterable[str], size: int) -> Iterable[Sequence[tuple[int, str]]]:
    """Return the lines with their numbers, from 1, in parts of this size."""
    numbered = enumerate(lines, 1)
    while part := list(islice(numbered, size)):
        yield part
