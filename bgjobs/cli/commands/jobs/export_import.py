"""`bgjobs jobs export` and `import`: failed jobs as JSON lines."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO, TypeAlias, final

import click
from attrs import frozen

import bgjobs
from bgjobs.cli import names
from bgjobs.cli.bulk import Progress, confirm, in_bulk
from bgjobs.cli.counting import AT_MOST, Count, Failed
from bgjobs.cli.errors import Fault
from bgjobs.cli.options import (
    dry_run_option,
    json_option,
    search_option,
    worker_option,
    yes_option,
)
from bgjobs.cli.output import as_json
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.private_files import written
from bgjobs.cli.refusals import tell
from bgjobs.cli.session import Session, pass_session
from bgjobs.visible import visible_json

Write = Callable[[str], object]
"""Writes one line of JSON."""

_FEW, _WHOLE = 5, 2**28
"""Unreadable rows that are read at once, and characters of a column: all that memory takes."""
LONGEST_LINE = 2**23
"""Characters of a line that are read: more than an import takes."""


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@worker_option
@search_option
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--unreadable", is_flag=True, help="Rows that are no jobs, to be looked at.")
@pass_session
def export(
    session: Session,
    file: Path | None,
    worker: str | None,
    search: str | None,
    *,
    force: bool,
    unreadable: bool,
) -> None:
    """Write failed jobs, payloads included, as JSON lines to FILE or stdout."""
    if unreadable and (worker or search):
        raise Fault("--unreadable goes without --worker and --search")
    choice = _Unreadable() if unreadable else _Failed(Failed(worker, search))
    count = session.administered(choice.count)
    names.check_found(session.config, worker, count.least)
    if file is None:
        write = partial(screen.json_line, out=screen.stdout())
        _export(session, choice, count.exactly, write, "the rest was not written")
        return
    with written(file, replace=force) as stream:
        done = _export(session, choice, count.exactly, _into(stream), f"{file} is as it was")
    screen.note(f"exported {done:,} to {file}")


def _export(
    session: Session, choice: "_Choice", total: int | None, write: Write, rest: str
) -> int:
    async def work(admin: bgjobs.Admin, progress: Progress) -> int:
        done = 0
        async for line in choice.lines(admin):
            write(line.rstrip())
            done += 1
            progress(done)
        return done

    return in_bulk(session, "exporting", total, work, rest=rest)


@final
@frozen
class _Failed:
    """Failed jobs, as import takes them."""

    chosen: Failed

    async def count(self, admin: bgjobs.Admin) -> Count:
        return await self.chosen.count(admin)

    def lines(self, admin: bgjobs.Admin) -> AsyncIterator[str]:
        return admin.export_failed(name=self.chosen.worker, search=self.chosen.search)


@final
@frozen
class _Unreadable:
    """Rows that are no jobs, with their whole columns, few at a time."""

    async def count(self, admin: bgjobs.Admin) -> Count:
        found = (await admin.count((), at_most=AT_MOST)).unreadable
        return Count(min(found, AT_MOST), "unreadable row")

    async def lines(self, admin: bgjobs.Admin) -> AsyncIterator[str]:
        page = bgjobs.Page(_FEW)
        while found := await admin.unreadable(page, longest=_WHOLE):
            for one in found:
                yield json.dumps(as_json.unreadable(one, with_payload=True))
            page = page.behind(found)


_Choice: TypeAlias = _Failed | _Unreadable


def _into(file: BinaryIO) -> Write:
    return lambda line: file.write(f"{visible_json(line)}\n".encode())


@click.command("import")
@click.argument("file", type=click.File(encoding="utf-8", errors="surrogateescape"))
@click.option("--skip-bad", is_flag=True, help="Import the rest where a line is refused.")
@dry_run_option
@yes_option
@json_option
@pass_session
def import_jobs(
    session: Session,
    file: TextIO,
    *,
    skip_bad: bool,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    """Store the failed jobs of FILE (- is stdin), as export writes them.

    Those whose id is there already are skipped. They stay failed until you retry them. A line
    that is refused ends it with its number and the reason; what was stored before it stays.
    """
    total = _count(file)
    what = "the failed jobs of stdin" if total is None else f"up to {total:,} failed jobs"
    if dry_run:
        screen.line(f"would import {what}")
        return
    confirm(f"Import {what}?", yes=yes)
    lines = _Lines(file)

    async def work(admin: bgjobs.Admin, progress: Progress) -> bgjobs.Imported:
        return await admin.import_failed(
            lines, skip_bad=skip_bad, progress=lambda _: progress(lines.count)
        )

    _tell(in_bulk(session, "importing", total, work), with_json=with_json)


def _tell(found: bgjobs.Imported, *, with_json: bool) -> None:
    """Print what became of the lines; a refused one ends the command as done in part."""
    if with_json:
        screen.json(
            {
                "imported": found.stored,
                "skipped": found.present,
                "refused": found.refused,
                "errors": [{"line": one.number, "reason": one.problem} for one in found.errors],
            }
        )
    else:
        refused = f", refused {found.refused:,}" if found.refused else ""
        screen.line(f"imported {found.stored:,}, skipped {found.present:,}{refused}")
    tell([str(one) for one in found.errors], found.refused)


def _count(file: TextIO) -> int | None:
    """Count the jobs in a file that can be read twice; None for another."""
    if not file.seekable():
        return None
    count = sum(1 for line in _lines_of(file) if line.strip())
    file.seek(0)
    return count


def _lines_of(file: TextIO) -> Iterator[str]:
    """Read the lines of a file; of one that is too long for any job only the beginning."""
    while line := file.readline(LONGEST_LINE):
        yield line
        while len(line) == LONGEST_LINE and not line.endswith("\n"):
            line = file.readline(LONGEST_LINE)


@final
class _Lines:
    """The lines of a file, with the number of jobs that were read so far."""

    def __init__(self, file: TextIO) -> None:
        self.count = 0
        self._file = file

    def __iter__(self) -> Iterator[str]:
        for line in _lines_of(self._file):
            self.count += bool(line.strip())
            yield line
