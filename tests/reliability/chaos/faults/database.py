"""Faults of a PostgreSQL server, and of the network in front of it."""

from abc import abstractmethod
from collections.abc import Collection
from contextlib import suppress
from random import Random
from typing import final

import psycopg
from attrs import evolve, frozen

import bgjobs
from tests.reliability.chaos.cluster import Cluster, Fault
from tests.reliability.chaos.postgres.proxy import Proxy
from tests.reliability.chaos.postgres.server import PostgresServer
from tests.reliability.chaos.settings import ProcessSettings, inner_store, with_config_hook

POSTGRES = ("postgres",)
_PATIENCE = 1.0
"""Seconds until workers give up a call; the length of a lease."""
_LONGEST = 3.0
"""The most seconds that a server is down."""


def with_short_timeout(config: bgjobs.Config, _: ProcessSettings) -> bgjobs.Config:
    """Shorten the timeout of calls to the server."""
    inner_store(config)._database.timeout = _PATIENCE
    return config


@frozen
class _ServerFault:
    """A fault of the server itself, which is injected only if we started it."""

    name: str
    stores: Collection[str] = POSTGRES

    def configure(self, settings: ProcessSettings) -> ProcessSettings:
        return settings

    def inject(self, cluster: Cluster) -> None:
        if cluster.server is not None and cluster.server.running:
            self.apply(cluster, cluster.server)

    def undo(self, cluster: Cluster) -> None:
        if cluster.server is not None and not cluster.server.running:
            cluster.server.start()

    @abstractmethod
    def apply(self, cluster: Cluster, server: PostgresServer) -> None:
        """Inject the fault into the running server."""


@final
@frozen
class Terminate(_ServerFault):
    """Terminate sessions of workers and producers."""

    def apply(self, cluster: Cluster, server: PostgresServer) -> None:
        # Another fault may have crashed the server, which then still recovers.
        with suppress(psycopg.OperationalError):
            ended = server.terminate_backends(cluster.random, like="bgjobs%", most=4)
            cluster.count("terminated sessions", ended)


@final
@frozen
class Restart(_ServerFault):
    """Crash the server, and restart it at once."""

    chance: float = 0.2

    def apply(self, cluster: Cluster, server: PostgresServer) -> None:
        if cluster.random.random() < self.chance:
            server.restart_immediately()
            cluster.count("restarts")


@final
@frozen
class Outage(_ServerFault):
    """Stop the server, and start it later."""

    chance: float = 0.1

    def apply(self, cluster: Cluster, server: PostgresServer) -> None:
        if cluster.random.random() < self.chance:
            server.stop(cluster.random.choice(["fast", "immediate"]))
            cluster.call_later(cluster.random.uniform(0.1, _LONGEST), server.start)
            cluster.count("outages")


@frozen
class _NetworkFault:
    """A fault of the proxy, which lasts for a while."""

    name: str
    chance: float
    lasts: tuple[float, float]
    stores: Collection[str] = POSTGRES

    def configure(self, settings: ProcessSettings) -> ProcessSettings:
        """Connect all processes through the proxy, with a short timeout."""
        location = settings.details.get("proxied", settings.location)
        return with_config_hook(evolve(settings, location=location), with_short_timeout)

    def inject(self, cluster: Cluster) -> None:
        proxy = cluster.proxy
        if proxy is not None and proxy.is_healthy and cluster.random.random() < self.chance:
            self.apply(proxy, cluster.random)
            cluster.call_later(cluster.random.uniform(*self.lasts), proxy.heal)
            cluster.count(self.name)

    def undo(self, cluster: Cluster) -> None:
        if cluster.proxy is not None:
            cluster.proxy.heal()

    @abstractmethod
    def apply(self, proxy: Proxy, random: Random) -> None:
        """Inject the fault into the healthy proxy."""


@final
@frozen
class Drop(_NetworkFault):
    """Reset all connections, and refuse new ones."""

    def apply(self, proxy: Proxy, random: Random) -> None:
        proxy.drop()


@final
@frozen
class Delay(_NetworkFault):
    """Delay every byte."""

    def apply(self, proxy: Proxy, random: Random) -> None:
        proxy.delay(random.uniform(0.01, 0.3))


@final
@frozen
class HalfOpen(_NetworkFault):
    """Keep connections open but lose their bytes: of all, or only of the existing ones."""

    def apply(self, proxy: Proxy, random: Random) -> None:
        proxy.discard(new=random.random() < 0.5)


FAULTS: tuple[Fault, ...] = (
    Terminate("terminate"),
    Restart("restart"),
    Outage("outage"),
    Drop("drop", chance=0.3, lasts=(0.0, 1.5)),
    Delay("delay", chance=0.3, lasts=(0.5, 2.0)),
    HalfOpen("half-open", chance=0.3, lasts=(0.2, 3.0)),
)
