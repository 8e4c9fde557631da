"""What the shell completes, how fast, and what ``mvt-nas`` says alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, CompletionItem, ShellComplete

from mvt_nas import published_names
from mvt_nas.cli.main import cli
from mvt_nas.cli.shell_completion import objectives, registered
from mvt_nas.latency.profile_lookup import profile_files
from mvt_nas.nas.problem.metrics import parse_metric
from mvt_nas.resources import shipped_names
from tests.support.cli import run


def completed(*words: str) -> list[CompletionItem]:
    """Return what may stand for the last word, as a shell is told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_MVT_NAS_COMPLETE", "bash_complete")
        return ShellComplete(cli, {}, "mvt-nas", "_MVT_NAS_COMPLETE").get_completions(
            list(words[:-1]), words[-1]
        )


def names(*words: str) -> list[str]:
    return [str(item.value) for item in completed(*words) if item.type == "plain"]


_REGISTERED = """
import json
from mvt_nas.nas.runners.base import RUNNERS
from mvt_nas.nas.samplers.base import SAMPLERS
from mvt_nas.export.base import TARGETS
from mvt_nas.latency.runtime import RUNTIMES
from mvt_nas.proxies.base import PROXIES

registries = (RUNNERS, SAMPLERS, TARGETS, RUNTIMES, PROXIES)
names = {one.package.partition(".")[2].replace(".", "/"): list(one) for one in registries}
print(json.dumps(names))
"""


def test_names_in_the_text_of_files_are_those_that_they_register() -> None:
    """In a process of its own: other tests register entries."""
    found = subprocess.run(
        [sys.executable, "-c", _REGISTERED], capture_output=True, text=True, check=True
    ).stdout
    packages = json.loads(found)
    assert len(packages) == 5
    for package, names in packages.items():
        assert registered(package) == names


def test_every_objective_that_is_completed_is_one() -> None:
    found = objectives()
    assert len(set(found)) == len(found)
    assert {parse_metric(name).direction for name in found} == {"min", "max"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("search", ""), shipped_names()),
        (
            ("search", "mobilevit_v"),
            [name for name in shipped_names() if name.startswith("mobilevit_v")],
        ),
        (("space", "check", "ti"), ["tiny"]),
        (("search", "tiny", "--sampler", "nsga"), ["nsga2", "nsga3"]),
        (("search", "tiny", "--runner", ""), ["local", "ray"]),
        (
            ("search", "tiny", "--objective", "latency_ms@i"),
            [f"latency_ms@{name}" for name in profile_files() if name.startswith("i")],
        ),
        (("show", "mobilevit_s", "--device", "iphone"), ["iphone12-coreml"]),
        (
            ("show", "mobilevit_"),
            [name for name in published_names() if name.startswith("mobilevit_")],
        ),
        (("latency", "measure", "x", "--runtime", "torch"), ["torch", "torch_compile"]),
        (("latency", "evaluate", "x86"), ["x86-onnxruntime-1t"]),
        (("export", "mobilevitv2_0"), ["mobilevitv2_050", "mobilevitv2_075"]),
        (("export", "mobilevit_s", "--to", "o"), ["onnx", "openvino"]),
        (("export", "mobilevit_s", "--to", "l"), ["litert", "list"]),
        (("latency", "profile", "--name", ""), []),
        (("latency", "fit", "x86"), []),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("cac",), ["cache"]),
    ],
)
def test_names_are_completed(words: tuple[str, ...], expected: list[str]) -> None:
    assert names(*words) == expected


def test_completing_leaves_the_commands_as_they_are() -> None:
    assert completed("pareto", "x")
    code, _, err = run("pareto", "")
    assert code == 2
    assert "an empty text is no path" in err


def test_runs_are_completed_those_last_worked_on_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert names("pareto", "") == []
    for age_s, name in enumerate(("new", "old", "older")):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        (folder / "run.yaml").touch()
        os.utime(folder, (1e9 - age_s, 1e9 - age_s))
    (tmp_path / "results" / "no-run").mkdir()
    for verb in ("pareto", "watch", "plot", "dashboard"):
        assert names(verb, "") == ["results/new", "results/old", "results/older"]
    assert names("watch", "results/o") == ["results/old", "results/older"]
    assert [item.type for item in completed("watch", "x")] == ["dir"]


def test_bash_takes_the_script_and_completes(tmp_path: Path) -> None:
    program = tmp_path / "mvt-nas"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m mvt_nas "$@"\n')
    program.chmod(0o755)
    script = (
        "source <(mvt-nas completion bash); complete -p mvt-nas\nCOMP_WORDS=(mvt-nas search tiny"
        ' --sampler n) COMP_CWORD=4; _mvt_nas_completion mvt-nas; printf "%s\\n"'
        ' "${COMPREPLY[@]}"\n'
    )
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1:] == ["nsga2", "nsga3"]
    assert "-F _mvt_nas_completion mvt-nas" in done.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("shell", "words"),
    [("bash", "complete -o nosort"), ("zsh", "#compdef mvt-nas"), ("fish", "--command mvt-nas")],
)
def test_each_shell_has_a_script(shell: str, words: str) -> None:
    code, out, _ = run("completion", shell)
    assert code == 0
    assert words in out
    assert f"_MVT_NAS_COMPLETE={shell}_complete" in out
    if shell == "bash":
        assert out.strip() == BashComplete(cli, {}, "mvt-nas", "_MVT_NAS_COMPLETE").source().strip()


def test_another_shell_is_refused() -> None:
    code, _, err = run("completion", "tcsh")
    assert code == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in err


@pytest.mark.parametrize(
    "words",
    [
        "",
        "search m",
        "search tiny --sampler n",
        "pareto r",
        "report r",
        "bench ",
        "search tiny --objective latency_ms@",
        "watch r",
    ],
)
def test_completing_loads_nothing_heavy(words: str) -> None:
    count = len(words.split())
    environment = {
        **os.environ,
        "COMP_WORDS": f"mvt-nas {words}",
        "COMP_CWORD": str(count),
        "_MVT_NAS_COMPLETE": "bash_complete",
    }
    code = (
        "import sys\n"
        "from mvt_nas.cli.main import main\n"
        "try: main([])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'optuna', 'pandas', 'scipy', 'matplotlib', 'ray'} & set(sys.modules)\n"
        "print(*heavy, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr.split() == []


def test_alone_it_says_what_to_type_next() -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) <= 12
    assert max(map(len, lines)) <= 80
    verbs = [line.split()[1] for line in lines if line.startswith("  mvt-nas ")]
    assert verbs[0] == "search"
    assert set(verbs) < set(cli.list_commands(None))  # type: ignore[arg-type]  # it does not look at it
