"""Import without the extra, and who imports the page."""

import subprocess
import sys

import pytest

MISSING = """
import sys
sys.modules[{name!r}] = None
import bgjobs
try:
    import bgjobs.web
except ImportError as error:
    print(error)
"""


def printed(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("name", ["starlette", "jinja2"])
def test_without_the_extra_one_error_says_what_to_install(name: str) -> None:
    wanted = "bgjobs.web needs starlette and jinja2: pip install 'bgjobs[web]'\n"
    assert printed(MISSING.format(name=name)) == wanted


def test_importing_bgjobs_does_not_import_it() -> None:
    names = "{'bgjobs.web', 'starlette', 'jinja2', 'hypercorn'}"
    assert printed(f"import sys, bgjobs; print({names} & {{*sys.modules}})") == "set()\n"


def test_the_page_is_imported_without_a_server_and_a_database_driver() -> None:
    names = "{'hypercorn', 'psycopg', 'sqlite3'}"
    found = printed(f"import sys, bgjobs.web; print({names} & {{*sys.modules}})")
    assert found == "set()\n"
