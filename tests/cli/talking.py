"""Many calls of `bgjobs` in one process: each line of the terminal is one; ends with it."""

import shlex
import sys

from bgjobs.cli.root import run_command

if __name__ == "__main__":
    for line in iter(sys.stdin.readline, ""):
        code = run_command(shlex.split(line))
        sys.stdout.write(f"[exit code {int(code)}]\n")
        sys.stdout.flush()
