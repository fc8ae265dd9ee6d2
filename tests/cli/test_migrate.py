"""`bgjobs migrate`, over a store that has no schema yet, the right one, or a newer one."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import Call


def test_up_applies_what_is_missing(shop: Path, call: Call) -> None:
    (shop / "shop.db").unlink()

    before = call("migrate", "status", "--json")
    first = call("migrate", "up", "--json")
    second = call("migrate", "up")
    after = call("migrate", "status")

    assert before.code == 5
    assert before.json["pending"] == first.json["applied"]
    assert first.json["applied"][0] == "0001_jobs"
    assert second.out == after.out == "the schema is up to date\n"
    assert (first.code, second.code, after.code) == (0, 0, 0)


def test_status_names_what_is_missing(shop: Path, call: Call) -> None:
    (shop / "shop.db").unlink()

    answer = call("migrate", "status")

    assert answer.code == 5
    assert answer.out.startswith("pending 0001_jobs\n")
    assert answer.out.endswith("run bgjobs migrate up\n")


def test_sql_prints_statements_that_a_database_takes(shop: Path, call: Call) -> None:
    (shop / "shop.db").unlink()

    printed = call("migrate", "sql").out

    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(printed)
        tables = connection.execute("select name from sqlite_schema").fetchall()
    assert ("bgjobs_jobs",) in tables
    assert call("migrate", "sql", "--json").json[0]["name"] == "0001_jobs"


def test_sql_says_that_there_is_nothing_to_do(call: Call) -> None:
    answer = call("migrate", "sql")

    assert (answer.code, answer.out) == (0, "")
    assert answer.err == "-- nothing to do: the schema is up to date\n"
    assert call("migrate", "sql", "--json").json == []


def test_validate_compares_nothing_on_sqlite(call: Call) -> None:
    nothing = "nothing to validate on SQLite: the migration has checked all rows"

    answer = call("migrate", "validate")

    assert (answer.code, answer.out, answer.err) == (0, f"{nothing}\n", "")
    found = call("migrate", "validate", "--json").json
    assert found == {"validated": {}, "remark": nothing}


def test_a_command_that_needs_the_schema_says_what_to_do(shop: Path, call: Call) -> None:
    (shop / "shop.db").unlink()

    answer = call("jobs", "list")

    assert answer.code == 5
    assert answer.line.endswith("found none; run bgjobs migrate up")


def test_a_newer_schema_is_left_alone(shop: Path, call: Call) -> None:
    with closing(sqlite3.connect(shop / "shop.db")) as connection:
        connection.execute("insert into bgjobs_migrations values (99, '0099_later', 0)")
        connection.commit()

    for command in ("migrate up", "migrate status", "migrate sql", "status"):
        answer = call(*command.split())
        assert answer.code == 5, command
        assert answer.line.endswith("a newer version of bgjobs created it: upgrade this one")
