"""Forked processes report how they end, and none outlives the process that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.reliability.chaos.processes.fork_server import ForkServer, running_fork_server
from tests.reliability.chaos.settings import ProcessSettings

PATIENCE = 30.0
"""Seconds to wait for a process."""


def sleep_long(settings: ProcessSettings) -> None:
    """Write the number of this process to the journal, and sleep until killed."""
    Path(settings.journal).write_text(str(os.getpid()))
    time.sleep(600)


def return_seven(settings: ProcessSettings) -> int:
    return 7


def raise_error(settings: ProcessSettings) -> None:
    raise ValueError("expected by the test")


def settings(folder: Path, function: str) -> ProcessSettings:
    program = f"tests.reliability.chaos.processes.test_fork_server:{function}"
    return ProcessSettings(location="", journal=str(folder / "journal"), program=program)


def ended(started: ForkServer, pid: int) -> int:
    deadline = time.monotonic() + PATIENCE
    while (code := started.reap(pid)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return code


def wait_for(file: Path) -> int:
    deadline = time.monotonic() + PATIENCE
    while not file.exists() or not file.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(file.read_text())


def has_ended(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def test_exit_codes_and_signals_are_reported(tmp_path: Path) -> None:
    with running_fork_server(tmp_path) as started:
        assert ended(started, started.start(settings(tmp_path, "return_seven"))) == 7
        assert ended(started, started.start(settings(tmp_path, "raise_error"))) == 1
        assert "ValueError: expected by the test" in started.errors()
        killed = started.start(settings(tmp_path, "sleep_long"))
        os.kill(killed, signal.SIGKILL)
        assert ended(started, killed) == -signal.SIGKILL


def test_a_stopped_process_ends_with_the_fork_server(tmp_path: Path) -> None:
    with running_fork_server(tmp_path) as started:
        left = started.start(settings(tmp_path, "sleep_long"))
        wait_for(tmp_path / "journal")
        os.kill(left, signal.SIGSTOP)
    deadline = time.monotonic() + PATIENCE
    while not has_ended(left):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_a_driver_that_was_killed(tmp_path: Path, how: int) -> None:
    driver = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.reliability.chaos.processes.test_fork_server",
            str(tmp_path),
        ],
        cwd=Path(__file__).parents[4],
    )
    process = wait_for(tmp_path / "journal")
    driver.send_signal(how)
    driver.wait(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while not has_ended(process):
        assert time.monotonic() < deadline
        time.sleep(0.01)


if __name__ == "__main__":
    with running_fork_server(Path(sys.argv[1])) as started_here:
        started_here.start(settings(Path(sys.argv[1]), "sleep_long"))
        time.sleep(600)
