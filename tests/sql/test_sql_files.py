"""The .sql files of both dialects: the same names, all used, and all the SQL that writes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import bgjobs.stores
from bgjobs.stores import columns
from bgjobs.stores.columns import ColumnLists
from bgjobs.stores.sql import Statements, blocks
from tests.sql.mutants import without_comments

_STORES = Path(bgjobs.stores.__file__).parent
_DIALECTS = ("sqlite", "postgres")


def _statements(dialect: str) -> dict[str, str]:
    return dict(blocks(f"bgjobs.stores.{dialect}"))


_SQLITE_ONLY = {
    "count_ancestors",  # in PostgreSQL, a part of mark_parent
    # PostgreSQL keeps its index of words by itself.
    *("unindex_failures", "forget_failures", "index_failures", "mark_indexed"),
    *("get_last_summaries", "get_numbered_failures", "rename_unreadable"),
    # SQLite has no `with` that writes: what is one statement there is several here.
    *("find_due", "find_cancellations", "record_cancelled", "record_past_owners"),
    *("end_leases", "delete_rolled_up", "delete_merged"),
    *("forget_old_cancellations", "delete_retried_failed", "delete_retried_cancelled"),
    *("forget_starts", "delete_succeeded", "delete_failed", "delete_cancelled"),
    *("remove_live", "remove_succeeded", "remove_failed", "remove_cancelled"),
    *("hold_marked", "hold_waiting", "restore_failed_owner", "restore_cancelled_owner"),
    *("delete_marks", "record_children", "find_closing", "find_live_among"),
    # In one statement, SQLite would count up to the limit for each worker.
    *("count_levels", "count_due", "count_delayed", "count_others"),
    "list_children_of_several",  # its join is not read in the order of the index
    "find_queue_owners",  # the owners of a queue are a parameter of its lists
}

_POSTGRES_ONLY = {
    "count",
    # SQLite runs a write at a time: no other transaction changes a row between two statements.
    *("refuse_ended", "delete_restored", "lock_reserved", "free_unique_key", "succeed_locked"),
    "share_owner",  # in SQLite, no lease is renewed meanwhile
    "delete_ended",  # in SQLite, a statement writes to one table
    "find_ended",  # in SQLite, a job that is not stored and has no holder has ended
    "enqueue_one",  # in SQLite, `enqueue_plain` is run for each job
    # A migration of SQLite adds a constraint together with the rows that it holds for.
    *("find_invalid_live", "find_invalid_succeeded", "find_invalid_failed", "get_unvalidated"),
    *("validate_jobs", "validate_jobs_succeeded", "validate_jobs_failed", "validate_owners"),
    *("validate_cancellations", "validate_paused_queues", "validate_starts"),
}


def test_both_dialects_have_the_same_statements() -> None:
    sqlite, postgres = map(_statements, _DIALECTS)
    assert set(sqlite) - _SQLITE_ONLY == set(postgres) - _POSTGRES_ONLY


def test_both_dialects_have_the_same_migrations() -> None:
    names = [
        sorted(file.name for file in (_STORES / dialect / "migrations").glob("*.sql"))
        for dialect in _DIALECTS
    ]
    assert names[0] == names[1]
    assert [int(name[:4]) for name in names[0]] == list(range(1, len(names[0]) + 1))


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_every_statement_is_used(dialect: str) -> None:
    files = [*_STORES.glob("*.py"), *(_STORES / dialect).glob("*.py")]
    code = "".join(file.read_text() for file in files)
    beginnings = tuple(re.findall(r'f"(\w+_)\{', code))
    unused = [
        name
        for name in _statements(dialect)
        if f'"{name}"' not in code and not name.startswith(beginnings)
    ]
    assert unused == []


def _sql(dialect: str) -> Statements:
    lists = ColumnLists(
        length="octet_length({})".format,
        in_calendar="({0} >= 1 and {0} < 2)".format,
        beginning=str,
        total="sum({})".format,
        value=lambda _, place: f"value -> {place}",
    )
    return Statements(f"bgjobs.stores.{dialect}", lambda name: f"{{{name}}}", lists)


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_what_is_changed_in_mutants_is_what_is_run(dialect: str) -> None:
    """A semicolon at the end of a comment's line would cut a statement in two."""
    sql = _sql(dialect)
    for text in _statements(dialect).values():
        run = [without_comments(part).split() for part in sql.filled(text)]
        assert run == [part.split() for part in sql.filled(without_comments(text))]


