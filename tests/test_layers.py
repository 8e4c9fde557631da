"""Imports point down and form no cycle, torch stays where it belongs, and ``--help`` is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import mvt_nas

PACKAGE = Path(mvt_nas.__file__).parent

# From the bottom up. A module may import from its own layer and from those before it.
LAYERS = [
    {"errors", "_version", "_typing", "_threads_and_malloc", "hardware"},
    {"_fields", "_io", "_optional", "_settings", "_yaml", "journal", "registry", "resources"},
    {"data", "space"},
    {"blocks"},
    {"tasks"},
    {"metrics", "models"},
    {"checkpoints", "cost", "onnx", "pareto"},
    {"latency", "proxies", "training"},
    {"accuracy", "external_models"},
    {"nas", "export"},
    {"report", "testing"},
    {"cli"},
    {"__main__"},
]
SEPARATE = [
    {"data", "space"},
    {"metrics", "models"},
    {"checkpoints", "cost"},
    {"checkpoints", "onnx"},
    {"cost", "onnx"},
    {"checkpoints", "latency"},
    {"checkpoints", "proxies"},
    {"latency", "proxies"},
    {"latency", "training"},
    {"proxies", "training"},
    {"accuracy", "external_models"},
    {"nas", "export"},
    {"report", "export"},
    {"report", "testing"},
]
TORCH = ("module.py", "layers.py", "transformer.py", "anchors.py")
"""Modules of blocks and tasks that may import torch."""
WITHOUT_TORCH = (
    "data",
    "space",
    "cost",
    "metrics",
    "report",
    "cli",
    "pareto",
    "registry",
    "errors",
)


def _modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def _layer(part: str) -> int:
    return next(index for index, layer in enumerate(LAYERS) if part in layer)


@cache
def _imports(path: Path) -> list[str]:
    """Return the modules that a file imports anywhere, also inside functions.

    Imports for the type checker only are left out.
    """
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [_imported(node.module, alias.name) for alias in node.names]
    return names


def _imported(module: str, name: str) -> str:
    """Return the submodule ``name`` of a package, or the module that ``name`` is taken from."""
    submodule = f"{module}.{name}"
    is_package = (PACKAGE.parent / module.replace(".", "/")).is_dir()
    return submodule if is_package or module == "mvt_nas" else module


def _name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def _folder(module: str) -> str:
    """Return the folder of a module; for a module at the top level, the module itself."""
    folder = module.rpartition(".")[0]
    return module if folder == "mvt_nas" else folder


def _file_graph() -> dict[str, set[str]]:
    """Return the modules that each module imports; an ``__init__`` only re-exports names."""
    modules = {_name(path): path for path in _modules() if path.name != "__init__.py"}
    return {name: set(_imports(path)) & set(modules) - {name} for name, path in modules.items()}


def _folder_graph() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = defaultdict(set)
    for module, imported in _file_graph().items():
        folders = {_folder(name) for name in imported}
        graph[_folder(module)] |= folders - {_folder(module)}
    return graph


@pytest.mark.parametrize("graph", [_file_graph, _folder_graph])
def test_imports_form_no_cycle(graph: Callable[[], dict[str, set[str]]]) -> None:
    assert len(graph()) > 20
    TopologicalSorter(graph()).prepare()  # raises CycleError with the cycle


def test_the_cycle_check_would_notice_one() -> None:
    graph = _folder_graph()
    graph["mvt_nas.space"] |= {"mvt_nas.nas"}
    with pytest.raises(CycleError, match=r"mvt_nas\.space"):
        TopologicalSorter(graph).prepare()


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_module_has_a_layer() -> None:
    assert {_part(path) for path in _modules()} == set().union(*LAYERS)


def test_imports_point_down() -> None:
    wrong = []
    for path in _modules():
        for name in _imports(path):
            part = name.split(".")[1] if name.startswith("mvt_nas.") else None
            if part in (None, "__version__"):
                continue
            upward = _layer(part) > _layer(_part(path))
            separate = any({part, _part(path)} == pair for pair in SEPARATE)
            if upward or separate:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert wrong == []


def test_torch_is_imported_where_it_belongs() -> None:
    wrong = []
    for path in _modules():
        of_lowering = _part(path) in ("blocks", "tasks") and path.name not in TORCH
        light = (
            of_lowering
            or _part(path) in WITHOUT_TORCH
            or path.parts[-2:] == ("models", "lowering.py")
            or path.parts[-2:-1] == ("model",)
        )
        outermost = ast.parse(path.read_text()).body
        imported = [
            n
            for node in outermost
            if isinstance(node, ast.Import | ast.ImportFrom)
            for n in ast.walk(node)
        ]
        names = [a.name for n in imported if isinstance(n, ast.Import) for a in n.names]
        names += [n.module or "" for n in imported if isinstance(n, ast.ImportFrom)]
        if light and any(name.split(".")[0] == "torch" for name in names):
            wrong.append(str(path.relative_to(PACKAGE)))
    assert wrong == []


def _loaded(code: str) -> set[str]:
    text = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {name.split(".")[0] for name in text.split()}


HEAVY = {
    "torch",
    "optuna",
    "pandas",
    "numpy",
    "matplotlib",
    "scipy",
    "sklearn",
    "ray",
    "moocore",
    "yaml",
}


def test_help_and_zoo_load_nothing_heavy() -> None:
    run = (
        "import contextlib, io\n"
        "from mvt_nas.cli.main import cli\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    cli.main({}, standalone_mode=False)"
    )
    assert _loaded(run.format("['--help']")) & HEAVY == set()
    assert _loaded(run.format("['zoo']")) & HEAVY == set()
    assert _loaded(run.format("['search', '--help']")) & HEAVY == set()


def test_the_check_would_notice_a_heavy_import() -> None:
    assert "numpy" in _loaded("import mvt_nas.space.search_space")


def test_importing_the_package_and_lowering_needs_neither_torch_nor_numpy() -> None:
    assert _loaded("from mvt_nas import zoo, count; count(zoo('mobilevit_s'))") & HEAVY == set()


def test_counting_whole_spaces_does_not_need_torch() -> None:
    assert "torch" not in _loaded(
        "from mvt_nas import CostTable, load_space; CostTable(load_space('tiny'))"
    )


def test_reports_do_not_need_torch() -> None:
    assert "torch" not in _loaded(
        "import mvt_nas.report.plots, mvt_nas.report.tables, mvt_nas.nas.runs.run,"
        " mvt_nas.nas.optuna_dashboard"
    )
    assert {"torch", "optuna"} & _loaded(
        "import mvt_nas.report.watch.view, mvt_nas.cli.watch_frame"
    ) == set()


def test_recipes_and_configurations_of_trainings_need_neither_torch_nor_lightning() -> None:
    light = (
        "import mvt_nas.training.config, mvt_nas.training.batch_sampler\nfrom"
        " mvt_nas.training.presets import RECIPES, preset\n"
    )
    loaded = _loaded(light + "[preset(name, 'mobilevit_s', 256) for name in RECIPES]")
    assert {"torch", "lightning_fabric", "matplotlib"} & loaded == set()


def test_the_public_names_are_what_they_claim() -> None:
    assert mvt_nas.__all__ == sorted(mvt_nas.__all__)
    assert set(mvt_nas.__all__) == set(mvt_nas._HOMES)
    for name in mvt_nas.__all__:
        assert getattr(mvt_nas, name).__name__ == name
    modules = {path.stem for path in PACKAGE.iterdir()}
    assert not modules & set(mvt_nas.__all__)
