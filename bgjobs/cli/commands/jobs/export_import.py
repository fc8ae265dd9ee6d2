"""`bgjobs jobs export` and `import`: failed jobs as JSON lines."""

import json
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO, Literal, TextIO, TypeAlias, final

import click
from attrs import frozen

import bgjobs
from bgjobs._core.text import visible_json
from bgjobs.cli.commands.jobs.filters import Selection, selection_options
from bgjobs.cli.commands.jobs.selection import (
    Progress,
    confirm,
    end_if_refused,
    run_in_bulk,
)
from bgjobs.cli.errors import CommandError, ExitCode
from bgjobs.cli.names import check_queue_or_jobs, check_worker_or_jobs
from bgjobs.cli.options import (
    by_option,
    dry_run_option,
    json_option,
    yes_option,
)
from bgjobs.cli.output import as_json, terminal
from bgjobs.cli.session import CommandSession, pass_session
from bgjobs.cli.states import count

WriteLine: TypeAlias = Callable[[str], object]
"""Writes one line of JSON."""

_MAX_COLUMN = 2**28
"""Characters of a column of an unreadable row: they bound the memory."""
_MAX_LINE = 2**23
"""Characters of a line that are read. It is more than an import accepts."""


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@selection_options()
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option(
    "--unreadable", is_flag=True, help="Stored rows that are no jobs, to inspect them."
)
@by_option
@pass_session
def export(
    session: CommandSession,
    file: Path | None,
    selection: Selection,
    by: str | None,
    *,
    force: bool,
    unreadable: bool,
) -> None:
    """Write failed jobs as JSON lines to FILE or stdout.

    The lines contain the payloads of the jobs.
    """
    source = (
        _UnreadableRows(selection.of("unreadable"))
        if unreadable
        else _ExportedJobs(selection.of("failed"), by)
    )
    found = session.run(lambda client: count(client, source.wanted))
    check_worker_or_jobs(session.config, selection.name, found.least)
    check_queue_or_jobs(session.config, selection.queue, found.least)
    if file is None:
        write = partial(terminal.json_line, out=terminal.stdout())
        _export(session, source, found.exactly, write, "the rest was not written")
        return
    with _private_file(file, replace=force) as stream:
        rest = f"{file} is unchanged"
        done = _export(session, source, found.exactly, _writer(stream), rest)
    terminal.note(f"exported {done:,} to {file}")


def _export(
    session: CommandSession, source: "_Source", total: int | None, write: WriteLine, rest: str
) -> int:
    async def work(client: bgjobs.Client, progress: Progress) -> int:
        done = 0
        async for line in source.lines(client):
            write(line.rstrip())
            done += 1
            progress(done)
        return done

    return run_in_bulk(session, "exporting", total, work, rest=rest)


@final
@frozen
class _ExportedJobs:
    """Failed jobs in the format that import reads."""

    wanted: bgjobs.JobFilter[Literal["failed"]]
    by: str | None

    def lines(self, client: bgjobs.Client) -> AsyncIterator[str]:
        return client.admin.export_failed(self.wanted, by=self.by)


@final
@frozen
class _UnreadableRows:
    """Rows that are no jobs, with their whole columns."""

    wanted: bgjobs.JobFilter[Literal["unreadable"]]

    async def lines(self, client: bgjobs.Client) -> AsyncIterator[str]:
        page = bgjobs.Page()
        while found := await client.list(self.wanted, page):
            for one in found:  # one whole row at a time, as each may be large
                whole = await client.admin.find_unreadable(one.id, longest=_MAX_COLUMN)
                if whole is not None:  # otherwise it was deleted meanwhile
                    yield json.dumps(as_json.unreadable(whole, with_payload=True))
            page = page.behind(found)


_Source: TypeAlias = _ExportedJobs | _UnreadableRows


def _writer(file: BinaryIO) -> WriteLine:
    return lambda line: file.write(f"{visible_json(line)}\n".encode())


