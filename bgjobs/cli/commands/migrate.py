"""`bgjobs migrate`: bring the schema up to date, or look at what that would do."""

from collections.abc import Generator
from contextlib import contextmanager

import click

import bgjobs
from bgjobs.cli.errors import Fault
from bgjobs.cli.exits import ExitCode
from bgjobs.cli.options import json_option
from bgjobs.cli.output import as_json
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session, pass_session
from bgjobs.errors import SchemaMismatchError
from bgjobs.visible import visible


@click.group(no_args_is_help=False)
def migrate() -> None:
    """Bring the schema of the store up to date."""


@migrate.command()
@json_option
@pass_session
def up(session: Session, *, with_json: bool) -> None:
    """Apply what is missing, each migration in a transaction of its own."""
    with _opened(session.config.store):
        applied = session.config.store.migrate()
    if with_json:
        screen.json({"applied": list(applied)})
        return
    for name in applied:
        screen.line(f"applied {name}")
    screen.line("the schema is up to date")


@migrate.command()
@json_option
@pass_session
def status(session: Session, *, with_json: bool) -> None:
    """Say what is missing; the exit code is 0 when nothing is, else 5."""
    pending = _pending(session.config.store)
    if with_json:
        screen.json({"pending": [one.name for one in pending]})
    else:
        for one in pending:
            screen.line(f"missing {one.name}")
        screen.line("run bgjobs migrate up" if pending else "the schema is up to date")
    raise click.exceptions.Exit(ExitCode.SCHEMA if pending else ExitCode.DONE)


@migrate.command()
@json_option
@pass_session
def sql(session: Session, *, with_json: bool) -> None:
    """Print the SQL of what is missing, to be read or run by hand."""
    pending = _pending(session.config.store)
    if with_json:
        screen.json(as_json.migrations(pending))
        return
    for one in pending:
        screen.lines(f"-- {visible(one.name)}\n{one.sql}\n")
    if not pending:
        screen.note("-- nothing to do: the schema is up to date")


@migrate.command()
@json_option
@pass_session
def validate(session: Session, *, with_json: bool) -> None:
    """Compare the bounds of the schema with all rows; it can be interrupted and repeated.

    A row that is beyond them is set apart: see bgjobs jobs list --unreadable. On SQLite
    there is nothing to validate.
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
                screen.line(f"validated {constraint}, set apart {done[constraint]:,}")
    remark = None if done else _nothing_to_validate(session.config.store)
    if with_json:
        screen.json({"validated": done, "remark": remark})
    elif remark:
        screen.line(remark)


def _nothing_to_validate(store: bgjobs.Store) -> str:
    if isinstance(store, bgjobs.SQLiteStore):
        return "nothing to validate on SQLite: the bounds came with a look at all rows"
    return "nothing to validate: all bounds are valid for all rows"


def _pending(store: bgjobs.Store) -> list[bgjobs.Migration]:
    with _opened(store):
        operations = bgjobs.operations_of(store)
        if operations is None:
            raise _no_operations(store)
        _refuse_newer(store)
        return list(operations.pending_migrations())


def _no_operations(store: bgjobs.Store) -> Fault:
    return Fault(f"{store.label} does not tell its migrations", ExitCode.NOT_DONE)


def _refuse_newer(store: bgjobs.Store) -> None:
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
