"""The parameters of one measurement, which travel to the measuring processes as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

from attrs import asdict, evolve, frozen

ENQUEUE_ONE: Final = "enqueue_one"
ENQUEUE_TASKS: Final = "enqueue_tasks"
ENQUEUE_MANY: Final = "enqueue_many"
DRAIN: Final = "drain"
PICKUP: Final = "pickup"
METRICS = (ENQUEUE_ONE, ENQUEUE_TASKS, ENQUEUE_MANY, DRAIN, PICKUP)

DRAIN_CPU: Final = "drain_cpu"
DRAIN_SERVER_CPU: Final = "drain_server_cpu"
PICKUP_P50: Final = "pickup_p50"
PICKUP_P95: Final = "pickup_p95"
PICKUP_P99: Final = "pickup_p99"


@final
@frozen(kw_only=True)
class Sizes:
    """How much work each metric does."""

    one: int = 10_000
    """The maximum of jobs enqueued one by one."""
    many: int = 50_000
    """The maximum of jobs enqueued by tasks, or many in a call."""
    drain: int = 50_000
    pickups: int = 250
    time_limit: float = 3.0
    """Seconds after which an enqueue loop ends early; the metric is a rate."""

    def scaled(self, scale: float) -> "Sizes":
        """Return smaller sizes, for a short run."""
        return Sizes(
            one=max(100, round(self.one * scale)),
            many=max(2000, round(self.many * scale)),
            drain=max(200, round(self.drain * scale)),
            pickups=max(20, round(self.pickups * scale)),
            time_limit=self.time_limit * min(1.0, max(0.1, scale)),
        )


@final
@frozen(kw_only=True)
class Parameters:
    """One system in one round."""

    module: str
    """The module whose `make` returns the system, or the file of a program for Node."""
    options: Mapping[str, Any]
    """JSON values that the module understands."""
    dsn: str
    """The PostgreSQL server, or "" where none is needed."""
    folder: str
    """For files, and for the standard error of the processes."""
    database: str = "bgjobs_bench"
    metrics: Sequence[str] = METRICS
    sizes: Sizes = Sizes()
    round: int = 1

    @property
    def errors(self) -> Path:
        """The file for the standard error of the processes."""
        return Path(self.folder, "errors.txt")

    def with_options(self, **options: Any) -> "Parameters":
        """Return the parameters with more options."""
        return evolve(self, options={**self.options, **options})

    def to_json(self) -> str:
        """Return the parameters as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Parameters":
        """Return the parameters that `to_json` wrote."""
        values = json.loads(text)
        sizes, metrics = Sizes(**values["sizes"]), tuple(values["metrics"])
        return cls(**{**values, "sizes": sizes, "metrics": metrics})
