"""The cluster that faults are injected into: its processes and its database."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from random import Random
from time import sleep
from typing import Any, Protocol, TypeAlias, final

from attrs import define, evolve

from tests.fixtures.databases import Database
from tests.reliability.chaos.postgres.proxy import Proxy
from tests.reliability.chaos.postgres.server import PostgresServer
from tests.reliability.chaos.processes.fork_server import ForkServer
from tests.reliability.chaos.settings import ProcessSettings, monotonic

SHORT_PAUSE, LONG_PAUSE = 1.5, 2.5
"""The range of seconds of a pause; other processes take over the jobs meanwhile."""
BACKENDS = ("trio", "asyncio")

Variation: TypeAlias = Callable[[ProcessSettings], ProcessSettings]
"""Returns changed settings for one more process, different ones at each call."""


@final
@define(eq=False)
class Process:
    """A worker or a producer that was started."""

    pid: int
    settings: ProcessSettings
    paused_until: float | None = None
    """When the cluster resumes it; None while it runs."""
    code: int | None = None
    """Its exit code, or minus the signal that ended it; None before its end."""
    was_killed: bool = False
    """Whether the cluster has sent SIGKILL."""
    was_terminated: bool = False
    """Whether the cluster has sent SIGTERM."""

    @property
    def is_running(self) -> bool:
        """Whether its end was not observed yet; it may be paused."""
        return self.code is None

    @property
    def is_paused(self) -> bool:
        """Whether the cluster has paused it, or observed that it stopped itself."""
        return self.paused_until is not None

    def kill(self) -> None:
        """Send SIGKILL."""
        self.was_killed = True
        self.signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.was_terminated = True
        self.signal(signal.SIGTERM)

    def pause(self, seconds: float) -> None:
        """Send SIGSTOP; the cluster resumes the process after so many seconds."""
        self.signal(signal.SIGSTOP)
        self.paused_until = monotonic() + seconds

    def resume(self) -> None:
        """Send SIGCONT."""
        self.paused_until = None
        self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        """Send a signal, unless the end of the process was observed."""
        if self.is_running:
            os.kill(self.pid, number)

    @property
    def is_stopped(self) -> bool:
        """Whether the system reports the process as stopped, by any sender's signal."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"


