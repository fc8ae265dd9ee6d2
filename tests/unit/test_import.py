"""Importing bgjobs is quick and imports no database driver."""

import json
import subprocess
import sys
from typing import Any

import pytest

import bgjobs

DRIVERS = ("sqlite3", "_sqlite3", "psycopg", "psycopg_pool")
COSTLY = ("asyncio", "trio", "bgjobs.schedules", "zoneinfo")
"""What a program may never need; anyio loads the event loop that is used when it is used."""
AT_MOST = 3.0
"""Times the import of trio, anyio and attrs; measured 0.5 to 0.9 on a busy machine."""


def in_a_new_process(program: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def loaded_after(statement: str) -> set[str]:
    program = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    return set(in_a_new_process(program))


def test_importing_bgjobs_imports_no_driver() -> None:
    assert loaded_after("import bgjobs").isdisjoint(DRIVERS)


def test_importing_bgjobs_imports_no_costly_module() -> None:
    assert loaded_after("import bgjobs").isdisjoint(COSTLY)


def test_a_worker_needs_no_more_than_the_import() -> None:
    mail = "@dataclasses.dataclass\nclass Mail:\n    to: str\n    copies: list[int]"
    send = "@bgjobs.worker\ndef send(mail: Mail | None) -> None: ..."
    assert loaded_after(f"import bgjobs, dataclasses\n{mail}\n{send}").isdisjoint(COSTLY)


def test_the_sqlite_store_brings_sqlite_only() -> None:
    loaded = loaded_after("import bgjobs; bgjobs.SQLiteStore")
    assert "sqlite3" in loaded
    assert loaded.isdisjoint({"psycopg", "psycopg_pool"})


def test_the_postgres_store_brings_psycopg_only() -> None:
    loaded = loaded_after("import bgjobs; bgjobs.PostgresStore")
    assert "psycopg" in loaded
    assert "sqlite3" not in loaded


@pytest.mark.parametrize("name", bgjobs.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(bgjobs, name) is not None


def test_the_names_are_sorted_and_each_is_there_once() -> None:
    assert sorted(set(bgjobs.__all__)) == sorted(bgjobs.__all__) == list(bgjobs.__all__)


def test_every_imported_name_is_public() -> None:
    """Each name that `bgjobs` imports from its modules is in `__all__`."""
    ours = {
        name
        for name, value in vars(bgjobs).items()
        if getattr(value, "__module__", "").startswith("bgjobs.") and not name.startswith("_")
    }
    assert ours - set(bgjobs.__all__) == set()


def test_all_names_are_listed_before_they_are_imported() -> None:
    program = "import bgjobs, json; print(json.dumps([dir(bgjobs), bgjobs.__all__]))"
    listed, names = in_a_new_process(program)
    assert {*names, "__version__"} <= set(listed)
    assert listed == sorted(set(listed))
    assert all(hasattr(bgjobs, name) for name in listed)


def test_listing_the_names_imports_none() -> None:
    assert not loaded_after("import bgjobs; dir(bgjobs)") & {*DRIVERS, *COSTLY}


def test_a_name_that_does_not_exist_says_so() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = bgjobs.MySQLStore  # type: ignore[attr-defined]  # that is the point
    assert str(caught.value) == "module 'bgjobs' has no attribute 'MySQLStore'"


def test_importing_bgjobs_costs_little_beside_its_dependencies() -> None:
    program = (
        "import json, time\n"
        "start = time.perf_counter()\n"
        "import trio, anyio, attrs\n"
        "middle = time.perf_counter()\n"
        "import bgjobs\n"
        "print(json.dumps((time.perf_counter() - middle) / (middle - start)))\n"
    )
    assert min(in_a_new_process(program) for _ in range(5)) < AT_MOST
