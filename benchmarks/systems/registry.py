"""What is compared with what: the list of systems, each with how much it can be given."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

from attrs import evolve, field, frozen

from benchmarks.processes.parameters import Plan, Sizes
from benchmarks.processes.parent import client_command
from benchmarks.systems.peers.node import node_and_modules

Kind = Literal["ours", "limit", "peer"]
SQLITE, POSTGRES = "sqlite", "postgres"
PEERS = Path(__file__).with_name("peers")
OURS = "benchmarks.systems.bgjobs"


@final
@frozen(kw_only=True)
class Listed:
    """One system in one configuration."""

    name: str
    store: str
    kind: Kind
    maker: str
    options: Mapping[str, Any] = field(factory=dict)
    drain: int = 50_000
    """Jobs in its drain: the slow ones get fewer, so that a run ends; the metric is a rate."""

    def command(self, plan: Plan) -> list[str]:
        """Say how to measure it; `MissingError` when it needs what is not there."""
        plan = evolve(
            plan,
            maker=self.maker,
            options=self.options,
            database=f"bgjobs_bench_{self.name.replace('-', '_')}",
        )
        if not self.maker.endswith(".mjs"):
            return client_command(plan)
        node, modules = node_and_modules()
        plan = plan.with_options(modules=str(modules))
        return [str(node), str(PEERS / self.maker), "measure", plan.to_json()]

    def sizes(self, sizes: Sizes, scale: float) -> Sizes:
        """Give it as much as it can do."""
        return evolve(sizes, drain=min(sizes.drain, self.drain)).scaled(scale)


def _ours(store: str, backend: str) -> Listed:
    return Listed(
        name=f"bgjobs-{store}-{backend}",
        store=store,
        kind="ours",
        maker=OURS,
        options={"store": store, "backend": backend},
    )


def _huey(name: str, *, fsync: bool) -> Listed:
    maker = "benchmarks.systems.peers.huey"
    options = {"fsync": fsync}
    return Listed(
        name=name, store=SQLITE, kind="peer", maker=maker, options=options, drain=10_000
    )


def _graphile(name: str, *, tuned: bool, drain: int) -> Listed:
    options = {"tuned": tuned}
    return Listed(
        name=name,
        store=POSTGRES,
        kind="peer",
        maker="graphile.mjs",
        options=options,
        drain=drain,
    )


SYSTEMS: Sequence[Listed] = (
    _ours(POSTGRES, "trio"),
    _ours(POSTGRES, "asyncio"),
    Listed(
        name="limit-postgres",
        store=POSTGRES,
        kind="limit",
        maker="benchmarks.systems.bare_postgres",
    ),
    Listed(
        name="pgqueuer",
        store=POSTGRES,
        kind="peer",
        maker="benchmarks.systems.peers.pgqueuer",
    ),
    _graphile("graphile-tuned", tuned=True, drain=50_000),
    _graphile("graphile", tuned=False, drain=10_000),
    Listed(
        name="procrastinate",
        store=POSTGRES,
        kind="peer",
        maker="benchmarks.systems.peers.procrastinate",
        drain=3_000,
    ),
    _ours(SQLITE, "trio"),
    _ours(SQLITE, "asyncio"),
    Listed(
        name="limit-sqlite", store=SQLITE, kind="limit", maker="benchmarks.systems.bare_sqlite"
    ),
    _huey("huey", fsync=True),
    _huey("huey-nofsync", fsync=False),
)


def chosen(names: Sequence[str]) -> list[Listed]:
    """Give the systems with these names; where there is none, those that begin so."""
    known = {one.name for one in SYSTEMS}
    return [
        one
        for one in SYSTEMS
        if one.name in names
        or any(one.name.startswith(name) for name in names if name not in known)
    ]
