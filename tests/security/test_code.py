"""What the code of the package must not do, checked in its syntax trees."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import bgjobs

PACKAGE = Path(bgjobs.__file__).parent
ROOT = Path(__file__).parents[2]
MODULES = sorted(PACKAGE.rglob("*.py"))
STATEMENTS = sorted(PACKAGE.rglob("*.sql"))

IMPORTS = {
    *("pickle", "cPickle", "_pickle", "shelve", "marshal", "dill", "cloudpickle", "jsonpickle"),
    *("yaml", "ruamel", "toml", "ctypes", "cffi", "subprocess", "code", "codeop", "runpy"),
    *("xml", "http", "urllib", "requests", "httpx", "ftplib", "smtplib", "socketserver"),
}
"""Functions and modules that make objects, code, processes or connections from data."""
CALLS = {
    *("eval", "exec", "__import__", "execfile", "breakpoint", "input"),
    *("os.system", "os.popen", "os.execv", "os.spawnv", "os.fork", "os.chmod", "os.umask"),
    *("sys.settrace", "tempfile.mktemp", "enable_load_extension", "load_extension"),
    *("executescript", "create_function"),
}
RARE = {"import_module", "compile", "set_authorizer"}
ALLOWED = {
    ("bgjobs/__init__.py", "import_module"),  # of its own modules, from a table of names
    ("bgjobs/cli/application.py", "import_module"),  # of the application that it runs
    ("bgjobs/cli/root.py", "import_module"),  # of its own commands, from a table of names
    (
        "bgjobs/_core/payloads/signature.py",
        "compile",
    ),  # of an annotation, to check its syntax
    ("bgjobs/stores/sqlite/with_work.py", "set_authorizer"),  # which only denies more
}
"""Calls that are allowed, since they use no data from outside."""
ALLOWED_IMPORTS = {
    ("bgjobs/stores/sqlite/listener.py", "ctypes"),  # four system calls, by constant names
    ("bgjobs/stores/sqlite/connection.py", "ctypes"),  # to keep one open on Python 3.11
    ("bgjobs/web/links.py", "urllib"),  # to write addresses as text
}


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE.parent))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def called(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of each call, and its last part."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            yield name
            # `re.compile` is not `compile`.
            yield name.rpartition(".")[2] if not name.endswith(".compile") else name


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_module_makes_code_or_objects_of_data(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    suspicious = {(named(path), one) for one in IMPORTS.intersection(imported(tree))}
    assert suspicious <= ALLOWED_IMPORTS
    calls = set(called(tree))
    assert CALLS.isdisjoint(calls)
    suspicious = {(named(path), one) for one in calls & RARE}
    assert suspicious <= ALLOWED


def test_every_exception_is_still_needed() -> None:
    found = {
        (named(path), one)
        for path in MODULES
        for one in called(ast.parse(path.read_text("utf-8")))
    }
    assert found >= ALLOWED
    imports = {
        (named(path), one)
        for path in MODULES
        for one in imported(ast.parse(path.read_text("utf-8")))
    }
    assert imports >= ALLOWED_IMPORTS


SQL = re.compile(
    r"\s*(select|insert|update|delete|with|create|drop|alter|grant|listen|notify|pragma|attach"
    r"|set|copy|call|truncate|savepoint|release|begin|vacuum|explain)\b.*\S",
    re.IGNORECASE | re.DOTALL,
)
FILLED_IN = {
    ("bgjobs/stores/postgres/schema.py", "sql.schema"),
    ("bgjobs/stores/postgres/listener.py", "channel"),
    ("bgjobs/stores/sqlite/connection.py", "synchronous"),
    ("bgjobs/stores/sqlite/diagnostics.py", "executor.sql['find_due'][0]"),
}
"""The expressions that may be put into the text of a statement; each is checked against a list,
or is a statement itself."""


def executed(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the arguments of functions that run statements."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from node.args if node.func.attr in ("execute", "run", "executemany") else ()


def built(tree: ast.AST) -> Iterator[str]:
    """Yield the expressions that are put into statements, in any way."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            first = node.values[0] if node.values else None
            if isinstance(first, ast.Constant) and SQL.match(str(first.value) + "x"):
                yield from (
                    ast.unparse(one.value)
                    for one in node.values
                    if isinstance(one, ast.FormattedValue)
                )
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            left = node.left
            if isinstance(left, ast.Constant) and isinstance(left.value, str | bytes):
                text = left.value if isinstance(left.value, str) else left.value.decode()
                if SQL.match(text + "x"):
                    yield ast.unparse(node.right)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("format", "format_map")
            and isinstance(node.func.value, ast.Constant)
            and SQL.match(str(node.func.value.value) + "x")
        ):
            yield ast.unparse(node)


