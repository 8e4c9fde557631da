"""``mvt-nas completion``: the script that completes commands, options and names in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_MVT_NAS_COMPLETE"
"""Environment variable that a shell sets while it completes; click derives it from the name."""


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> None:
    """Print the script that completes commands and names in SHELL.

    In bash, for instance: mvt-nas completion bash >
        ~/.local/share/bash-completion/completions/mvt-nas
    """
    completion_class = get_completion_class(shell)
    assert completion_class is not None, "click supports all three shells"
    root = click.get_current_context().find_root().command
    completion = completion_class(root, {}, "mvt-nas", VARIABLE)
    # Not source(), which runs bash to find its version.
    click.echo(completion.source_template % completion.source_vars())
