"""A process that holds the write lock of a SQLite file again and again, and reads for long."""

import sqlite3
import time
from random import Random

from tests.reliability.chaos.journal import Journal
from tests.reliability.chaos.storm_orders import Orders

LONGEST = 0.15
"""Seconds; a heartbeat finds its turn before its lease has ended."""


def main(orders: Orders) -> None:
    """Hold it until killed."""
    random, journal = Random(), Journal(orders.journal)
    writer, reader = (
        sqlite3.connect(orders.place, timeout=30, isolation_level=None) for _ in range(2)
    )
    while True:
        writer.execute("begin immediate")
        reader.execute("begin")
        reader.execute("select count(*) from bgjobs_jobs").fetchall()
        journal.write("struck", "lock held")
        time.sleep(random.uniform(0, LONGEST))
        writer.execute("rollback")
        time.sleep(random.uniform(0, LONGEST))
        reader.execute("rollback")
        time.sleep(random.uniform(0, LONGEST))
