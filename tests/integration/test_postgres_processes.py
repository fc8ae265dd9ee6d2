"""Several real processes on one schema."""

import json
import subprocess
import sys
from pathlib import Path

from bgjobs.stores.pages import Page
from bgjobs.stores.postgres import PostgresStore
from bgjobs.testing.contract.steps import listed
from tests.fixtures.postgres import drop_schema, random_schema
from tests.fixtures.stores import opened

_PROCESSES = 8
_EACH = 60
_TOTAL = _PROCESSES * _EACH
_PROGRAM = Path(__file__).with_name("postgres_worker.py")


def _start(dsn: str, schema: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(_PROGRAM), dsn, schema, str(_EACH), str(_TOTAL)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_eight_processes_run_every_job_exactly_once(postgres_dsn: str) -> None:
    # They also migrate the empty database all at once.
    schema = random_schema()
    running = [_start(postgres_dsn, schema) for _ in range(_PROCESSES)]
    try:
        outputs = [process.communicate(timeout=100)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    try:
        done = [one for output in outputs for one in json.loads(output)]
        assert len(done) == _TOTAL
        with opened(PostgresStore(postgres_dsn, schema=schema)) as store:
            succeeded = listed(store, "succeeded", Page(limit=1000))
        assert sorted(done) == sorted(str(job.id) for job in succeeded)
        assert {job.reservations for job in succeeded} == {1}
    finally:
        drop_schema(postgres_dsn, schema)
