"""Child processes that measure: start and stop them, and read their messages."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, final

from benchmarks.processes.messages import parse
from benchmarks.processes.parameters import Parameters

STOP_TIMEOUT = 15.0
"""Seconds between SIGTERM and SIGKILL."""
ROOT = Path(__file__).parents[2]
CHILD = (sys.executable, "-m", "benchmarks.processes.child")


class ProcessEndedError(Exception):
    """A process ended before it sent an expected message."""


class ProcessTimeoutError(ProcessEndedError):
    """A process sent no message in time."""


@final
class Process:
    """A child process. It ends when this process does: then its standard input is closed."""

    def __init__(self, command: Sequence[str], errors: Path, folder: Path = ROOT) -> None:
        self._errors = errors
        with errors.open("ab") as file:
            self._errors_start = file.tell()
            self._child = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                cwd=folder,
            )
        self._messages: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def _read(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as lines:
            for line in lines:
                message = parse(line)
                if message is not None:
                    self._messages.put(message)
        self._messages.put(None)

    def next(self, seconds: float) -> dict[str, Any]:
        """Wait for the next message of the child.

        Raises:
            ProcessTimeoutError: No message came in `seconds`.
            ProcessEndedError: The child has ended.
        """
        try:
            message = self._messages.get(timeout=max(0.0, seconds))
        except Empty:
            raise ProcessTimeoutError(f"no message in time{self._last_error()}") from None
        if message is None:
            code = self._child.wait(STOP_TIMEOUT)
            raise ProcessEndedError(f"ended with code {code}{self._last_error()}")
        return message

    def wait(self, event: str, seconds: float) -> dict[str, Any]:
        """Wait for a message of this kind, and skip others. Raises what `next` raises."""
        end = monotonic() + seconds
        while True:
            message = self.next(end - monotonic())
            if message["event"] == event:
                return message
            if message["event"] == "not_installed":
                raise ProcessEndedError(message["text"])

    def go(self) -> None:
        """Start a worker that waits until all workers of its group are there."""
        assert self._child.stdin is not None
        self._child.stdin.write("go\n")
        self._child.stdin.flush()

    def interrupt(self) -> None:
        """Send SIGTERM."""
        if self._child.poll() is None:
            self._child.terminate()

    def stop(self) -> None:
        """Send SIGTERM, wait for the end, and kill the child when it does not end."""
        self.interrupt()
        try:
            self._child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdin is not None:
            self._child.stdin.close()

    def _last_error(self) -> str:
        with self._errors.open("rb") as file:
            file.seek(self._errors_start)
            lines = file.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1].strip()}" if lines else ""


@contextmanager
def child(command: Sequence[str], errors: Path, folder: Path = ROOT) -> Iterator[Process]:
    """Run a process for the length of the block, in the folder it imports packages from."""
    process = Process(command, errors, folder)
    try:
        yield process
    finally:
        process.stop()


def worker_command(
    parameters: Parameters, jobs: int, expected: int, every: int = 0
) -> list[str]:
    """Return the command of a worker that records `jobs` and reports when it ran `expected`.

    With `every`, the worker is one of a group: it waits for `Process.go`, and reports its
    progress each time it has run that many jobs.
    """
    numbers = [str(number) for number in (jobs, expected, every)]
    return [*CHILD, "worker", parameters.to_json(), *numbers]


def measure_command(parameters: Parameters) -> list[str]:
    """Return the command of the process that measures one system."""
    return [*CHILD, "measure", parameters.to_json()]
