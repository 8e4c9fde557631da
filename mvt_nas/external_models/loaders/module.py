"""A network in PyTorch: what a function of an importable module returns, counted by running it once.

The function is the user's own code and runs as such; only what it prints goes to standard error,
where it is in nobody's way.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mvt_nas.errors import BaselineError, nearest
from mvt_nas.external_models.base import DEFAULT_PX, LOADERS, ExternalModel, ExternalModelLoader
from mvt_nas.external_models.costs import costs_of

if TYPE_CHECKING:
    from torch import nn

_SPELLING = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def open_module(source: str, resolution_px: int | None) -> ExternalModel:
    """Return the network that ``MODULE:FUNCTION`` makes (see :class:`mvt_nas.external_models.base.ExternalModelLoader`)."""
    module, _, function = source.partition(":")
    side = resolution_px or DEFAULT_PX
    with _here_on_path(), contextlib.redirect_stdout(sys.stderr):
        network = _made(source, _function(_imported(module, source), function, source))
        costs, notes = _counted(source, network, (1, 3, side, side))
    return ExternalModel(function, side, network, costs, notes)


def _imported(name: str, source: str) -> Any:
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


def _function(module: Any, name: str, source: str) -> Callable[[], Any]:
    found = getattr(module, name, None)
    if not callable(found):
        callables = [other for other in vars(module) if callable(getattr(module, other))]
        raise BaselineError(
            f"{source}: {module.__name__} has no function {name!r}{nearest(name, callables)}"
        )
    function: Callable[[], Any] = found
    return function


def _made(source: str, function: Callable[[], Any]) -> nn.Module:
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


def _counted(
    source: str, network: nn.Module, shape: tuple[int, int, int, int]
) -> tuple[dict[str, float], tuple[str, ...]]:
    import torch

    from mvt_nas.external_models.torch_trace import trace
    from mvt_nas.models.synthetic import random_images

    try:
        recording = trace(
            network.to("cpu", torch.float32).eval(), torch.from_numpy(random_images(shape))
        )
    except Exception as error:
        raise BaselineError(
            f"{source}: the network fails on a picture of shape {shape}: {_reason(error)}"
        ) from error
    try:
        return costs_of(recording, sum(parameter.numel() for parameter in network.parameters()))
    except BaselineError as error:
        raise BaselineError(f"{source}: {error}") from None


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


@contextlib.contextmanager
def _here_on_path() -> Iterator[None]:
    """Let modules in the current directory be imported inside the block."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)


LOADERS.register("module")(
    ExternalModelLoader(
        "MODULE:FUNCTION", lambda source: _SPELLING.fullmatch(source) is not None, open_module
    )
)
