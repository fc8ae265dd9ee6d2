"""Count the words under a folder: a job per folder and per file, summed up through nurseries.

    python examples/wordcount.py [PATH] [--database wordcount.db] [--postgres DSN]
                                 [--concurrency N]

The job of a folder starts the jobs of its files and folders in a nursery, waits for them
without holding a slot, and returns the sum of their results. Kill the program at any moment and
start it again: the jobs go on where they were, and the total is that of a direct walk. Start it
twice at the same time, and two processes share the work.
"""

import argparse
import hashlib
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import trio

import bgjobs

OUT_OF_DATE = "__pycache__"
"""Folders of this name are left out: Python writes into them while the program runs."""


@dataclass(frozen=True)
class Total:
    """How many files and words there are."""

    files: int = 0
    words: int = 0

    def __add__(self, other: "Total") -> "Total":
        return Total(self.files + other.files, self.words + other.words)


@bgjobs.worker(keep_result=True)
def count_file(path: str) -> Total:
    """Count the words of a file, in a thread."""
    return total_of_file(Path(path))


@bgjobs.worker(keep_result=True)
async def count_folder(context: bgjobs.JobContext, path: str) -> Total:
    """Count the words under a folder by the jobs of what is in it."""
    files, folders = contents(Path(path))
    async with context.open_nursery() as nursery:
        parts = [
            *await nursery.enqueue_many(count_file.request(str(one)) for one in files),
            *await nursery.enqueue_many(count_folder.request(str(one)) for one in folders),
        ]
    return sum((part.result for part in parts), start=Total())


def contents(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files and the folders in a folder, sorted; links are left out."""
    found = [one for one in sorted(folder.iterdir()) if not one.is_symlink()]
    folders = [one for one in found if one.is_dir() and one.name != OUT_OF_DATE]
    return [one for one in found if one.is_file()], folders


def total_of_file(path: Path) -> Total:
    """Count the words of one file."""
    return Total(1, len(path.read_bytes().split()))


def total_of_walk(folder: Path) -> Total:
    """Count the words under a folder directly, without jobs."""
    files, folders = contents(folder)
    return sum(
        [*map(total_of_file, files), *map(total_of_walk, folders)],
        start=Total(),
    )


def configured(store: bgjobs.Store, concurrency: int) -> bgjobs.Config:
    """Return the configuration of every process."""
    workers = [count_folder, count_file]
    return bgjobs.Config(
        store=store,
        queues=[bgjobs.Queue("words", workers=workers, concurrency=concurrency)],
        # A killed process keeps its jobs until its lease ends: short, for a quick restart.
        lease=3,
    )


async def total_by_jobs(config: bgjobs.Config, root: Path) -> Total:
    """Run jobs until the one of the root has ended, in this process or another."""
    name = hashlib.sha256(str(root).encode()).hexdigest()
    async with bgjobs.run(config) as bg:
        done = await bg.list(
            bgjobs.JobFilter("succeeded", name=count_folder.name, metadata={"root": name})
        )
        if done:
            return await bg.result(done[0].id, worker=count_folder)
        request = count_folder.request(str(root)).unique(name).with_metadata(root=name)
        return await bg.result(await bg.enqueue(request))


def run(config: bgjobs.Config, root: Path) -> int:
    """Count by jobs and by a walk, print both, and return the exit code."""
    print(f"a job for each file and folder under {root}", flush=True)
    found, expected = trio.run(total_by_jobs, config, root), total_of_walk(root)
    print(f"jobs   {found.files:>12,} files {found.words:>14,} words")
    print(f"walk   {expected.files:>12,} files {expected.words:>14,} words")
    if found != expected:
        print("FAILED: the jobs and the walk differ")
        return 1
    print(f"OK: {found.words:,} words in {found.files:,} files, the same as by a direct walk")
    return 0


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="Count the words under a folder.")
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    parser.add_argument("path", metavar="PATH", nargs="?", type=Path, default=stdlib)
    parser.add_argument("--database", type=Path, default=Path("wordcount.db"))
    parser.add_argument("--postgres", metavar="DSN", help="use this database instead")
    parser.add_argument("--concurrency", metavar="N", type=int, default=16)
    options = parser.parse_args()
    root: Path = options.path.resolve()
    if not root.is_dir():
        parser.error(f"PATH: expected a folder, found none at {root}")
    store: bgjobs.Store
    if options.postgres:
        store = bgjobs.PostgresStore(options.postgres, schema="wordcount")
    else:
        store = bgjobs.SQLiteStore(options.database)
    try:
        return run(configured(store, options.concurrency), root)
    except KeyboardInterrupt:
        print("STOPPED: run the same command again to go on")
        return 130


if __name__ == "__main__":
    sys.exit(main())
