"""The workers whose jobs a process may enqueue."""

from collections.abc import Iterable, Sequence
from typing import final

from bgjobs._core.config import AnyWorker, Config
from bgjobs._core.hooks import FailureHook
from bgjobs._core.settlements import Settlement


@final
class KnownWorkers:
    """The workers of the configuration, and those of scheduled jobs that were added to it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._added: list[AnyWorker] = []
        self._by_name = self._named()
        self.configured: frozenset[str] = frozenset(
            worker.name for worker in config.all_workers()
        )
        """The names of the workers of the configuration."""

    def all(self) -> Sequence[AnyWorker]:
        """Return all workers; some may be repeated."""
        return (*self._config.all_workers(), *self._added)

    def find(self, name: str) -> AnyWorker | None:
        """Return a worker of this name, or None; those of one name have one handler."""
        return self._by_name.get(name)

    def hook(self, name: str, settlement: Settlement) -> FailureHook | None:
        """Return the function of a worker that writes with this end of its job, or None."""
        worker = self.find(name)
        hook = None if worker is None else worker.failure_hook
        return hook if hook is not None and hook.covers(settlement) else None

    def add(self, workers: Iterable[AnyWorker]) -> None:
        """Add the workers of a queue that runs from now on."""
        self._added += workers
        self._by_name = self._named()

    def remove(self, workers: Iterable[AnyWorker]) -> None:
        """Remove the workers of a queue that has ended; those of the configuration stay."""
        for worker in workers:
            self._added.remove(worker)
        self._by_name = self._named()

    def _named(self) -> dict[str, AnyWorker]:
        """Return the first worker of each name."""
        return {worker.name: worker for worker in reversed(self.all())}
