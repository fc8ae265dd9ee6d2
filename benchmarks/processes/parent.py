"""Processes that do the measuring: each tells what it finds, line by line."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, final

from benchmarks.processes.messages import heard
from benchmarks.processes.parameters import Plan

STOPPING = 15.0
"""Seconds that a process has between SIGTERM and SIGKILL."""
ROOT = Path(__file__).parents[2]


class GoneError(Exception):
    """A process ended before it told what was waited for."""


class SilentError(GoneError):
    """A process said nothing in the time that was given."""


@final
class Process:
    """A child. It ends when this process does, as the end of its input tells it."""

    def __init__(self, command: Sequence[str], errors: Path, folder: Path = ROOT) -> None:
        self._errors = errors
        with errors.open("ab") as file:
            self._before = file.tell()
            self._child = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                cwd=folder,
            )
        self._told: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def _listen(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as lines:
            for line in lines:
                facts = heard(line)
                if facts is not None:
                    self._told.put(facts)
        self._told.put(None)

    def next(self, seconds: float) -> dict[str, Any]:
        """Wait for what the child tells next."""
        try:
            facts = self._told.get(timeout=max(0.0, seconds))
        except Empty:
            raise SilentError(f"told nothing in time{self._complaint()}") from None
        if facts is None:
            code = self._child.wait(STOPPING)
            raise GoneError(f"ended with code {code}{self._complaint()}")
        return facts

    def wait(self, event: str, seconds: float) -> dict[str, Any]:
        """Wait until the child tells this, and leave out what comes before."""
        end = monotonic() + seconds
        while True:
            facts = self.next(end - monotonic())
            if facts["event"] == event:
                return facts
            if facts["event"] == "missing":
                raise GoneError(facts["text"])

    def go(self) -> None:
        """Let a worker begin that waits for the others of its crew."""
        assert self._child.stdin is not None
        self._child.stdin.write("go\n")
        self._child.stdin.flush()

    def interrupt(self) -> None:
        """Ask it to stop."""
        if self._child.poll() is None:
            self._child.terminate()

    def stop(self) -> None:
        """Let it end, gently if it can."""
        self.interrupt()
        try:
            self._child.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdin is not None:
            self._child.stdin.close()

    def _complaint(self) -> str:
        with self._errors.open("rb") as file:
            file.seek(self._before)
            lines = file.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1].strip()}" if lines else ""


@contextmanager
def child(command: Sequence[str], errors: Path, folder: Path = ROOT) -> Iterator[Process]:
    """Run a process for the length of the block, in a folder whose packages it imports."""
    process = Process(command, errors, folder)
    try:
        yield process
    finally:
        process.stop()


def worker_command(plan: Plan, jobs: int, expected: int, every: int = 0) -> list[str]:
    """Say how to start a worker that notes `jobs` and tells when it has run `expected`.

    With `every` it is one of a crew: it tells how far it is after each so many jobs, and it
    begins when it is told to.
    """
    numbers = [str(number) for number in (jobs, expected, every)]
    return [
        sys.executable,
        "-m",
        "benchmarks.processes.child",
        "worker",
        plan.to_json(),
        *numbers,
    ]


def client_command(plan: Plan) -> list[str]:
    """Say how to start the process that measures one system."""
    return [sys.executable, "-m", "benchmarks.processes.child", "measure", plan.to_json()]