@contextmanager
def _private_file(file: Path, *, replace: bool) -> Generator[BinaryIO]:
    """Write a file that only its owner may read, and that appears when it is complete.

    The file is written under a temporary name in the same folder, so an existing file keeps its
    contents if the export fails or is interrupted. A symbolic link is refused. A device is
    written to directly.
    """
    _check_target(file, replace=replace)
    if file.exists() and not file.is_file():
        with file.open("wb") as stream:
            yield stream
        return
    descriptor, name = _temporary_file(file)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(descriptor)
        if replace:
            Path(name).replace(file)
        else:
            _move_to_new(Path(name), file)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


def _temporary_file(file: Path) -> tuple[int, str]:
    try:
        return mkstemp(prefix=f".{file.name}.", dir=file.parent)  # with mode 0600
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", ExitCode.NOT_DONE) from None


def _check_target(file: Path, *, replace: bool) -> None:
    if file.is_symlink():
        raise CommandError(f"{file}: expected a file, found a link to {file.readlink()}")
    if file.exists() and not replace:
        raise _already_exists(file)


def _move_to_new(made: Path, file: Path) -> None:
    try:
        file.hardlink_to(made)  # unlike a rename, it never replaces a file
    except FileExistsError:
        raise _already_exists(file) from None
    except OSError:  # a file system without hard links
        if file.exists():
            raise _already_exists(file) from None
        made.replace(file)


def _already_exists(file: Path) -> CommandError:
    return CommandError(f"{file}: the file exists; add --force to replace it")


@click.command("import")
@click.argument("file", type=click.File(encoding="utf-8", errors="surrogateescape"))
@click.option("--skip-bad", is_flag=True, help="Import the other lines if one is refused.")
@by_option
@dry_run_option
@yes_option
@json_option
@pass_session
def import_jobs(
    session: CommandSession,
    file: TextIO,
    by: str | None,
    *,
    skip_bad: bool,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    """Store the failed jobs of a file that export wrote.

    FILE may be - for stdin. Jobs whose id is stored already are skipped. The jobs stay failed
    until you retry them. A line that is refused ends the import, with the number of the line
    and the reason; the jobs before it stay stored.
    """
    total = _count_jobs(file)
    what = "the failed jobs of stdin" if total is None else f"up to {total:,} failed jobs"
    if dry_run:
        terminal.line(f"would import {what}")
        return
    confirm(f"Import {what}?", yes=yes)
    lines = _CountedLines(file)

    async def work(client: bgjobs.Client, progress: Progress) -> bgjobs.Imported:
        return await client.admin.import_failed(
            lines, skip_bad=skip_bad, by=by, progress=lambda _: progress(lines.count)
        )

    _report(run_in_bulk(session, "importing", total, work), with_json=with_json)


def _report(found: bgjobs.Imported, *, with_json: bool) -> None:
    """Write what was done; refused lines end the command as done in part."""
    if with_json:
        terminal.json(
            {
                "imported": found.stored,
                "skipped": found.present,
                "refused": found.refused,
                "errors": [{"line": one.number, "reason": one.problem} for one in found.errors],
            }
        )
    else:
        refused = f", refused {found.refused:,}" if found.refused else ""
        terminal.line(f"imported {found.stored:,}, skipped {found.present:,}{refused}")
    end_if_refused([str(one) for one in found.errors], found.refused)


def _count_jobs(file: TextIO) -> int | None:
    """Count the jobs of a file, or return None if it cannot be read twice."""
    if not file.seekable():
        return None
    count = sum(1 for line in _lines(file) if line.strip())
    file.seek(0)
    return count


def _lines(file: TextIO) -> Iterator[str]:
    """Read the lines of a file; a line that is too long for any job is cut."""
    while line := file.readline(_MAX_LINE):
        yield line
        while len(line) == _MAX_LINE and not line.endswith("\n"):
            line = file.readline(_MAX_LINE)


@final
class _CountedLines:
    """The lines of a file, and the number of jobs that were read so far."""

    def __init__(self, file: TextIO) -> None:
        self.count = 0
        self._file = file

    def __iter__(self) -> Iterator[str]:
        for line in _lines(self._file):
            self.count += bool(line.strip())
            yield line
