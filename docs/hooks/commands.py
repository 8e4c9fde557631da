"""Inserts the reference of the command line, generated from the commands, into a page.

Without this hook, such as on a Git host, the page shows a note instead.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from mvt_nas.cli.main import cli

PLACE = re.compile(r"<!-- commands -->.*<!-- /commands -->", re.DOTALL)
"""The place of the commands in a page; the note for other readers is between the marks."""

_KINDS = {click.INT: "integer", click.FLOAT: "number", click.STRING: "text"}
_DEFAULT = re.compile(r"\s*\[default: (.*)\]\.?$", re.DOTALL)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the Markdown of a page with the commands inserted."""
    return PLACE.sub(
        lambda _: "\n\n".join(_described(click.Context(cli, info_name="mvt-nas"), 2)), markdown
    )


def _described(context: click.Context, level: int) -> Iterator[str]:
    """Yield the paragraphs that describe a command and all its subcommands."""
    command = context.command
    yield f"{'#' * level} {context.command_path}"
    yield f"```text\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```"
    yield from (_plain(part) for part in inspect.cleandoc(command.help or "").split("\n\n"))
    options = [
        one
        for one in command.get_params(context)
        if isinstance(one, click.Option) and "--help" not in one.opts
    ]
    if options:
        lines = [
            "| option | takes | what it does | default |",
            "|---|---|---|---|",
            *(_row(one, context) for one in options),
        ]
        yield "\n".join(lines)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _described(
                click.Context(below, info_name=name, parent=context),
                level if context.parent is None else level + 1,
            )


def _row(option: click.Option, context: click.Context) -> str:
    """Return the table row of an option."""
    found = _DEFAULT.search(option.help or "")
    default = option.get_help_extra(context).get("default") or (found[1] if found else "")
    names = " / ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    metavar = "" if option.is_flag else f" `{option.make_metavar(context)}`"
    help_text = _DEFAULT.sub("", option.help or "")
    cells = [
        names + metavar,
        _takes(option),
        _plain(help_text),
        "**required**" if option.required else _plain(default),
    ]
    return f"| {' | '.join(cells)} |"


def _takes(option: click.Option) -> str:
    """Describe the values that an option takes, as text; a flag takes none."""
    kind = option.type
    if option.is_flag:
        return "flag"
    if isinstance(kind, click.Choice):
        return "one of these"
    if isinstance(kind, click.Path):
        return "folder" if not kind.file_okay else "file" if not kind.dir_okay else "path"
    if isinstance(kind, click.IntRange | click.FloatRange):
        return _range(kind)
    return _KINDS.get(kind, kind.name)


def _range(kind: click.IntRange | click.FloatRange) -> str:
    above = (
        f" above {kind.min}"
        if kind.min_open
        else f" from {kind.min}"
        if kind.min is not None
        else ""
    )
    until = (
        f" below {kind.max}" if kind.max_open else f" to {kind.max}" if kind.max is not None else ""
    )
    return f"{'integer' if isinstance(kind, click.IntRange) else 'number'}{above}{until}"


def _plain(text: str) -> str:
    """Return a text in one line, escaped so that Markdown renders it unchanged."""
    return re.sub(r"([\\`*_>\[\]#|])", r"\\\1", " ".join(text.split())).replace("<", "&lt;")
