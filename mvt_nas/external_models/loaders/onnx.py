"""Loader for ONNX files, whose costs are counted without running them."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import BaselineError, LatencyError
from mvt_nas.external_models.base import DEFAULT_PX, LOADERS, ExternalModel, ExternalModelLoader
from mvt_nas.onnx.file import declared_sizes, input_shape, load_onnx


def load(source: str, resolution_px: int | None) -> ExternalModel:
    """Load the network in a file.

    See :class:`~mvt_nas.external_models.base.ExternalModelLoader`.
    """
    path = Path(source)
    try:
        return _counted(path, _input_shape(path, resolution_px))
    except LatencyError as error:
        raise BaselineError(str(error)) from None
    except BaselineError as error:
        raise BaselineError(f"{path}: {error}") from None


def _input_shape(path: Path, resolution_px: int | None) -> tuple[int, int, int, int]:
    """Return the shape of one image; open sides are those requested, or 256."""
    fixed = [side for side in declared_sizes(path)[2:] if side is not None]
    side = resolution_px or next(iter(fixed), DEFAULT_PX)
    return input_shape(path, batch_size=1, resolution_px=side)


def _counted(path: Path, shape: tuple[int, int, int, int]) -> ExternalModel:
    model = load_onnx(path)
    from mvt_nas.external_models.onnx_graph import count_graph

    costs, notes, kernels = count_graph(model, shape)
    return ExternalModel(path.stem, shape[2], path, costs, notes, kernels)


def _takes(source: str) -> bool:
    return source.lower().endswith(".onnx") or Path(source).is_file()


LOADERS.register("onnx")(ExternalModelLoader("FILE.onnx", _takes, load))
