"""A server process from which processes are forked within milliseconds, and its client.

``python -m tests.reliability.chaos.processes.fork_server`` imports everything, reads requests
as lines of JSON and answers each with one line. When its stdin is closed, it ends, and all
forked processes with it. A process that has ended is reaped only on request; until then the
system gives its number to no other process, which a signal could hit.
"""

import ctypes
import faulthandler
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, final

from tests.reliability.chaos.settings import ProcessSettings, load, settings_from_json

_ROOT = Path(__file__).parents[4]


@final
class ForkServer:
    """The client, which starts processes and collects their exit codes."""

    def __init__(self, process: "subprocess.Popen[str]", errors: Path) -> None:
        self._process = process
        self._errors = errors
        assert self._receive() == "ready"

    def start(self, settings: ProcessSettings) -> int:
        """Start a process, and return its number."""
        pid: int = self._ask({"start": settings.to_json(), "errors": str(self._errors)})
        return pid

    def reap(self, pid: int) -> int | None:
        """Return the exit code of a process, or minus its signal; None while it runs."""
        code: int | None = self._ask({"reap": pid})
        return code

    def errors(self) -> str:
        """Return the stderr of all processes."""
        return self._errors.read_text() if self._errors.exists() else ""

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._receive()

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        assert answer, "the fork server has ended; see its stderr"
        return json.loads(answer)


@contextmanager
def running_fork_server(folder: Path) -> Generator[ForkServer]:
    """Run a fork server; all processes that it has forked end with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.reliability.chaos.processes.fork_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    )
    try:
        yield ForkServer(process, folder / "errors")
    finally:
        process.communicate(timeout=60)


_PR_SET_PDEATHSIG = 1
_PRELOADED = (
    "tests.reliability.chaos.processes.worker",
    "tests.reliability.chaos.processes.producer",
    "tests.reliability.chaos.faults",
    "anyio._backends._trio",
    "anyio._backends._asyncio",
)


def main() -> None:
    """Answer requests until stdin is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver
    for module in _PRELOADED:
        importlib.import_module(module)
    gc.freeze()
    _answer_line("ready")
    for line in sys.stdin:
        request = json.loads(line)
        _answer_line(_answer(request))


def _answer_line(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _answer(request: dict[str, Any]) -> int | None:
    if "reap" in request:
        pid, status = os.waitpid(request["reap"], os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None
    parent = os.getpid()
    return os.fork() or _run(request, parent)


def _run(request: dict[str, Any], parent: int) -> NoReturn:
    code = 1
    try:
        _prepare_process(request["errors"], parent)
        settings = settings_from_json(request["start"])
        code = load(settings.program)(settings) or 0
    except BaseException:  # noqa: BLE001 - the process ends here, and its stderr shows why
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _prepare_process(errors: str, parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    null = os.open(os.devnull, os.O_RDWR)
    stderr = os.open(Path(errors), os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    for number, stream in enumerate((null, null, stderr)):
        os.dup2(stream, number)
    os.close(null)
    os.close(stderr)
    faulthandler.register(signal.SIGUSR1)  # writes the stacks of all threads


if __name__ == "__main__":
    main()
