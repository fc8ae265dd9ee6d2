"""Messages from a worker or measuring process to its parent, and what a worker records.

A message is a line on the standard output: `MARK`, then a JSON object whose key ``event`` names
its kind.
"""

import base64
import json
import os
import sys
import threading
import zlib
from collections.abc import Mapping
from resource import RUSAGE_SELF, getrusage
from time import monotonic_ns
from typing import Any, final

MARK = "@@"
"""The prefix of messages; other lines are what libraries print."""


def send(event: str, **facts: Any) -> None:
    """Send a message to the parent."""
    sys.stdout.write(f"{MARK}{json.dumps({'event': event, **facts})}\n")
    sys.stdout.flush()


def parse(line: str) -> dict[str, Any] | None:
    """Return the message of a line, or None for any other line."""
    if not line.startswith(MARK):
        return None
    message: dict[str, Any] = json.loads(line.removeprefix(MARK))
    return message


def exit_with_parent() -> threading.Event:
    """Exit when the parent ends: an orphan would take the jobs of the next round.

    Returns:
        An event that is set when the parent sends ``go``.
    """
    go = threading.Event()
    threading.Thread(target=_read_input, args=(go,), daemon=True).start()
    return go


def _read_input(go: threading.Event) -> None:
    # Not sys.stdin, whose lock the interpreter waits for when it ends.
    while os.read(0, 1024):
        go.set()
    os._exit(1)


def cpu_seconds() -> float:
    """Return the processor time of this process, in user and kernel mode on all cores."""
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@final
class Recorder:
    """Records which jobs ran. `record` is the first statement of every handler."""

    def __init__(self, jobs: int, expected: int, every: int = 0) -> None:
        self._runs = bytearray(jobs)
        self._expected = expected
        self._every = every
        self._ran = 0
        self._repeated = 0
        self._latencies: list[int] = []
        self._first = self._last = 0
        self._cpu = 0.0

    def ready(self) -> None:
        """Report that this worker takes jobs from now on."""
        send("ready")

    def record(self, i: int, since: int) -> None:
        """Record a run of job `i`, and the ns that have passed `since` unless that is 0."""
        now = monotonic_ns()
        if not self._first:
            self._first = now
            self._cpu = cpu_seconds()
        if self._runs[i]:
            self._repeated += 1
            return
        self._runs[i] = 1
        self._ran += 1
        self._last = now
        if since:
            self._latencies.append(now - since)
        if self._ran == self._expected:
            send("finished", **self._facts(), latencies=self._latencies)
        if self._every and not self._ran % self._every:
            send("progress", ran=self._ran)

    def end(self) -> None:
        """Report all runs, when the worker ends."""
        runs = base64.b64encode(zlib.compress(self._runs, 1)).decode()
        send("ended", **self._facts(), runs=runs)

    def _facts(self) -> Mapping[str, Any]:
        return {
            "first": self._first,
            "last": self._last,
            "ran": self._ran,
            "repeated": self._repeated,
            "cpu": cpu_seconds() - self._cpu if self._first else 0.0,
        }


def runs_in(message: Mapping[str, Any]) -> bytes:
    """Return, for each job, 1 if the worker that ended ran it and 0 if not."""
    return zlib.decompress(base64.b64decode(message["runs"]))
