"""The systems under test, and the commands that measure them; peers for Node are installed."""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

from attrs import evolve, field, frozen

from benchmarks.processes.parameters import Parameters, Sizes
from benchmarks.processes.parent import measure_command

Kind = Literal["ours", "limit", "peer"]
SQLITE, POSTGRES = "sqlite", "postgres"
TITLES = {POSTGRES: "PostgreSQL", SQLITE: "SQLite"}
PEERS = Path(__file__).with_name("peers")
BGJOBS = "benchmarks.systems.bgjobs"

NODE = "22.23.3"
NODE_PACKAGES = ("graphile-worker@0.18.0", "pg@8.23.1")
"""Pinned, like the peers in the `bench` group of pyproject.toml."""
INSTALL_TIMEOUT = 300
MACHINES = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class NotInstalledError(Exception):
    """A peer, or something that it needs, is not installed, so it is left out."""


@final
@frozen(kw_only=True)
class SystemSpec:
    """One system in one configuration."""

    name: str
    store: str
    kind: Kind
    module: str
    options: Mapping[str, Any] = field(factory=dict)
    drain: int = 50_000
    """Jobs in its drain; slow systems get fewer, and the metric is a rate."""

    def command(self, parameters: Parameters) -> list[str]:
        """Return the command that measures it.

        Raises:
            NotInstalledError: The system needs something that is not installed.
        """
        parameters = evolve(
            parameters,
            module=self.module,
            options=self.options,
            database=f"bgjobs_bench_{self.name.replace('-', '_')}",
        )
        if not self.module.endswith(".mjs"):
            return measure_command(parameters)
        node, modules = node_and_modules()
        parameters = parameters.with_options(modules=str(modules))
        return [str(node), str(PEERS / self.module), "measure", parameters.to_json()]

    def sizes(self, sizes: Sizes, scale: float) -> Sizes:
        """Return the sizes of its metrics."""
        return evolve(sizes, drain=min(sizes.drain, self.drain)).scaled(scale)


def _bgjobs(store: str, backend: str) -> SystemSpec:
    return SystemSpec(
        name=f"bgjobs-{store}-{backend}",
        store=store,
        kind="ours",
        module=BGJOBS,
        options={"store": store, "backend": backend},
    )


def _limit(store: str) -> SystemSpec:
    module = f"benchmarks.systems.bare_{store}"
    return SystemSpec(name=f"limit-{store}", store=store, kind="limit", module=module)


def _peer(name: str, store: str, module: str, drain: int, **options: Any) -> SystemSpec:
    if not module.endswith(".mjs"):
        module = f"benchmarks.systems.peers.{module}"
    return SystemSpec(
        name=name, store=store, kind="peer", module=module, options=options, drain=drain
    )


SYSTEMS: Sequence[SystemSpec] = (
    _bgjobs(POSTGRES, "trio"),
    _bgjobs(POSTGRES, "asyncio"),
    _limit(POSTGRES),
    _peer("pgqueuer", POSTGRES, "pgqueuer", 50_000),
    _peer("graphile-tuned", POSTGRES, "graphile.mjs", 50_000, tuned=True),
    _peer("graphile", POSTGRES, "graphile.mjs", 10_000, tuned=False),
    _peer("procrastinate", POSTGRES, "procrastinate", 3_000),
    _bgjobs(SQLITE, "trio"),
    _bgjobs(SQLITE, "asyncio"),
    _limit(SQLITE),
    _peer("huey", SQLITE, "huey", 10_000, fsync=True),
    _peer("huey-nofsync", SQLITE, "huey", 10_000, fsync=False),
)


def select(names: Sequence[str]) -> list[SystemSpec]:
    """Return the systems with these names; other names are prefixes of names."""
    known = {one.name for one in SYSTEMS}
    return [
        one
        for one in SYSTEMS
        if one.name in names
        or any(one.name.startswith(name) for name in names if name not in known)
    ]


def node_and_modules() -> tuple[Path, Path]:
    """Return the program of Node and the folder of its packages; install both if needed."""
    machine = MACHINES.get(platform.machine(), platform.machine())
    name = f"node-{platform.system().lower()}-{machine}"
    folder = _cache() / f"node-{NODE}"
    modules = folder / "node_modules"
    ready = folder / "ready"
    if not ready.exists():
        _install(folder, f"{name}@{NODE}")
        ready.touch()
    return modules / name / "bin" / "node", modules


def _cache() -> Path:
    """Return the folder for downloads, which is outside the project."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BGJOBS_BENCH_CACHE") or Path(home, "bgjobs-bench"))


def _install(folder: Path, node: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalledError("npm is not installed")
    # The package is the bare program; `node` itself would fetch it in an install script.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"private": true}\n')
    packages = (node, *NODE_PACKAGES)
    command = [npm, "install", "--ignore-scripts", "--no-fund", "--no-audit", *packages]
    try:
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT,
        )
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1:]
        raise NotInstalledError(f"npm install failed: {' '.join(last)}") from error
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"npm install took more than {INSTALL_TIMEOUT} s") from error
