"""`bgjobs completion`: the script that completes commands and names in a shell."""

import click
from click.shell_completion import get_completion_class

from bgjobs.cli.errors import CommandError
from bgjobs.cli.output import terminal

_SHELLS = ("bash", "zsh", "fish")


_EPILOG = """\b
bash:  bgjobs completion bash > ~/.local/share/bash-completion/completions/bgjobs
zsh:   bgjobs completion zsh > ~/.zfunc/_bgjobs    (with ~/.zfunc in your fpath)
fish:  bgjobs completion fish > ~/.config/fish/completions/bgjobs.fish
"""


@click.command(epilog=_EPILOG)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    Names of workers, queues and schedules are completed only if BGJOBS_COMPLETE_NAMES is 1,
    because each press of TAB then imports the application of BGJOBS_APP or --app.
    """
    made = get_completion_class(shell)
    if made is None:
        raise CommandError(f"click has no completion for {shell}")
    root = context.find_root()
    terminal.lines(made(root.command, {}, "bgjobs", "_BGJOBS_COMPLETE").source().rstrip("\n"))
