"""Loader for PyTorch modules that a function of an importable Python module returns.

Costs are counted by running the network once. The function is the user's own code; its output goes
to standard error, so that it does not mix with the output of mvt-nas.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from mvt_nas._optional import describe_error
from mvt_nas.errors import BaselineError, nearest
from mvt_nas.external_models.base import DEFAULT_PX, LOADERS, ExternalModel, ExternalModelLoader

_SPELLING = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def load(source: str, resolution_px: int | None) -> ExternalModel:
    """Load the network that ``MODULE:FUNCTION`` returns.

    See :class:`~mvt_nas.external_models.base.ExternalModelLoader`.
    """
    module, _, function = source.partition(":")
    side = resolution_px or DEFAULT_PX
    with _working_directory_on_path(), contextlib.redirect_stdout(sys.stderr):
        build = _find_function(_import(module, source), function, source)
        from mvt_nas.external_models.torch_module import build_network, count_network

        network = build_network(source, build)
        costs, notes, kernels = count_network(source, network, (1, 3, side, side))
    return ExternalModel(function, side, network, costs, notes, kernels)


def _import(name: str, source: str) -> Any:
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise BaselineError(
                f"{source}: there is no module {error.name!r} here ({os.getcwd()}) or among what is"
                " installed"
            ) from None
        raise BaselineError(f"{source}: importing {name} fails: {describe_error(error)}") from error
    except (Exception, SystemExit) as error:
        raise BaselineError(f"{source}: importing {name} fails: {describe_error(error)}") from error


def _find_function(module: Any, name: str, source: str) -> Callable[[], Any]:
    found = getattr(module, name, None)
    if not callable(found):
        callables = [other for other in vars(module) if callable(getattr(module, other))]
        raise BaselineError(
            f"{source}: {module.__name__} has no function {name!r}{nearest(name, callables)}"
        )
    function: Callable[[], Any] = found
    return function


@contextlib.contextmanager
def _working_directory_on_path() -> Iterator[None]:
    """Make modules in the working directory importable inside the block."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)


def _takes(source: str) -> bool:
    return _SPELLING.fullmatch(source) is not None


LOADERS.register("module")(ExternalModelLoader("MODULE:FUNCTION", _takes, load))
