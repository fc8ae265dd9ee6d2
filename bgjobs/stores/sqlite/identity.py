"""Whether the file at a path is still the one that was opened there."""

from pathlib import Path
from typing import final

from bgjobs.errors import StoreError, StoreUnavailableError


@final
class OpenedFile:
    """The file that a store has open.

    SQLite goes on with a file that was moved, deleted or replaced, so that what is written
    would be acknowledged and lost.
    """

    def __init__(self, path: str, label: str) -> None:
        self._path = Path(path)
        self._label = label
        self._opened = self._at_path()

    def check(self) -> None:
        """Raise `StoreError` when its path leads elsewhere."""
        # Never by opening: closing again would drop the locks that SQLite holds for us.
        if self._at_path() != self._opened:
            raise StoreError(f"{self._label}: the file was replaced while it was open")

    def _at_path(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except FileNotFoundError as error:
            raise StoreError(
                f"{self._label}: the file was removed while it was open"
            ) from error
        except OSError as error:
            raise StoreUnavailableError(f"{self._label}: {error.strerror}") from error
        return found.st_dev, found.st_ino


def leads_to(path: str, file: str) -> bool:
    """Say whether both are names of one file that is there."""
    try:
        return Path(path).samefile(file)
    except OSError:
        return False
