"""`bgjobs doctor`: look for problems, from the installed libraries to the lease."""

import platform
import sqlite3
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

import anyio
import click

import bgjobs
from bgjobs.cli.errors import ExitCode, explain
from bgjobs.cli.options import json_option
from bgjobs.cli.output import as_json, tables, terminal
from bgjobs.cli.session import CommandSession, pass_session
from bgjobs.errors import ConfigError, StoreError

_LIBRARIES = ("bgjobs", "anyio", "trio", "attrs", "cattrs", "click", "rich", "psycopg")
_LAG_SAMPLES = 50
_LAG_INTERVAL = 0.01
"""Seconds between two samples, so that measuring takes half a second in all."""


@click.command()
@json_option
@pass_session
def doctor(session: CommandSession, *, with_json: bool) -> None:
    """Look for problems; the exit code is 1 if there are any."""
    config = session.config
    found = [
        bgjobs.Finding("versions", "ok", ", ".join(versions())),
        *_diagnose(session, config),
    ]
    terminal.answer(
        lambda: as_json.findings(found), lambda: tables.findings(found), with_json=with_json
    )
    if any(one.level == "problem" for one in found):
        raise click.exceptions.Exit(ExitCode.NOT_DONE)


def versions() -> Iterator[str]:
    """Return the versions of Python, SQLite and the libraries that bgjobs uses."""
    yield f"Python {platform.python_version()}"
    for name in _LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:  # psycopg is an extra
            continue
    yield f"SQLite {sqlite3.sqlite_version}"


def _diagnose(session: CommandSession, config: bgjobs.Config) -> Sequence[bgjobs.Finding]:
    async def diagnose(client: bgjobs.Client) -> Sequence[bgjobs.Finding]:
        found = await client.admin.diagnose()
        return [*found, lease_margin(config, await loop_lag())]

    try:
        return session.run(diagnose)
    except (ConfigError, StoreError) as error:
        # An error that makes every other command fail is a finding of this one.
        what = "configuration" if isinstance(error, ConfigError) else "store"
        return [bgjobs.Finding(what, "problem", explain(error).message)]


async def loop_lag() -> float:
    """Return the largest delay of the event loop that was measured, in seconds."""
    worst = 0.0
    for _ in range(_LAG_SAMPLES):
        due = anyio.current_time() + _LAG_INTERVAL
        await anyio.sleep(_LAG_INTERVAL)
        worst = max(worst, anyio.current_time() - due)
    return worst


def lease_margin(config: bgjobs.Config, lag: float) -> bgjobs.Finding:
    """Compare the time that a lease leaves after a heartbeat with the lag of this machine."""
    margin = config.lease - config.heartbeat_interval - lag
    text = (
        f"the event loop is late by up to {lag * 1_000:.0f} ms here; "
        f"a lease of {config.lease:g} s, renewed every {config.heartbeat_interval:g} s, "
        f"leaves {margin:.1f} s"
    )
    if margin <= 0:
        return bgjobs.Finding("lease", "problem", text)
    return bgjobs.Finding("lease", "warning" if lag > margin / 2 else "ok", text)
