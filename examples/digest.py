"""Digest every file under a folder: one job per file, one row per job.

    python examples/digest.py [PATH] [--database digest.db] [--postgres DSN] [--concurrency N]
                              [--web [HOST:PORT]]

With --web, the web page of bgjobs shows the jobs while they run.

Each row is written in the very transaction that completes its job, so that it exists exactly
once, however often this program is killed and started again. The check at the end would show
a double: the table of results has no unique constraint.
"""

import argparse
import hashlib
import sys
import sysconfig
import time
from contextlib import AbstractAsyncContextManager, closing, nullcontext
from pathlib import Path

import trio

import bgjobs
from digest_parts import (
    RESULTS_TABLE,
    RUN_TABLE,
    Database,
    Digest,
    Meter,
    check,
    execute,
    insert,
    on_postgres,
    on_sqlite,
    results,
    walk,
)

CHUNK = 1 << 20


class OtherPathError(Exception):
    """The database holds the digests of another folder."""


@bgjobs.worker
def digest(context: bgjobs.JobContext, path: str) -> None:
    """Digest a file, in a thread; its row is written in the transaction that ends the job."""
    row = read(path)
    context.complete_with(lambda connection: insert(connection, row))


def read(path: str) -> Digest:
    """Count lines and bytes and hash them."""
    lines = size = 0
    sha256 = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(CHUNK):
                lines += chunk.count(b"\n")
                size += len(chunk)
                sha256.update(chunk)
    except OSError:
        return Digest(path, 0, 0, None)
    return Digest(path, lines, size, sha256.hexdigest())


def enqueue_once(database: Database, root: Path) -> None:
    """Store the run and all its jobs in one transaction: if we are killed, both or neither."""
    with closing(database.connect()) as connection, connection:
        execute(connection, RESULTS_TABLE)
        execute(connection, RUN_TABLE)
        mine = execute(
            connection,
            "insert into digest.digest_run values (1, ?) on conflict do nothing",
            str(root),
        )
        if mine.rowcount:
            requests = [digest.request(path) for path, _ in walk(root, database)]
            database.store.enqueue_in(connection, requests)
        [before] = execute(connection, "select path from digest.digest_run").fetchone()
    if before != str(root):
        raise OtherPathError(
            f"{database.name} holds the digests of {before}, not of {root}: "
            f"{database.to_start_anew}"
        )


def prepare(database: Database, root: Path) -> int:
    """Make the tables, enqueue unless that is done, and give how many jobs are left."""
    store = database.store
    store.open()
    try:
        store.migrate()
        enqueue_once(database, root)
        jobs = store.count([digest.name])
    finally:
        store.close()
    return jobs.waiting + jobs.delayed + jobs.running


async def work(
    database: Database, concurrency: int, listener: bgjobs.Listener, address: str | None
) -> bool:
    """Run the jobs; False when Ctrl-C or SIGTERM came first."""
    config = bgjobs.Config(
        store=database.store,
        queues=[bgjobs.Queue("digest", workers=[digest], concurrency=concurrency)],
        listeners=[listener],
        # A killed process keeps its jobs until its lease ends: short, for a quick restart.
        lease=3,
    )
    async with bgjobs.run(config) as bg, page(config, bg, address):
        bg.stop_on_signals()
        return await bg.drain(with_delayed=True)


def page(
    config: bgjobs.Config, bg: bgjobs.BgJobs, address: str | None
) -> AbstractAsyncContextManager[None]:
    """Serve the web page at an address during a block; only then are its packages needed."""
    if address is None:
        return nullcontext()
    from digest_web import page_beside  # noqa: PLC0415 - see above

    return page_beside(config, bg, address)


def run(database: Database, root: Path, concurrency: int, address: str | None = None) -> int:
    """Do what is left to do, then check everything; gives the exit code."""
    left = prepare(database, root)
    if left:
        done = len(results(database))
        head = f"{done + left:,} files under {root}, {done:,} of them digested before"
        print(head, flush=True)
        started = time.perf_counter()
        meter = Meter(done, left)
        with meter.progress:
            if not trio.run(work, database, concurrency, meter.listen, address):
                raise KeyboardInterrupt
        seconds = time.perf_counter() - started
        print(f"took   {seconds:>15,.1f} seconds, {left / seconds:,.0f} jobs per second")
    else:
        print(f"{database.name} is finished already: nothing to do but to check")
    verdict = check(database, root)
    print(verdict)
    return 0 if verdict.startswith("OK") else 1


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="Digest every file under a folder.")
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    parser.add_argument("path", metavar="PATH", nargs="?", type=Path, default=stdlib)
    parser.add_argument("--database", type=Path, default=Path("digest.db"))
    parser.add_argument("--postgres", metavar="DSN", help="use this database instead")
    parser.add_argument("--concurrency", metavar="N", type=int, default=16)
    parser.add_argument("--web", metavar="HOST:PORT", nargs="?", const="127.0.0.1:8000")
    options = parser.parse_args()
    root: Path = options.path.resolve()
    if not root.is_dir():
        parser.error(f"PATH: expected a folder, found none at {root}")
    on_server: str | None = options.postgres
    database = on_postgres(on_server) if on_server else on_sqlite(options.database)
    try:
        return run(database, root, options.concurrency, options.web)
    except OtherPathError as error:
        parser.error(str(error))
    except bgjobs.BgJobsError as error:
        print(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        print("STOPPED: run the same command again to go on")
        return 130


if __name__ == "__main__":
    sys.exit(main())
