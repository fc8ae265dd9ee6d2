"""The `bgjobs` command: operate an application from a terminal.

Needs ``pip install 'bgjobs[cli]'``. It uses only what any program can import from `bgjobs`.
"""

import sys
from importlib.util import find_spec
from typing import NoReturn

from bgjobs.cli.streams import fill

_NEEDED = ("click", "rich")


def main() -> NoReturn:
    """Run the command of this process's arguments, and exit with its code."""
    is_mute = fill()
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        from bgjobs.cli.output import terminal as screen  # noqa: PLC0415 - needs less than the commands

        needed = " and ".join(missing)
        screen.note(f"bgjobs: the command line needs {needed}: pip install 'bgjobs[cli]'")
        sys.exit(1)
    try:
        from bgjobs.cli.root import run_command  # noqa: PLC0415 - needs what was looked for above

        code = run_command(sys.argv[1:], is_mute=is_mute)
    except KeyboardInterrupt:  # before or behind what run_command looks after
        from bgjobs.cli.output import terminal as screen  # noqa: PLC0415 - as above

        screen.note("bgjobs: interrupted")
        code = 130
    sys.exit(code)
