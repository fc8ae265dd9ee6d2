"""Call `bgjobs` in this process with the arguments of each line of stdin.

A line that begins with a bracket is a JSON array of arguments, which may hold any character.
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
