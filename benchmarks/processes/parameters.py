"""What is to be measured of one system; it travels to the processes that do it as JSON."""

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
PICKUP_P50: Final = "pickup_p50"
PICKUP_P95: Final = "pickup_p95"
PICKUP_P99: Final = "pickup_p99"


@final
@frozen(kw_only=True)
class Sizes:
    """How much is done for one figure."""

    one: int = 10_000
    """Jobs enqueued one by one, at most."""
    many: int = 50_000
    """Jobs enqueued by tasks or in portions, at most."""
    drain: int = 50_000
    pickups: int = 250
    cap: float = 3.0
    """Seconds after which an enqueue loop ends early; the metric is a rate."""

    def scaled(self, scale: float) -> "Sizes":
        """Make everything smaller, for a quick look."""
        return Sizes(
            one=max(100, round(self.one * scale)),
            many=max(2000, round(self.many * scale)),
            drain=max(200, round(self.drain * scale)),
            pickups=max(20, round(self.pickups * scale)),
            cap=self.cap * min(1.0, max(0.1, scale)),
        )


@final
@frozen(kw_only=True)
class Plan:
    """One system in one round."""

    maker: str
    """The module whose `make` gives the system, or the file of a program for Node."""
    options: Mapping[str, Any]
    """What that module understands: numbers, texts and flags."""
    dsn: str
    """The PostgreSQL server; empty where none is needed."""
    folder: str
    """For files, and for what the processes complain about."""
    database: str = "bgjobs_bench"
    metrics: Sequence[str] = METRICS
    sizes: Sizes = Sizes()
    round: int = 1

    @property
    def errors(self) -> Path:
        """Where the standard error of the processes goes."""
        return Path(self.folder, "errors.txt")

    def with_options(self, **options: Any) -> "Plan":
        """Change how the system is set up."""
        return evolve(self, options={**self.options, **options})

    def to_json(self) -> str:
        """Write it down for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read what `to_json` wrote."""
        values = json.loads(text)
        sizes, metrics = Sizes(**values["sizes"]), tuple(values["metrics"])
        return cls(**{**values, "sizes": sizes, "metrics": metrics})
