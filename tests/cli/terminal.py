"""A pseudo-terminal that runs a program, types keys, and reads what the program writes."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

DEADLINE = 60.0
"""Seconds after which a program that usually needs one is considered stuck."""
_PATIENCE = 3.0
"""Seconds after which a person would press a key again."""
CTRL_C = "\x03"
STYLE = re.compile(r"\x1b\[[0-9;]*m")
"""Escape sequences for colours and styles."""

# The first terminal that a session leader opens becomes its controlling terminal, which sends
# Ctrl-C to it. A process that was started in the background of a script ignores SIGINT.
_TAKE_TERMINAL = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.close(os.open(os.ttyname(0), os.O_RDWR))
os.execv(sys.argv[1], sys.argv[1:])
"""

BGJOBS = (sys.executable, "-m", "bgjobs.cli")


@final
class Terminal:
    """A program and what it has written so far, with ``\\n`` as the line end."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int) -> None:
        self.process = process
        self.seen = ""
        self._master = master

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._master, text.encode())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        self.process.send_signal(number)

    def until(self, *texts: str) -> str:
        """Read until all these texts were written; return the output since the last call."""
        while missing := [text for text in texts if text not in self.seen]:
            assert self._read(), f"the program ended before it wrote {missing}: {self.seen}"
        end = max(self.seen.index(text) + len(text) for text in texts)
        found, self.seen = self.seen[:end], self.seen[end:]
        return found

    def press_to_the_end(self, key: str) -> None:
        """Press a key until the program has ended, as a person would.

        Python handles a signal that arrives between a question and the read of its answer only
        when more input arrives.
        """
        presses = 0
        while self.process.poll() is None:
            assert presses < DEADLINE / _PATIENCE, f"the program does not end: {self.seen}"
            self.type(key)
            presses += 1
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_PATIENCE)

    def end(self) -> tuple[int, str]:
        """Read to the end; return the exit code and what was written since `until`."""
        while self._read():
            pass
        return self.process.wait(DEADLINE), self.seen

    def _read(self) -> bool:
        readable, _, _ = select.select([self._master], [], [], DEADLINE)
        assert readable, f"nothing was written for {DEADLINE} s: {self.seen}"
        try:
            found = os.read(self._master, 65_536)
        except OSError:  # Linux reports this when the last process has closed the terminal
            return False
        self.seen += found.decode(errors="replace").replace("\r\n", "\n")
        return bool(found)


@contextmanager
def terminal(
    *command: str, cwd: Path, env: Mapping[str, str] | None = None, columns: int = 160
) -> Generator[Terminal]:
    """Start a program on a terminal, and kill it at the end of the block."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (50, columns))
    settings = {"TERM": "xterm-256color", **(env or {})}
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", _TAKE_TERMINAL, *command],
        cwd=cwd,
        env={**_without_settings(), **settings},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def _without_settings() -> dict[str, str]:
    settings = ("NO_COLOR", "COLUMNS", "LINES")
    return {name: value for name, value in os.environ.items() if name not in settings}
