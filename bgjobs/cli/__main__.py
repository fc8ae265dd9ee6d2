"""`python -m bgjobs.cli` is the `bgjobs` command."""

from bgjobs.cli import main

if __name__ == "__main__":
    main()