@final
class Cluster:
    """The running processes, and everything that faults use.

    `workers` and `producers` include paused processes. A process that ends is replaced by one
    with `settings`, changed by `vary_workers` or `vary_producers`.
    """

    def __init__(
        self,
        *,
        store: str,
        database: Database,
        folder: Path,
        random: Random,
        settings: ProcessSettings,
        fork_server: ForkServer,
        server: PostgresServer | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self.store = store
        """"sqlite" or "postgres"."""
        self.database = database
        """The database that the driver of the phase connects to, without the proxy."""
        self.folder = folder
        self.random = random
        self.settings = settings
        """The settings of a new process; faults may change them."""
        # Any: faults that need these are only injected where they exist.
        self.server: Any = server
        """The server, if we started it; None otherwise."""
        self.proxy: Any = proxy
        """The proxy in front of the server; processes use it if a fault configures them to."""
        self.workers: list[Process] = []
        self.producers: list[Process] = []
        self.others: list[Process] = []
        """Other processes, which faults start, and end in `Fault.undo`."""
        self.counts = Counter[str]()
        self.ended: list[Process] = []
        self._worker_variations: dict[str, Variation] = {}

        self._producer_variations: dict[str, Variation] = {}
        self._fork_server = fork_server
        self._later: list[tuple[float, Callable[[], None]]] = []

    def count(self, what: str, times: int = 1) -> None:
        """Count injections for the report."""
        self.counts[what] += times

    def vary_workers(self, name: str, variation: Variation) -> None:
        """Apply a variation to each worker that is started from now on, once for each name."""
        self._worker_variations.setdefault(name, variation)

    def vary_producers(self, name: str, variation: Variation) -> None:
        """Apply a variation to each producer that is started from now on."""
        self._producer_variations.setdefault(name, variation)

    def call_later(self, seconds: float, act: Callable[[], None]) -> None:
        """Call a function after so many seconds, unless the faults are undone before."""
        self._later.append((monotonic() + seconds, act))

    def start_worker(self, **changes: Any) -> Process:
        """Start a worker."""
        settings = evolve(self.settings, backend=self.random.choice(BACKENDS))
        for variation in self._worker_variations.values():
            settings = variation(settings)
        return self._start(self.workers, evolve(settings, **changes))

    def start_producer(self, **changes: Any) -> Process:
        """Start a producer."""
        backend = self.random.choice(BACKENDS)
        settings = evolve(
            self.settings,
            program="tests.reliability.chaos.processes.producer:main",
            config_hooks=(),
            backend=backend,
        )
        for variation in self._producer_variations.values():
            settings = variation(settings)
        return self._start(self.producers, evolve(settings, **changes))

    def start_other(self, program: str, **changes: Any) -> Process:
        """Start a process that is neither; a fault ends it in `Fault.undo`."""
        return self._start(self.others, evolve(self.settings, program=program, **changes))

    def running_worker(self) -> Process | None:
        """Return a random worker that is not paused, or None."""
        chosen = [one for one in self.workers if not one.is_paused]
        return self.random.choice(chosen) if chosen else None

    def running_producer(self) -> Process | None:
        """Return a random producer that is not paused, or None."""
        chosen = [one for one in self.producers if not one.is_paused]
        return self.random.choice(chosen) if chosen else None

    def poll(self) -> None:
        """Make due calls, resume processes whose pause is over, and collect exit codes."""
        self._make_due_calls()
        for one in self.processes:
            if one.paused_until is not None and monotonic() >= one.paused_until:
                one.resume()
                continue
            one.code = self._fork_server.reap(one.pid)
            if one.is_running and not one.is_paused and one.is_stopped:
                # It stopped itself at a fault point; its lease has to end during the pause.
                one.paused_until = monotonic() + self.random.uniform(SHORT_PAUSE, LONG_PAUSE)
                self.count("pauses")
        for group in (self.workers, self.producers, self.others):
            self.ended += [one for one in group if not one.is_running]
            group[:] = [one for one in group if one.is_running]

    def forget_pending(self) -> None:
        """Forget pending calls and variations."""
        self._later.clear()
        self._worker_variations.clear()
        self._producer_variations.clear()

    def resume_all(self) -> None:
        """Resume all paused processes."""
        for one in self.processes:
            if one.is_paused:
                one.resume()

    def wait_ended(self, processes: list[Process], patience: float) -> bool:
        """Wait until these have ended; return whether they have."""
        deadline = monotonic() + patience
        while any(one.is_running for one in processes):
            if monotonic() > deadline:
                return False
            self.poll()
            sleep(0.02)
        return True

    def _make_due_calls(self) -> None:
        due = [one for one in self._later if one[0] <= monotonic()]
        self._later = [one for one in self._later if one[0] > monotonic()]
        for _, act in due:
            act()

    @property
    def processes(self) -> list[Process]:
        """All running processes."""
        return [*self.workers, *self.producers, *self.others]

    def _start(self, group: list[Process], settings: ProcessSettings) -> Process:
        started = Process(self._fork_server.start(settings), settings)
        group.append(started)
        return started


class Fault(Protocol):
    """A kind of fault. A phase calls `configure`, then `inject` many times, then `undo`."""

    @property
    def name(self) -> str:
        """The name that ``--fault`` and the report use."""
        ...

    @property
    def stores(self) -> Collection[str]:
        """The stores it applies to: "sqlite", "postgres" or both."""
        ...

    def configure(self, settings: ProcessSettings) -> ProcessSettings:
        """Return the settings with which processes start; called once for each phase."""
        ...

    def inject(self, cluster: Cluster) -> None:
        """Inject the fault now; called repeatedly, at random intervals below half a second.

        It may affect any of `cluster.workers` and `cluster.producers`, which are replaced when
        they end, and reports each injection to `cluster.count`. It must return soon, so a fault
        that lasts is begun in one call and undone by `cluster.call_later` or a later call.
        """
        ...

    def undo(self, cluster: Cluster) -> None:
        """Undo what still lasts, so that workers can finish all jobs."""
        ...
