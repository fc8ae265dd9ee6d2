"""`bgjobs doctor`: what is wrong or will be, from the libraries to the lease."""

import platform
import sqlite3
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

import anyio
import click

import bgjobs
from bgjobs.cli.errors import fault_of
from bgjobs.cli.exits import ExitCode
from bgjobs.cli.options import json_option
from bgjobs.cli.output import as_json, tables
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session, pass_session
from bgjobs.errors import ConfigError, StoreError

_LIBRARIES = ("bgjobs", "anyio", "trio", "attrs", "cattrs", "click", "rich", "psycopg")
_LOOKS = 50
_PAUSE = 0.01
"""Seconds; half a second of looking in all."""


@click.command()
@json_option
@pass_session
def doctor(session: Session, *, with_json: bool) -> None:
    """Look for what is wrong; the exit code is 1 if something is."""
    config = session.config
    found = [
        bgjobs.Finding("versions", "ok", ", ".join(versions())),
        *_examined(session, config),
    ]
    screen.answer(
        lambda: as_json.findings(found), lambda: tables.findings(found), with_json=with_json
    )
    if any(one.level == "problem" for one in found):
        raise click.exceptions.Exit(ExitCode.NOT_DONE)


def versions() -> Iterator[str]:
    """Name what is installed, as far as it matters here."""
    yield f"Python {platform.python_version()}"
    for name in _LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:  # psycopg is an extra
            continue
    yield f"SQLite {sqlite3.sqlite_version}"


def _examined(session: Session, config: bgjobs.Config) -> Sequence[bgjobs.Finding]:
    async def examine(admin: bgjobs.Admin) -> Sequence[bgjobs.Finding]:
        found = await admin.diagnose()
        return [*found, lease_margin(config, await loop_lag())]

    try:
        return session.administered(examine)
    except (ConfigError, StoreError) as error:
        # What keeps every other command from working is what this one was asked for.
        what = "configuration" if isinstance(error, ConfigError) else "store"
        return [bgjobs.Finding(what, "problem", fault_of(error).message)]


async def loop_lag() -> float:
    """Measure by how many seconds the event loop is late at worst."""
    worst = 0.0
    for _ in range(_LOOKS):
        due = anyio.current_time() + _PAUSE
        await anyio.sleep(_PAUSE)
        worst = max(worst, anyio.current_time() - due)
    return worst


def lease_margin(config: bgjobs.Config, lag: float) -> bgjobs.Finding:
    """Compare what a lease leaves between two heartbeats with how late this machine is."""
    margin = config.lease - config.heartbeat_interval - lag
    text = (
        f"the event loop is late by up to {lag * 1_000:.0f} ms here; "
        f"a lease of {config.lease:g} s, renewed every {config.heartbeat_interval:g} s, "
        f"leaves {margin:.1f} s"
    )
    if margin <= 0:
        return bgjobs.Finding("lease", "problem", text)
    return bgjobs.Finding("lease", "warning" if lag > margin / 2 else "ok", text)
