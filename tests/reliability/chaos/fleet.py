"""Starts the processes of a fleet, kills some if asked to, and gathers what they tell."""

import json
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any, TypeAlias, final

from tests.reliability.chaos.orders import Orders, moment

_ROOT = Path(__file__).parents[3]
_PATIENCE = 120.0
"""Seconds until waiting for a process is given up; a safety net, not a measure."""
_NODE = (sys.executable, "-m", "tests.reliability.chaos.node")

Report: TypeAlias = dict[str, Any]
"""What a node has measured, read from JSON, hence Any."""


@final
class Fleet:
    """Processes with the same scheduled jobs on one database."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.killed: dict[int, float] = {}
        """Processes that were killed, and when."""
        self._running: dict[int, subprocess.Popen[str]] = {}
        self._journal = Path(orders.journal)
        self._errors = self._journal.with_suffix(".errors")

    def start(self, count: int) -> None:
        """Start so many processes more; all of them run when this returns."""
        started = [self._popen() for _ in range(count)]
        self._running |= {one.pid: one for one in started}
        for one in started:
            assert one.stdout is not None
            assert one.stdin is not None
            assert one.stdout.readline() == "started\n", self.errors()
        for one in started:
            _tell(one, "measure\n")

    def kill_one_at_work(self) -> int:
        """Kill a process that has just begun to run something; gives its number."""
        seen = len(self.journal())
        self.wait_until(lambda: len(self.journal()) > seen)
        process = int(self.journal()[-1][3])
        victim = self._running.pop(process)
        victim.kill()
        victim.communicate(timeout=_PATIENCE)
        self.killed[process] = moment()
        return process

    def wait_until(self, reached: Callable[[], bool], patience: float = _PATIENCE) -> None:
        """Look again and again, as files announce nothing."""
        deadline = moment() + patience
        while not reached():
            assert moment() < deadline, self.errors()
            assert all(one.poll() is None for one in self._running.values()), self.errors()
            sleep(0.01)

    def journal(self) -> list[list[Any]]:
        """Give all starts of handlers so far."""
        if not self._journal.exists():
            return []
        text = self._journal.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def errors(self) -> str:
        """Give what the processes wrote as errors."""
        return self._errors.read_text() if self._errors.exists() else ""

    def stop(self) -> Sequence[Report]:
        """Stop all in order, at the same time, and give what they measured."""
        for one in self._running.values():
            _tell(one, "stop\n")
        reports = []
        while self._running:
            process, one = self._running.popitem()
            said = one.communicate(timeout=_PATIENCE)[0]
            assert one.returncode == 0, f"process {process}: {self.errors()}"
            reports.append(json.loads(said))
        return reports

    def end(self) -> None:
        """Leave nothing behind when something went wrong."""
        while self._running:
            _, one = self._running.popitem()
            one.kill()
            one.communicate()

    def _popen(self) -> subprocess.Popen[str]:
        with self._errors.open("ab") as errors:
            return subprocess.Popen(
                [*_NODE, self.orders.text()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=_ROOT,
            )


@contextmanager
def fleet(orders: Orders, processes: int) -> Generator[Fleet]:
    """Give a running fleet."""
    started = Fleet(orders)
    try:
        started.start(processes)
        yield started
    finally:
        started.end()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()
