"""The `bgjobs` command: operate an application from a terminal.

Needs ``pip install 'bgjobs[cli]'``. It uses only what any program can import from `bgjobs`.
"""

import sys
from importlib.util import find_spec
from typing import NoReturn

_NEEDED = ("click", "rich")


def main() -> NoReturn:
    """Run the command of this process's arguments, and exit with its code."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        from bgjobs.cli import screen  # noqa: PLC0415 - needs less than the commands

        needed = " and ".join(missing)
        screen.note(f"bgjobs: the command line needs {needed}: pip install 'bgjobs[cli]'")
        sys.exit(1)
    from bgjobs.cli.root import run_command  # noqa: PLC0415 - needs what was looked for above

    sys.exit(run_command(sys.argv[1:]))
