"""Several processes share the jobs of one PostgreSQL database; each job runs once.

    python examples/many_processes.py postgresql://localhost/test

The first process only enqueues. It starts three others, which run the jobs and write down who
ran what, in the transactions that complete the jobs.
"""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import psycopg
import trio

import bgjobs

JOBS = 60
PROCESSES = 3
TABLE = "create table if not exists many_processes.runs (number integer, process integer)"
WHO_RAN_WHAT = """
select process, count(*), count(distinct number) from many_processes.runs group by process
order by process"""


@bgjobs.worker
async def work(context: bgjobs.JobContext, number: int) -> None:
    await trio.sleep(0.02)
    context.complete_with(
        lambda connection: connection.execute(
            "insert into many_processes.runs values (%s, %s)", [number, os.getpid()]
        )
    )


def store(dsn: str) -> bgjobs.PostgresStore:
    return bgjobs.PostgresStore(dsn, schema="many_processes")


async def run_jobs(dsn: str) -> None:
    """Run what is there until a signal comes; this is all that a worker process does."""
    queue = bgjobs.Queue("default", workers=[work], concurrency=2)
    async with bgjobs.run(bgjobs.Config(store=store(dsn), queues=[queue])) as bg:
        await bg.run_until_stopped()


@contextmanager
def worker_processes(dsn: str) -> Generator[None]:
    """Start the others, and stop them in order at the end."""
    command = [sys.executable, __file__, dsn, "--run-jobs"]
    started = [subprocess.Popen(command) for _ in range(PROCESSES)]  # noqa: S603 - this file
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


async def share_jobs(dsn: str) -> None:
    async with bgjobs.run(bgjobs.Config(store=store(dsn), enqueue_only=[work])) as bg:
        with psycopg.connect(dsn) as connection:
            connection.execute(TABLE)
            connection.execute("delete from many_processes.runs")
        with worker_processes(dsn):
            for job in await bg.enqueue_many(work.request(number) for number in range(JOBS)):
                await bg.wait_for(job)


def show(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(WHO_RAN_WHAT).fetchall()
    for process, runs, _ in rows:
        print(f"process {process} ran {runs} jobs")
    print(f"{sum(runs for _, runs, _ in rows)} runs of {JOBS} jobs")


if __name__ == "__main__":
    if "--run-jobs" in sys.argv:
        trio.run(run_jobs, sys.argv[1])
    else:
        trio.run(share_jobs, sys.argv[1])
        show(sys.argv[1])
