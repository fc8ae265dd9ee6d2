"""The driver's side of the zygote: it starts processes in some milliseconds each."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from tests.reliability.chaos.storm_orders import Orders

_ROOT = Path(__file__).parents[3]


@final
class Nursery:
    """Starts processes and learns how they ended."""

    def __init__(self, zygote: "subprocess.Popen[str]", errors: Path) -> None:
        self._zygote = zygote
        self._errors = errors
        assert self._hear() == "ready"

    def start(self, orders: Orders) -> int:
        """Start a process; gives its number."""
        pid: int = self._ask({"start": orders.text(), "errors": str(self._errors)})
        return pid

    def reap(self, pid: int) -> int | None:
        """Give how a process has ended, minus a signal's number perhaps; None while it runs."""
        code: int | None = self._ask({"reap": pid})
        return code

    def errors(self) -> str:
        """Give what all processes wrote as errors."""
        return self._errors.read_text() if self._errors.exists() else ""

    def _ask(self, order: dict[str, Any]) -> Any:
        assert self._zygote.stdin is not None
        self._zygote.stdin.write(json.dumps(order) + "\n")
        self._zygote.stdin.flush()
        return self._hear()

    def _hear(self) -> Any:
        assert self._zygote.stdout is not None
        answer = self._zygote.stdout.readline()
        assert answer, "the zygote has ended, see its stderr"
        return json.loads(answer)


@contextmanager
def nursery(folder: Path) -> Generator[Nursery]:
    """Run a zygote; all that it has started end with the block."""
    zygote = subprocess.Popen(
        [sys.executable, "-m", "tests.reliability.chaos.zygote"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    )
    try:
        yield Nursery(zygote, folder / "errors")
    finally:
        zygote.communicate(timeout=60)
