"""How soon jobs run again: ``python -m tests.integration.recovery_figures [options]``."""

import argparse
import sys
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import sleep
from typing import Any

import trio

import bgjobs
from tests.fixtures.databases import Database, PostgresSchema
from tests.fixtures.postgres import random_schema
from tests.integration.recovery import Recovery, hang, note
from tests.reliability.chaos.environment import STORES, database_on
from tests.reliability.chaos.postgres.proxy import Proxy
from tests.reliability.chaos.postgres.server import PostgresServer, running_server
from tests.reliability.chaos.settings import monotonic

SHORT: dict[str, Any] = {"lease": 1.0}
GIVEN: dict[str, Any] = {}
"""The defaults of `Config`."""
OUTAGES = (0.5, 2.0, 5.0, 8.0)
"""Seconds for which the server is down."""


def main(arguments: Sequence[str]) -> int:
    """Measure the times and print them."""
    options = _parser().parse_args(arguments)
    for store in options.store:
        with tempfile.TemporaryDirectory() as folder, database_on(store, Path(folder)) as one:
            _report(f"{store}, lease 1 s: runs again", kills(one, options.times, SHORT))
            if options.defaults:
                _report(f"{store}, defaults: runs again", kills(one, 1, GIVEN))
    if "postgres" in options.store:
        with running_server() as server:
            for seconds in OUTAGES:
                title = f"postgres, away for {seconds:g} s: resumes"
                _report(title, outages(server, options.outages, seconds))
            _report("postgres, deaf listener: replaced", [trio.run(deafness, server)])
    return 0


def kills(database: Database, times: int, settings: dict[str, Any]) -> Iterator[float]:
    """Kill a busy worker repeatedly, and yield the seconds until its job runs again."""
    with _recovery(database, settings) as recovery:
        recovery.start()
        for number in range(times):
            recovery.start()
            before = len(recovery.runs("hang"))
            recovery.enqueue(hang.request())
            run = recovery.wait_for_runs("hang", before + 1)[-1]
            sleep(number % 5 / 20)  # at any time between two heartbeats
            killed = recovery.kill(run.process)
            yield recovery.wait_for_runs("hang", before + 2)[-1].began - killed


def outages(server: PostgresServer, times: int, seconds: float) -> Iterator[float]:
    """Stop the server and start it again; return the seconds until jobs run."""
    database = PostgresSchema(server.dsn, random_schema())
    with _recovery(database, SHORT) as recovery:
        recovery.start()
        for number in range(times):
            recovery.enqueue(note.request(number))
            before = len(recovery.wait_for_runs("note", 2 * number + 1))
            server.stop()
            sleep(seconds)
            server.start()
            accepts = monotonic()
            recovery.enqueue(note.request(number))
            yield recovery.wait_for_runs("note", before + 1)[-1].began - accepts


async def deafness(server: PostgresServer) -> float:
    """Discard the bytes of a listener; return the seconds until it is replaced."""
    with Proxy(server.socket) as proxy:
        config = bgjobs.Config(
            store=bgjobs.PostgresStore(server.dsn, listen_dsn=proxy.dsn(server.dsn)),
            queues=[bgjobs.Queue("all", workers=[note])],
        )
        async with bgjobs.run(config):
            while not proxy.connections:
                await trio.sleep(0.01)
            await trio.sleep(1)  # until it listens
            proxy.discard(new=False)
            silent = monotonic()
            while proxy.connections < 2:
                await trio.sleep(0.01)
            return monotonic() - silent


@contextmanager
def _recovery(database: Database, settings: dict[str, Any]) -> Generator[Recovery]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Recovery(database, Path(folder), settings=settings) as recovery,
    ):
        yield recovery


def _report(what: str, figures: Iterable[float]) -> None:
    found = sorted(figures)
    text = f"{what} after {median(found):.2f} s, at most {found[-1]:.2f} s, {len(found)} times"
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.integration.recovery_figures", description=__doc__
    )
    parser.add_argument("--store", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--times", type=int, default=10, help="how often a worker is killed")
    parser.add_argument("--outages", type=int, default=3, help="how many of each length")
    parser.add_argument("--defaults", action="store_true", help="with a lease of 20 s, too")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
