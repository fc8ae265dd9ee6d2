"""Node and its packages, in a cache folder beside the project."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

NODE = "22.23.3"
PACKAGES = ("graphile-worker@0.18.0", "pg@8.23.1")
"""Pinned, like the peers in the `bench` group of pyproject.toml."""
INSTALLING = 300
MACHINES = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class MissingError(Exception):
    """What a peer needs is not there, so it is left out."""


def node_and_modules() -> tuple[Path, Path]:
    """Give the program and the folder of its packages; installs them the first time."""
    machine = MACHINES.get(platform.machine(), platform.machine())
    name = f"node-{platform.system().lower()}-{machine}"
    folder = cache() / f"node-{NODE}"
    modules = folder / "node_modules"
    ready = folder / "ready"
    if not ready.exists():
        _install(folder, f"{name}@{NODE}")
        ready.touch()
    return modules / name / "bin" / "node", modules


def cache() -> Path:
    """Give the folder for what is too large for the project."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BGJOBS_BENCH_CACHE") or Path(home, "bgjobs-bench"))


def _install(folder: Path, node: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise MissingError("npm is not installed")
    # The package is the bare program; `node` itself would fetch it in an install script.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"private": true}\n')
    command = [npm, "install", "--ignore-scripts", "--no-fund", "--no-audit", node, *PACKAGES]
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=INSTALLING
        )
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1:]
        raise MissingError(f"npm install failed: {' '.join(last)}") from error
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"npm install took more than {INSTALLING} s") from error
