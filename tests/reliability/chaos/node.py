"""One process of a fleet: ``python -m tests.reliability.chaos.node ORDERS``, until its stdin is closed.

It writes "started", measures from the first line that it is sent, and writes what it measured
as one line of JSON when it has stopped.
"""

import json
import os
import resource
import sys
import time
from collections import Counter, defaultdict
from functools import partial
from typing import Any

import anyio
from anyio import to_thread

import bgjobs
from bgjobs._core.timestamps import to_microseconds
from bgjobs.events import OccurrencesMissed, StoreCalled, StoreFailed, StoreResponded
from tests.reliability.chaos.orders import Orders, moment

QUIET = (StoreCalled, StoreResponded)


class Node:
    """What one process does and counts."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._journal = os.open(orders.journal, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        self._missed: list[tuple[str, int, int]] = []
        self._errors: list[str] = []
        self._measure()

    async def run(self) -> None:
        """Run until stdin is closed."""
        async with bgjobs.run(self._config()) as bg:
            _say("started")
            await to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
            self._measure()
            await to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
            measured = self._measured()
            bg.stop()
        _say(json.dumps({**measured, "missed": self._missed, "errors": self._errors}))

    def _config(self) -> bgjobs.Config:
        lease = self._orders.lease

        async def beat(context: bgjobs.JobContext) -> None:
            """Write down that it begins; with the completion, that it has run."""
            await self._beat(context)

        return bgjobs.Config(
            store=self._orders.store(),
            scheduled_jobs=self._orders.scheduled_jobs(beat),
            listeners=[self._hear],
            lease=lease,
            heartbeat_interval=lease / 4,
            sweep_interval=lease / 4,
        )

    async def _beat(self, context: bgjobs.JobContext) -> None:
        began, served = moment(), context.occurrence
        assert served is not None
        due = to_microseconds(served.at)
        before = None if served.previous is None else to_microseconds(served.previous)
        row = [served.recurrence.name, due, before, os.getpid(), began]
        late = time.time() - due / 1e6
        # One write of one short line: the lines of all processes stay whole.
        os.write(self._journal, f"{json.dumps([*row, late])}\n".encode())
        await anyio.sleep(self._orders.work)
        context.complete_with(partial(self._record, row))

    def _record(self, row: list[Any], connection: Any) -> None:
        values = ["null" if one is None else repr(one) for one in [*row, moment()]]
        connection.execute(f"insert into {self._orders.table} values ({', '.join(values)})")

    def _hear(self, event: bgjobs.Event) -> None:
        name = type(event).__name__
        if isinstance(event, OccurrencesMissed):
            first = to_microseconds(event.first)
            self._missed.append((event.scheduled_job, first, event.count))
        if isinstance(event, StoreFailed):
            self._errors.append(f"{event.verb}: {event.error}")
        if isinstance(event, StoreResponded):
            self._verbs[event.verb] += 1
            self._seconds[event.verb] += event.seconds
        if not isinstance(event, QUIET):
            self._events[name] += 1

    def _measure(self) -> None:
        self._verbs: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._events: Counter[str] = Counter()
        self._begun, self._used = moment(), _cpu()

    def _measured(self) -> dict[str, Any]:
        return {
            "process": os.getpid(),
            "seconds": moment() - self._begun,
            "cpu": _cpu() - self._used,
            "verbs": dict(self._verbs),
            "verb_seconds": dict(self._seconds),
            "events": dict(self._events),
        }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    node = Node(Orders(**json.loads(sys.argv[1])))
    anyio.run(node.run, backend="trio")
