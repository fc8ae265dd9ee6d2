"""Many calls of `bgjobs` in one process: each line of the terminal is one; ends with it.

A line that begins with a bracket is a JSON array of arguments, for those that cannot be typed.
"""

import json
import shlex
import sys

from bgjobs.cli.root import run_command

if __name__ == "__main__":
    for line in iter(sys.stdin.readline, ""):
        typed = json.loads(line) if line.startswith("[") else shlex.split(line)
        code = run_command(typed)
        sys.stdout.write(f"[exit code {int(code)}]\n")
        sys.stdout.flush()
