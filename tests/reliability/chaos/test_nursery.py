"""Processes are started and watched one by one, and none outlives who started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.reliability.chaos.nursery import Nursery, nursery
from tests.reliability.chaos.storm_orders import Orders

PATIENCE = 30.0
"""Seconds; a safety net."""


def sleep_long(orders: Orders) -> None:
    """What a process of these tests does until it is harmed."""
    Path(orders.journal).write_text(str(os.getpid()))
    time.sleep(600)


def give_seven(orders: Orders) -> int:
    return 7


def raise_error(orders: Orders) -> None:
    raise ValueError("a storm's own error")


def orders(folder: Path, function: str) -> Orders:
    program = f"tests.reliability.chaos.test_nursery:{function}"
    return Orders(place="", journal=str(folder / "journal"), program=program)


def ended(started: Nursery, pid: int) -> int:
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


def is_gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def test_it_is_told_how_processes_end(tmp_path: Path) -> None:
    with nursery(tmp_path) as started:
        assert ended(started, started.start(orders(tmp_path, "give_seven"))) == 7
        assert ended(started, started.start(orders(tmp_path, "raise_error"))) == 1
        assert "ValueError: a storm's own error" in started.errors()
        killed = started.start(orders(tmp_path, "sleep_long"))
        os.kill(killed, signal.SIGKILL)
        assert ended(started, killed) == -signal.SIGKILL


def test_a_process_that_stands_still_ends_with_the_nursery_too(tmp_path: Path) -> None:
    with nursery(tmp_path) as started:
        left = started.start(orders(tmp_path, "sleep_long"))
        wait_for(tmp_path / "journal")
        os.kill(left, signal.SIGSTOP)
    deadline = time.monotonic() + PATIENCE
    while not is_gone(left):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_none_outlives_a_driver_that_was_killed(tmp_path: Path, how: int) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.reliability.chaos.test_nursery", str(tmp_path)],
        cwd=Path(__file__).parents[3],
    )
    process = wait_for(tmp_path / "journal")
    driver.send_signal(how)
    driver.wait(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while not is_gone(process):
        assert time.monotonic() < deadline
        time.sleep(0.01)


if __name__ == "__main__":
    with nursery(Path(sys.argv[1])) as started_here:
        started_here.start(orders(Path(sys.argv[1]), "sleep_long"))
        time.sleep(600)
