"""Entry point of the command line: collects the commands, and prints errors as one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from mvt_nas._version import __version__
from mvt_nas.cli.parameters import option_name
from mvt_nas.cli.shell_completion import complete_names
from mvt_nas.errors import MvtNasError

WELCOME = """\
mvt-nas finds the mobile vision transformers that fit your device. What next?

  mvt-nas search tiny --trials 60                     a first search, in seconds
  mvt-nas search mobilevit --budget 'latency_ms<=20'  a real one, within budget
  mvt-nas watch RUN                                   follow it while it runs
  mvt-nas runs                                        what was searched so far
  mvt-nas pareto RUN                                  the best networks of one
  mvt-nas report RUN                                  a page to look around in
  mvt-nas show mobilevit_s                            a network, stage by stage
  mvt-nas doctor                                      what works on this machine

All commands: mvt-nas --help. What one of them can do: mvt-nas search --help."""


_VERBS = {
    "search": (
        "search.search_command",
        "Search SPACE and show the Pareto front.",
    ),
    "pareto": (
        "runs.pareto_command",
        "Show the Pareto front of RUN and compare your baselines with it.",
    ),
    "plot": (
        "runs.plot_command",
        "Plot RUN: candidates, front, budgets, published models, baselines.",
    ),
    "runs": (
        "runs.runs_command",
        "List the runs below FOLDER (results by default).",
    ),
    "watch": (
        "watch.watch_command",
        "Watch the search in RUN: front, hypervolume, rate, failures.",
    ),
    "report": (
        "report.report_command",
        "Write a report of RUN.",
    ),
    "compare": (
        "runs.compare_command",
        "Compare the fronts of several runs with the same objectives.",
    ),
    "reproduce": (
        "runs.reproduce_command",
        "Repeat the search of RUN, and compare the results.",
    ),
    "export": (
        "export.export_command",
        "Export a network for a device or a trainer, and verify the exported files.",
    ),
    "import": (
        "export.import_command",
        "Read the architecture in FILE and print it, or write it to a file.",
    ),
    "train": (
        "train.train_command",
        "Train a network by a full recipe, and keep its best weights.",
    ),
    "dashboard": (
        "runs.dashboard_command",
        "Write RUN as an Optuna storage for optuna-dashboard.",
    ),
    "show": (
        "architectures.show_command",
        "Show the parts of a network (layers, shapes, params, MACs) and its predicted latency.",
    ),
    "zoo": (
        "architectures.zoo_command",
        "List the 19 published models with their exact costs and published figures.",
    ),
    "space": (
        "space.space_group",
        "Inspect search spaces.",
    ),
    "latency": (
        "latency.latency_group",
        "Measure and predict the latency of networks.",
    ),
    "proxy": (
        "proxy.proxy_group",
        "List, compute and validate training-free scores.",
    ),
    "accuracy": (
        "accuracy.accuracy_group",
        "Predict accuracy from trained networks, with its error.",
    ),
    "bench": (
        "bench.bench_group",
        "Benchmark samplers, and train networks for accuracy tables.",
    ),
    "cache": (
        "cache.cache_group",
        "Show and clear evaluations that are kept for later searches.",
    ),
    "doctor": (
        "doctor.doctor_command",
        "Check packages, runtimes, devices and the cache of this machine.",
    ),
    "completion": (
        "completion.completion_command",
        "Print the script that completes commands and names in SHELL.",
    ),
}
"""Module and function of each command, and its short help, so that help needs no imports."""

_COMPLETING = "_MVT_NAS_COMPLETE"
"""Environment variable that a shell sets while it completes a command line."""


class _Verbs(click.Group):
    """The commands, each imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module, _, name = _VERBS[cmd_name][0].partition(".")
        command: click.Command = getattr(import_module(f"mvt_nas.cli.{module}"), name)
        if _COMPLETING not in os.environ:
            return command
        return complete_names(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the short help of all commands without importing them."""
        # As click does: names are indented by two columns, with two free ones around the texts.
        limit = formatter.width - 6 - max(len(name) for name in _VERBS)
        rows = [
            (name, click.Command(name, help=text).get_short_help_str(limit))
            for name, (_, text) in _VERBS.items()
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin with a text, without importing commands."""
        commands = [
            CompletionItem(name, help=text)
            for name, (_, text) in _VERBS.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(
    cls=_Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(__version__, prog_name="mvt-nas")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Search the MobileViT v1, v2 and v3 design space for your budget, and see the Pareto front.

    Start with:  mvt-nas search mobilevit --trials 200 --workers 2
    """
    if context.invoked_subcommand is None:
        click.echo(WELCOME)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit.

    The exit code is 0 on success, 2 for wrong input or output that cannot be written, 1 for a
    closed pipe, and 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        cli.main(arguments, prog_name="mvt-nas", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        _mute()
        sys.exit(1)
    except click.ClickException as error:
        _refuse(error.format_message() + _hint(error))
    except MvtNasError as error:
        if "--debug" in arguments:
            raise
        _refuse(_format_error(error, arguments))
    except OSError as error:
        if "--debug" in arguments:
            raise
        _mute()
        _refuse(f"cannot write ({error})")
    sys.exit(0)


def _format_error(error: MvtNasError, arguments: Sequence[str]) -> str:
    """Return the message of an error, which begins with the option at fault if there is one."""
    if error.parameter is None:
        return str(error)
    option = option_name(_invoked_command(arguments), error.parameter)
    return str(error) if option is None else f"{option}: {error.message}"


def _invoked_command(arguments: Sequence[str]) -> click.Command:
    """Return the command that is named by the first words of the arguments."""
    command: click.Command = cli
    for word in arguments:
        if not isinstance(command, click.Group):
            break
        # Options of a group are flags, which have no values that could be taken for a command.
        command = command.get_command(click.Context(command), word) or command
    return command


def _hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f" (see {context.command_path} --help)" if context is not None else ""


def _mute() -> None:
    """Discard the rest of standard output, which the interpreter would flush at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _refuse(message: str) -> None:
    click.echo(f"mvt-nas: error: {' '.join(message.split())}", err=True)
    sys.exit(2)
