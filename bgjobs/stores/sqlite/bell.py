"""One descriptor that says when to look at a file."""

import select
import time
from contextlib import ExitStack
from pathlib import Path
from typing import final

from bgjobs.stores.sqlite.inotify import Inotify, Timer
from bgjobs.stores.sqlite.pace import Pace


@final
class Bell:
    """Rings when a file is written, and until what was written must have been committed.

    `OSError` when it cannot be had, or when another file has taken the place of this one.
    """

    def __init__(self, path: Path) -> None:
        with ExitStack() as undo:
            self._inotify = Inotify(path)
            undo.callback(self._inotify.close)
            self._timer = Timer()
            undo.callback(self._timer.close)
            self._either = select.epoll()
            undo.callback(self._either.close)
            self._either.register(self._inotify, 0)
            self._either.register(self._timer, select.EPOLLIN)
            self._pace = Pace()
            self._heard = True  # what was written just before may be committed soon
            self.wait(news=False)
            self._descriptors = undo.pop_all()

    def fileno(self) -> int:
        """Give the descriptor that is readable while it rings."""
        return self._either.fileno()

    def listen(self) -> bool:
        """Say whether the file was written since the last look that gave an answer."""
        self._heard = self._inotify.heard() or self._heard
        return self._heard

    def is_deaf(self) -> bool:
        """Say whether news, which were found just now, have come without a write."""
        return self._pace.resting and not self.listen()

    def wait(self, *, news: bool | None) -> None:
        """Be silent until it is time for another look; None is for one without an answer."""
        pause = self._pace.after(time.monotonic(), written=self._heard, news=bool(news))
        self._heard = self._heard and news is None
        self._timer.set(pause.seconds)
        self._either.modify(self._inotify, select.EPOLLIN if pause.listening else 0)

    def close(self) -> None:
        """Give back all descriptors."""
        self._descriptors.close()
