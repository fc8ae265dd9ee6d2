"""The command line: ``python -m tests.reliability.chaos [schedules | digest] [options]``."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for and give the exit code."""
    if arguments[:1] == ["schedules"]:
        from tests.reliability.chaos import schedules_main  # noqa: PLC0415 - one of three programs

        return schedules_main.main(arguments[1:])
    if arguments[:1] == ["digest"]:
        from tests.reliability.chaos import digest  # noqa: PLC0415 - the second

        return digest.main(arguments[1:])
    from tests.reliability.chaos import storm_main  # noqa: PLC0415 - the third

    return storm_main.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
