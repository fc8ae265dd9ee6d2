"""`bgjobs migrate`: bring the schema up to date, or show what that would do."""

from collections.abc import Generator
from contextlib import contextmanager

import click

import bgjobs
from bgjobs._core.text import visible
from bgjobs.cli.errors import CommandError, ExitCode
from bgjobs.cli.options import json_option
from bgjobs.cli.output import as_json, terminal
from bgjobs.cli.session import CommandSession, pass_session
from bgjobs.errors import SchemaMismatchError


@click.group(no_args_is_help=False)
def migrate() -> None:
    """Bring the schema of the store up to date."""


@migrate.command()
@json_option
@pass_session
def up(session: CommandSession, *, with_json: bool) -> None:
    """Apply the pending migrations, each in a transaction of its own."""
    with _opened(session.config.store):
        applied = session.config.store.migrate()
    if with_json:
        terminal.json({"applied": list(applied)})
        return
    for name in applied:
        terminal.line(f"applied {name}")
    terminal.line("the schema is up to date")


@migrate.command()
@json_option
@pass_session
def status(session: CommandSession, *, with_json: bool) -> None:
    """List the pending migrations.

    The exit code is 0 if there are none, else 5.
    """
    pending = _pending(session.config.store)
    if with_json:
        terminal.json({"pending": [one.name for one in pending]})
    else:
        for one in pending:
            terminal.line(f"pending {one.name}")
        terminal.line("run bgjobs migrate up" if pending else "the schema is up to date")
    raise click.exceptions.Exit(ExitCode.SCHEMA if pending else ExitCode.DONE)


@migrate.command()
@json_option
@pass_session
def sql(session: CommandSession, *, with_json: bool) -> None:
    """Print the SQL of the pending migrations."""
    pending = _pending(session.config.store)
    if with_json:
        terminal.json(as_json.migrations(pending))
        return
    for one in pending:
        terminal.lines(f"-- {visible(one.name)}\n{one.sql}\n")
    if not pending:
        terminal.note("-- nothing to do: the schema is up to date")


@migrate.command()
@json_option
@pass_session
def validate(session: CommandSession, *, with_json: bool) -> None:
    """Check all rows against the constraints of the schema.

    You can interrupt and repeat it. A row that violates a constraint is moved aside: see bgjobs
    jobs list --unreadable. On SQLite there is nothing to validate.
    """
    done: dict[str, int] = {}
    with _opened(session.config.store):
        session.config.store.check_schema()
        operations = bgjobs.operations_of(session.config.store)
        if operations is None:
            raise _no_operations(session.config.store)
        for constraint in operations.unvalidated():
            done[constraint] = operations.validate(constraint)
            if not with_json:
                terminal.line(f"validated {constraint}, moved aside {done[constraint]:,}")
    remark = None if done else _nothing_to_validate(session.config.store)
    if with_json:
        terminal.json({"validated": done, "remark": remark})
    elif remark:
        terminal.line(remark)


def _nothing_to_validate(store: bgjobs.Store) -> str:
    if isinstance(store, bgjobs.SQLiteStore):
        return "nothing to validate on SQLite: the migration has checked all rows"
    return "nothing to validate: all constraints are valid for all rows"


def _pending(store: bgjobs.Store) -> list[bgjobs.Migration]:
    with _opened(store):
        operations = bgjobs.operations_of(store)
        if operations is None:
            raise _no_operations(store)
        _refuse_newer_schema(store)
        return list(operations.pending_migrations())


def _no_operations(store: bgjobs.Store) -> CommandError:
    return CommandError(f"{store.label} cannot list its migrations", ExitCode.NOT_DONE)


def _refuse_newer_schema(store: bgjobs.Store) -> None:
    try:
        store.check_schema()
    except SchemaMismatchError as error:
        if error.found > error.expected:
            raise


@contextmanager
def _opened(store: bgjobs.Store) -> Generator[None]:
    store.open()
    try:
        yield
    finally:
        store.close()
