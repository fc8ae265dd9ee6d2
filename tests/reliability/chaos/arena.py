"""Where a storm takes place: its processes, its database, and what was done to them."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import sleep
from typing import Any, TypeAlias, final

from attrs import define, evolve

from tests.fixtures.databases import Database
from tests.reliability.chaos.nursery import Nursery
from tests.reliability.chaos.orders import moment
from tests.reliability.chaos.proxy import Proxy
from tests.reliability.chaos.server import PostgresServer
from tests.reliability.chaos.storm_orders import Orders

SHORT_PAUSE, LONG_PAUSE = 1.5, 2.5
"""Seconds; after both of them others have taken over what a process held."""
BACKENDS = ("trio", "asyncio")

Vary: TypeAlias = Callable[[Orders], Orders]
"""Changes the orders of one worker, each time in another way."""


@final
@define(eq=False)
class Process:
    """A worker or a producer that was started."""

    pid: int
    orders: Orders
    paused_until: float | None = None
    """When the arena resumes it; None while it runs."""
    code: int | None = None
    """How it ended: an exit code, or minus a signal; None before."""
    is_killed: bool = False
    """Whether it was killed from here."""
    is_told: bool = False
    """Whether it was told to end."""

    @property
    def is_running(self) -> bool:
        """Whether it was not seen to have ended; it may be paused."""
        return self.code is None

    @property
    def is_paused(self) -> bool:
        """Whether it stands still."""
        return self.paused_until is not None

    def kill(self) -> None:
        """End it at once."""
        self.is_killed = True
        self.signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end in order."""
        self.is_told = True
        self.signal(signal.SIGTERM)

    def pause(self, seconds: float) -> None:
        """Let it stand still for so long; the arena resumes it."""
        self.signal(signal.SIGSTOP)
        self.paused_until = moment() + seconds

    def resume(self) -> None:
        """Let it go on."""
        self.paused_until = None
        self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        """Send a signal, unless it was seen to have ended."""
        if self.is_running:
            os.kill(self.pid, number)

    @property
    def stands_still(self) -> bool:
        """Ask the system whether it is stopped, by whomever."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"


@final
class Arena:
    """What faults see of a storm.

    `workers` and `producers` are those that run, paused ones included; whoever ends is replaced
    by another one with `orders`, changed by `variety`.
    """

    def __init__(
        self,
        *,
        store: str,
        database: Database,
        folder: Path,
        random: Random,
        orders: Orders,
        nursery: Nursery,
        server: PostgresServer | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self.store = store
        """"sqlite" or "postgres"."""
        self.database = database
        """Where the driver itself connects to, past any proxy."""
        self.folder = folder
        self.random = random
        self.orders = orders
        """What a new process is told; a fault may change it."""
        # Any: a fault that is for servers of ours is not asked to strike anywhere else.
        self.server: Any = server
        """None where a server was given, or there is none."""
        self.proxy: Any = proxy
        """What leads to it, where the orders of a fault say so."""
        self.workers: list[Process] = []
        self.producers: list[Process] = []
        self.others: list[Process] = []
        """What faults have started beside, and end in their `end`."""
        self.counts = Counter[str]()
        self.ended: list[Process] = []
        self.variety: dict[str, Vary] = {}
        """What gives every new worker something of its own; see `vary`."""
        self.variety_of_producers: dict[str, Vary] = {}
        self._nursery = nursery
        self._later: list[tuple[float, Callable[[], None]]] = []

    def count(self, what: str, times: int = 1) -> None:
        """Note that harm was done, for the table."""
        self.counts[what] += times

    def vary(self, name: str, vary: Vary) -> None:
        """Give every worker from now on something of its own, such as a point to die at.

        Said again under the same name, it changes nothing.
        """
        self.variety.setdefault(name, vary)

    def vary_producers(self, name: str, vary: Vary) -> None:
        """Do the same with every producer."""
        self.variety_of_producers.setdefault(name, vary)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something in a while, if the storm has not ended by then."""
        self._later.append((moment() + seconds, act))

    def start_worker(self, **changes: Any) -> Process:
        """Start a worker with `orders`, with some changes."""
        orders = evolve(self.orders, backend=self.random.choice(BACKENDS))
        for vary in self.variety.values():
            orders = vary(orders)
        return self._start(self.workers, evolve(orders, **changes))

    def start_producer(self, **changes: Any) -> Process:
        """Start a producer."""
        backend = self.random.choice(BACKENDS)
        orders = evolve(
            self.orders,
            program="tests.reliability.chaos.producer:main",
            dress=(),
            backend=backend,
        )
        for vary in self.variety_of_producers.values():
            orders = vary(orders)
        return self._start(self.producers, evolve(orders, **changes))

    def start_other(self, program: str, **changes: Any) -> Process:
        """Start something that is neither; a fault ends it in `end`."""
        return self._start(self.others, evolve(self.orders, program=program, **changes))

    def running_worker(self) -> Process | None:
        """Choose a worker that is not paused, if there is one."""
        chosen = [one for one in self.workers if not one.is_paused]
        return self.random.choice(chosen) if chosen else None

    def running_producer(self) -> Process | None:
        """Choose a producer that is not paused, if there is one."""
        chosen = [one for one in self.producers if not one.is_paused]
        return self.random.choice(chosen) if chosen else None

    def tend(self) -> None:
        """Resume those whose pause is over, and see who has ended."""
        self._act()
        for one in self.everybody:
            if one.paused_until is not None and moment() >= one.paused_until:
                one.resume()
                continue
            one.code = self._nursery.reap(one.pid)
            if one.is_running and not one.is_paused and one.stands_still:
                # It did so itself, where its orders say; it has to stand past its lease.
                one.paused_until = moment() + self.random.uniform(SHORT_PAUSE, LONG_PAUSE)
                self.count("pauses")
        for group in (self.workers, self.producers, self.others):
            self.ended += [one for one in group if not one.is_running]
            group[:] = [one for one in group if one.is_running]

    def forget_plans(self) -> None:
        """Begin nothing more of what was put off, and let all new workers be alike."""
        self._later.clear()
        self.variety.clear()
        self.variety_of_producers.clear()

    def resume_all(self) -> None:
        """Let everybody go on."""
        for one in self.everybody:
            if one.is_paused:
                one.resume()

    def wait_ended(self, processes: list[Process], patience: float) -> bool:
        """Wait until these have ended; says whether they have."""
        deadline = moment() + patience
        while any(one.is_running for one in processes):
            if moment() > deadline:
                return False
            self.tend()
            sleep(0.02)
        return True

    def _act(self) -> None:
        due = [one for one in self._later if one[0] <= moment()]
        self._later = [one for one in self._later if one[0] > moment()]
        for _, act in due:
            act()

    @property
    def everybody(self) -> list[Process]:
        """All that run."""
        return [*self.workers, *self.producers, *self.others]

    def _start(self, group: list[Process], orders: Orders) -> Process:
        started = Process(self._nursery.start(orders), orders)
        group.append(started)
        return started
