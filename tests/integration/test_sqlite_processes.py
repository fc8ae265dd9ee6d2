"""Several real processes on one file."""

import subprocess
import sys
from pathlib import Path

import tests.fixtures.sqlite_programs as program
from tests.fixtures.sqlite import fresh_sqlite_store

_PROCESSES = 8
_JOBS_OF_EACH = 25


def test_eight_processes_run_every_job_exactly_once(sqlite_path: Path) -> None:
    """All make the file, migrate, enqueue, reserve and settle at once; none meets a lock."""
    total = _PROCESSES * _JOBS_OF_EACH
    arguments = [str(sqlite_path), str(_JOBS_OF_EACH), str(total)]
    command = [sys.executable, program.__file__, "share_file", *arguments]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(_PROCESSES)
    ]
    answers = [process.communicate(timeout=100) for process in running]
    assert [process.returncode for process in running] == [0] * _PROCESSES, answers
    settled = [one for out, _ in answers for one in out.split()]
    assert len(settled) == total
    assert len(set(settled)) == total
    with fresh_sqlite_store(sqlite_path) as store:
        counts = store.count()
    assert (counts.waiting, counts.running, counts.succeeded) == (0, 0, total)