_DERIVED = {"{failures}", "{failure_words}"}
"""The index of errors on SQLite, which is made of the rows of failed jobs."""
_WRITES = re.compile(r"\b(?:insert into|update|delete from|truncate)\s+(\S+)")
_MOVING = {"0005_limits.sql", "0006_cancelled.sql"}
"""See test_limits.py and test_cancelled_rows.py in tests/integration."""


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_no_migration_touches_rows(dialect: str) -> None:
    sql = _sql(dialect)
    files = [file for file in sql.migrations() if file not in _MOVING]
    text = without_comments("".join(sql.script(sql.migration(file)) for file in files))
    assert set(_WRITES.findall(text)) <= _DERIVED
    assert not re.search(r"\b(?:drop|truncate|merge|rename|alter column)\b", text)
    assert re.search(r"create table \{jobs\} \(\n    id \w+ (not null )?primary key", text)


_COLUMNS = frozenset(("id", *columns.UNREADABLE))
_LONGEST_RUN = 4
"""Columns of jobs in a row: the key of the index in which jobs are due has as many."""


def written_out(text: str) -> list[str]:
    """Return the lists of columns of jobs that a statement spells out."""
    lists = re.findall(r"\w+(?:\.\w+)?(?:\s*,\s*\w+(?:\.\w+)?)+", text)
    runs: list[list[str]] = []
    for one in lists:
        runs.append([])
        for name in re.split(r"\s*,\s*", one):
            if name.rpartition(".")[2] in _COLUMNS:
                runs[-1].append(name)
            else:
                runs.append([])
    return [", ".join(run) for run in runs if len(run) > _LONGEST_RUN]


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_no_statement_lists_the_columns_of_jobs(dialect: str) -> None:
    """A new column would have to be added to it, and the rows that it copies would lose it."""
    found = {
        name: lists
        for name, text in _statements(dialect).items()
        if (lists := written_out(without_comments(text)))
    }
    assert found == {}


def test_a_list_of_columns_is_found() -> None:
    text = "select x, job.id, job.name,\n payload, priority, job.attempts, 0 from jobs"
    assert written_out(text) == ["job.id, job.name, payload, priority, job.attempts"]
    assert written_out("order by name, priority, available_at, id") == []


_MODULES = sorted(_STORES.rglob("*.py"))
_VERBS = ("replace", "drop", "delete", "Drop")
"""Names of statements, and of a class."""
_WRITING = frozenset(
    (
        *("insert", "update", "delete", "merge", "truncate", "replace", "copy", "execute"),
        *("create", "alter", "drop", "trigger", "rule", "grant", "attach", "vacuum", "reindex"),
    )
)
"""Words that change something."""


def _constants(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Return the strings of a module but its docstrings; parts of f-strings included."""
    documents = {node.value for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and node not in documents:
            if isinstance(node.value, bytes):
                yield node.lineno, node.value.decode()
            elif isinstance(node.value, str):
                yield node.lineno, node.value


def writing_strings(text: str) -> list[str]:
    """Return the strings of a module that may become a statement that writes rows."""
    return [
        f"{line}: {constant}"
        for line, constant in _constants(ast.parse(text))
        if constant not in _VERBS
        and not constant.startswith("create schema ")
        and _WRITING.intersection(re.findall(r"\w+", constant.lower()))
    ]


@pytest.mark.parametrize("path", _MODULES, ids=lambda path: str(path.relative_to(_STORES)))
def test_no_statement_that_writes_stands_in_code(path: Path) -> None:
    assert writing_strings(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        'run("delete from bgjobs_jobs")',
        "run(b'update jobs set x = 1')",
        'run(f"insert into {table} values (1)")',
        'run("DELETE" + "from " + table)',
        'run(f"{verb} {table}", verb="merge")',
        "run('create table x as select 1')",
    ],
)
def test_a_statement_in_code_is_found(text: str) -> None:
    assert len(writing_strings(text)) == 1
