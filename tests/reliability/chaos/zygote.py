"""A process with everything imported, which others are forked from.

``python -m tests.reliability.chaos.zygote`` reads one JSON line for each order and answers with one. It
ends with its stdin, and all that it has forked end with it. What has ended is not reaped before
somebody asks for it: until then no other process gets its number, and so its signals.
"""

import ctypes
import faulthandler
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from tests.reliability.chaos.named import named
from tests.reliability.chaos.storm_orders import orders_from

_PR_SET_PDEATHSIG = 1
_PRELOADED = (
    "tests.reliability.chaos.worker",
    "tests.reliability.chaos.producer",
    "tests.reliability.chaos.faults.menu",
    "anyio._backends._trio",
    "anyio._backends._asyncio",
)


def main() -> None:
    """Serve until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver
    for module in _PRELOADED:
        importlib.import_module(module)
    gc.freeze()
    _say("ready")
    for line in sys.stdin:
        order = json.loads(line)
        _say(_answer(order))


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _answer(order: dict[str, Any]) -> int | None:
    if "reap" in order:
        pid, status = os.waitpid(order["reap"], os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None
    parent = os.getpid()
    return os.fork() or _run(order, parent)


def _run(order: dict[str, Any], parent: int) -> NoReturn:
    code = 1
    try:
        _settle_in(order["errors"], parent)
        orders = orders_from(order["start"])
        code = named(orders.program)(orders) or 0
    except BaseException:  # noqa: BLE001 - the end of a process: all is told, and nothing is above
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _settle_in(errors: str, parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    told = os.open(Path(errors), os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    for number, stream in enumerate((nothing, nothing, told)):
        os.dup2(stream, number)
    os.close(nothing)
    os.close(told)
    faulthandler.register(signal.SIGUSR1)  # it writes what all threads are doing


if __name__ == "__main__":
    main()
