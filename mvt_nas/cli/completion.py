"""``mvt-nas completion``: completes commands, options and names in a shell."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_MVT_NAS_COMPLETE"
"""The environment variable by which a shell asks what could come next; click's own name for it."""


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> None:
    """Print the script that makes SHELL complete commands, options, and names of spaces, samplers, devices and runs.

    In bash, for instance: mvt-nas completion bash >
        ~/.local/share/bash-completion/completions/mvt-nas
    """
    from click.shell_completion import get_completion_class

    from mvt_nas.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None, "click knows all three"
    script = found(cli, {}, "mvt-nas", VARIABLE)
    click.echo(
        script.source_template % script.source_vars()
    )  # not source(), which runs bash to ask for its version
