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
from typing import TYPE_CHECKING, Any

from mvt_nas._optional import first_line
from mvt_nas.errors import BaselineError, nearest
from mvt_nas.external_models.base import DEFAULT_PX, LOADERS, ExternalModel, ExternalModelLoader
from mvt_nas.external_models.graph_recorder import count_costs

if TYPE_CHECKING:
    from torch import nn

_SPELLING = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def load(source: str, resolution_px: int | None) -> ExternalModel:
    """Load the network that ``MODULE:FUNCTION`` returns.

    See :class:`~mvt_nas.external_models.base.ExternalModelLoader`.
    """
    module, _, function = source.partition(":")
    side = resolution_px or DEFAULT_PX
    with _working_directory_on_path(), contextlib.redirect_stdout(sys.stderr):
        build = _find_function(_import(module, source), function, source)
        network = _build(source, build)
        costs, notes = _count(source, network, (1, 3, side, side))
    return ExternalModel(function, side, network, costs, notes)


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
        raise BaselineError(f"{source}: importing {name} fails: {_reason(error)}") from error
    except (Exception, SystemExit) as error:
        raise BaselineError(f"{source}: importing {name} fails: {_reason(error)}") from error


def _find_function(module: Any, name: str, source: str) -> Callable[[], Any]:
    found = getattr(module, name, None)
    if not callable(found):
        callables = [other for other in vars(module) if callable(getattr(module, other))]
        raise BaselineError(
            f"{source}: {module.__name__} has no function {name!r}{nearest(name, callables)}"
        )
    function: Callable[[], Any] = found
    return function


def _build(source: str, function: Callable[[], Any]) -> nn.Module:
    import torch
    from torch import nn

    try:
        with torch.random.fork_rng(devices=[]):
            network = function()
    except (Exception, SystemExit) as error:
        raise BaselineError(
            f"{source}: the function, called without arguments, fails: {_reason(error)}"
        ) from error
    if not isinstance(network, nn.Module):
        raise BaselineError(
            f"{source}: the function returns {type(network).__name__}; a torch.nn.Module is needed"
        )
    return network


def _count(
    source: str, network: nn.Module, shape: tuple[int, int, int, int]
) -> tuple[dict[str, float], tuple[str, ...]]:
    import torch

    from mvt_nas.external_models.torch_trace import trace
    from mvt_nas.models.synthetic import random_images

    images = torch.from_numpy(random_images(shape))
    try:
        recorder = trace(network.to("cpu", torch.float32).eval(), images)
    except Exception as error:
        raise BaselineError(
            f"{source}: the network fails on an image of shape {shape}: {_reason(error)}"
        ) from error
    params = sum(parameter.numel() for parameter in network.parameters())
    try:
        return count_costs(recorder, params)
    except BaselineError as error:
        raise BaselineError(f"{source}: {error}") from None


def _reason(error: BaseException) -> str:
    """Return the type and the first line of an exception."""
    line = first_line(error)
    return f"{type(error).__name__}: {line[:200]}" if line else type(error).__name__


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
