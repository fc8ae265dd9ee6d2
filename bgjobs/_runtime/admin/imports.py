"""The import of failed jobs from lines of JSON, with an error for each refused line."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import final

from attrs import frozen

from bgjobs._core.arguments import check_text
from bgjobs._core.jobs import FailedJob
from bgjobs._runtime.admin.audit import Action
from bgjobs._runtime.persistence.refusals import answered, answering, isolate
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import ExportedLineError, RowRefusedError
from bgjobs.events import ChangeRefused
from bgjobs.stores.imports import from_line
from bgjobs.stores.operations import Operations

MOST_ERRORS = 100
"""Errors that one import keeps; it counts all of them."""

NumberedJob = tuple[int, FailedJob]
"""A job, and the number of its line."""


@final
@frozen(kw_only=True)
class Imported:
    """The result of `Admin.import_failed`."""

    stored: int
    """How many jobs were stored."""
    present: int
    """How many jobs were there already, live or ended; they are unchanged."""
    refused: int = 0
    """How many lines cannot be read, or have a job that the database refuses."""
    errors: Sequence[ExportedLineError] = ()
    """The errors of the first 100 refused lines, in the order of the lines."""


@final
class Importer:
    """One import: it stores batches of lines and counts the results."""

    def __init__(
        self, services: ClientServices, operations: Operations, action: Action
    ) -> None:
        self._services = services
        self._operations = operations
        self._action = action
        self._stored = self._present = self._refused = 0
        self._errors: list[ExportedLineError] = []

    async def store(self, part: Sequence[tuple[int, str]], *, skip_bad: bool) -> int:
        """Store the jobs of some numbered lines. Return how many are stored in all so far.

        Raises:
            ExportedLineError: The first refused line, unless `skip_bad`. If the line cannot be
                read, nothing of this part is stored; if the database refuses its job, all jobs
                of this part are stored but the refused ones.
        """
        errors: list[ExportedLineError] = []
        jobs: list[NumberedJob] = []
        for number, line in part:
            check_text(f"import_failed: line {number}", line)
            if not line.strip():
                continue
            try:
                jobs.append((number, from_line(line, number)))
            except ExportedLineError as error:
                if not skip_bad:
                    raise
                errors.append(error)
        await isolate(
            jobs, self._restore, lambda one, error: errors.append(self._refusal(one, error))
        )
        self._keep(errors)
        if errors and not skip_bad:
            raise errors[0]
        return self._stored

    def result(self) -> Imported:
        """Return the result."""
        return Imported(
            stored=self._stored,
            present=self._present,
            refused=self._refused,
            errors=tuple(self._errors),
        )

    async def _restore(self, part: Sequence[NumberedJob]) -> None:
        jobs = [job for _, job in part]
        restore = answering(self._operations.restore)
        stored = answered(await self._services.dispatch.call(restore, jobs))
        self._stored += len(stored)
        self._action.changed = self._stored
        self._present += len(jobs) - len(stored)

    def _refusal(self, one: NumberedJob, error: RowRefusedError) -> ExportedLineError:
        number, job = one
        self._services.bus.emit(ChangeRefused, "import_failed", job.id, error)
        refused = ExportedLineError(number, str(error))
        refused.__cause__ = error
        return refused

    def _keep(self, errors: list[ExportedLineError]) -> None:
        self._refused += len(errors)
        space = MOST_ERRORS - len(self._errors)
        self._errors += sorted(errors, key=lambda error: error.number)[:space]


def numbered_parts(lines: Iterable[str], size: int) -> Iterable[Sequence[tuple[int, str]]]:
    """Yield the lines with their numbers, counted from 1, in parts of this size."""
    numbered = enumerate(lines, 1)
    while part := list(islice(numbered, size)):
        yield part
