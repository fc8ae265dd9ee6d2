"""What happens inside a worker process, and how it tells the process that started it."""

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
"""Lines that begin with this are meant for the parent; libraries may print others."""


def say(event: str, **facts: Any) -> None:
    """Tell the parent."""
    sys.stdout.write(f"{MARK}{json.dumps({'event': event, **facts})}\n")
    sys.stdout.flush()


def heard(line: str) -> dict[str, Any] | None:
    """Read what a child told, if the line is of that kind."""
    if not line.startswith(MARK):
        return None
    found: dict[str, Any] = json.loads(line.removeprefix(MARK))
    return found


def end_with_parent() -> threading.Event:
    """Exit as soon as the parent is gone: an orphan would take the next round's jobs.

    The event is set when the parent says `go`.
    """
    told_to_go = threading.Event()
    threading.Thread(target=_listen_to_parent, args=(told_to_go,), daemon=True).start()
    return told_to_go


def _listen_to_parent(told_to_go: threading.Event) -> None:
    # Not sys.stdin, whose lock the interpreter waits for when it ends.
    while os.read(0, 1024):
        told_to_go.set()
    os._exit(1)


def cpu_seconds() -> float:
    """Give what this process has taken of all cores, in user and kernel mode."""
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@final
class Recorder:
    """Notes which jobs ran. `hit` is the first statement of every handler."""

    def __init__(self, jobs: int, expected: int, every: int = 0) -> None:
        self._runs = bytearray(jobs)
        self._expected = expected
        self._every = every
        self._seen = 0
        self._again = 0
        self._late: list[int] = []
        self._first = self._last = 0
        self._cpu = 0.0

    def ready(self) -> None:
        """Say that this worker takes jobs from now on."""
        say("ready")

    def hit(self, i: int, instant: int) -> None:
        """Note job `i`, and how late it is for `instant` if that is not 0."""
        now = monotonic_ns()
        if not self._first:
            self._first = now
            self._cpu = cpu_seconds()
        if self._runs[i]:
            self._again += 1
            return
        self._runs[i] = 1
        self._seen += 1
        self._last = now
        if instant:
            self._late.append(now - instant)
        if self._seen == self._expected:
            say("all", **self._facts(), late=self._late)
        if self._every and not self._seen % self._every:
            say("seen", jobs=self._seen)

    def end(self) -> None:
        """Say what this worker has run, at its end."""
        runs = base64.b64encode(zlib.compress(self._runs, 1)).decode()
        say("end", **self._facts(), runs=runs)

    def _facts(self) -> Mapping[str, Any]:
        return {
            "first": self._first,
            "last": self._last,
            "seen": self._seen,
            "again": self._again,
            "cpu": cpu_seconds() - self._cpu if self._first else 0.0,
        }


def runs_in(facts: Mapping[str, Any]) -> bytes:
    """Give, for each job, whether this worker ran it."""
    return zlib.decompress(base64.b64decode(facts["runs"]))