def test_only_checked_words_are_put_into_statements() -> None:
    found = {
        (named(path), one)
        for path in (PACKAGE / "stores").rglob("*.py")
        for one in built(ast.parse(path.read_text("utf-8")))
    }
    assert found == FILLED_IN


def test_no_statement_is_built_where_it_is_run() -> None:
    """An executed statement is a constant, a name, a call or one of the three above."""
    for path in MODULES:
        for one in executed(ast.parse(path.read_text("utf-8"))):
            for node in ast.walk(one):
                assert not isinstance(node, ast.BinOp), (named(path), ast.unparse(node))


_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_TABLES = {
    *("migrations", "owners", "jobs", "jobs_succeeded", "jobs_failed"),
    *("cancellations", "paused_queues", "starts", "failures", "failure_words"),
    *("failure_hooks", "marked_ends", "activity", "processes", "audit"),
    *("jobs_cancelled", "jobs_unreadable", "past_owners", "children", "waiting_jobs"),
}
_INDEXES = {
    *("jobs_children", "jobs_failed_children", "jobs_cancelled_children"),
    *("children_by_id", "children_in_order"),
    *("jobs_unique", "jobs_ready", "jobs_reserved", "jobs_succeeded_at", "jobs_failed_at"),
    *(
        "jobs_succeeded_by_name",
        "jobs_failed_by_name",
        "starts_by_name",
        "failures_by_job",
        "audit_at",
        "failures_to_index",
        "jobs_prompt",
        "jobs_delayed",
        "jobs_occurrences",
        "jobs_cancelled_by_name",
        "jobs_cancelled_at",
        "past_owners_by_name",
        "past_owners_closed_at",
    ),
}
_TRIGGERS = {"failed_job_added", "failed_job_deleted"}
_KINDS = (
    *("job", "succeeded", "failed", "cancelled", "unreadable"),
    *("enqueued", "plain", "settled", "kept", "measured"),
)
_WHATS = ("columns", "cut", "limits", "names", "set", "values", "held", "sums")
_LISTS = {f"{kind}_{what}" for kind in _KINDS for what in _WHATS}
"""The placeholders of the columns of bgjobs/stores/columns.py."""


@pytest.mark.parametrize("path", STATEMENTS, ids=named)
def test_only_tables_and_indexes_are_filled_into_the_files(path: Path) -> None:
    """They are not within quotes, which the quotes around a name would end."""
    text = re.sub(r"--.*", "", path.read_text("utf-8"))
    assert set(_PLACEHOLDER.findall(text)) <= _TABLES | _INDEXES | _TRIGGERS | _LISTS | {
        "schema"
    }
    assert not [one for one in re.findall(r"'[^']*'", text) if "{" in one]
    assert not re.search(r"security definer|set role|\bexecute\b", text, re.IGNORECASE)


def test_the_rule_of_the_linter_against_built_statements_is_on() -> None:
    """S608 is selected, and disabled nowhere."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]
    lint = settings["lint"]
    assert "S" in lint["select"]
    assert not [one for one in lint["ignore"] if one.startswith("S6") or one == "S"]
    assert not [path for path in MODULES if re.search(r"noqa: .*S\d", path.read_text("utf-8"))]
