"""The `bgjobs` command: operate an application from a terminal.

It needs ``pip install 'bgjobs[cli]'``, and uses only what any program can import from `bgjobs`.
"""

import sys
from importlib.util import find_spec
from typing import NoReturn

from bgjobs.cli.output import terminal

_REQUIRED = ("click", "rich")


def main() -> NoReturn:
    """Run the command of this process's arguments, and exit with its code."""
    is_mute = terminal.replace_closed_streams()
    missing = [name for name in _REQUIRED if find_spec(name) is None]
    if missing:
        needed = " and ".join(missing)
        terminal.note(f"bgjobs: the command line needs {needed}: pip install 'bgjobs[cli]'")
        sys.exit(1)
    try:
        from bgjobs.cli.root import run_command  # noqa: PLC0415 - needs the libraries checked above

        code = run_command(sys.argv[1:], is_mute=is_mute)
    except KeyboardInterrupt:  # before or after `run_command` handles it
        terminal.note("bgjobs: interrupted")
        code = 130
    sys.exit(code)
