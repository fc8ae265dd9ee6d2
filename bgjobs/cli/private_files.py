"""Files that only their owner may read, and that are there as a whole or not at all."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO

from bgjobs.cli.errors import Fault
from bgjobs.cli.exits import ExitCode


@contextmanager
def written(file: Path, *, replace: bool) -> Generator[BinaryIO]:
    """Write a file beside the place where it is to be, and put it there at the end.

    What is there keeps its contents until then, also where the writing fails or is interrupted.
    A link is refused, and not followed; a device is written to.
    """
    _check(file, replace=replace)
    if file.exists() and not file.is_file():
        with file.open("wb") as stream:
            yield stream
        return
    number, name = _beside(file)
    try:
        with os.fdopen(number, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(number)
        if replace:
            Path(name).replace(file)
        else:
            _put(Path(name), file)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


def _beside(file: Path) -> tuple[int, str]:
    try:
        return mkstemp(prefix=f".{file.name}.", dir=file.parent)  # with mode 0600
    except OSError as error:
        raise Fault(f"{file}: {error.strerror}", ExitCode.NOT_DONE) from None


def _check(file: Path, *, replace: bool) -> None:
    if file.is_symlink():
        raise Fault(f"{file}: expected a file, found a link to {file.readlink()}")
    if file.exists() and not replace:
        raise _taken(file)


def _put(made: Path, file: Path) -> None:
    try:
        file.hardlink_to(made)  # unlike a rename it never replaces one that came meanwhile
    except FileExistsError:
        raise _taken(file) from None
    except OSError:  # a file system without links
        if file.exists():
            raise _taken(file) from None
        made.replace(file)


def _taken(file: Path) -> Fault:
    return Fault(f"{file}: there is such a file; --force replaces it")
