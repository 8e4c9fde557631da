"""A network in an ONNX file, counted without running it."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import BaselineError, LatencyError
from mvt_nas.external_models.base import DEFAULT_PX, LOADERS, ExternalModel, ExternalModelLoader
from mvt_nas.external_models.costs import costs_of

FOLDED = (
    "params are the weights in the file: where a batch norm was folded at export, one number for"
    " each channel is left of two"
)


def open_file(source: str, resolution_px: int | None) -> ExternalModel:
    """Return the network in a file (see :class:`mvt_nas.external_models.base.ExternalModelLoader`)."""
    path = Path(source)
    try:
        shape = _input_shape(path, resolution_px)
        return _counted(path, shape)
    except LatencyError as error:
        raise BaselineError(str(error)) from None
    except BaselineError as error:
        raise BaselineError(f"{path}: {error}") from None


def _input_shape(path: Path, resolution_px: int | None) -> tuple[int, int, int, int]:
    """Return the shape of one picture; sides that the file leaves open are those asked for, or 256."""
    from mvt_nas.latency.onnx_file import declared_sizes, input_shape

    fixed = [side for side in declared_sizes(path)[2:] if side is not None]
    return input_shape(
        path, batch_size=1, resolution_px=resolution_px or next(iter(fixed), DEFAULT_PX)
    )


def _counted(path: Path, shape: tuple[int, int, int, int]) -> ExternalModel:
    from mvt_nas.external_models.onnx_graph import read_graph
    from mvt_nas.external_models.onnx_shapes import count_weights, with_shapes
    from mvt_nas.latency.onnx_file import load_onnx

    graph, shapes = with_shapes(load_onnx(path), shape)
    kinds = {node.op_type for node in graph.node}
    costs, notes = costs_of(read_graph(graph, shapes), count_weights(graph))
    folded = "Conv" in kinds and "BatchNormalization" not in kinds
    return ExternalModel(path.stem, shape[2], path, costs, (*notes, FOLDED) if folded else notes)


LOADERS.register("onnx")(
    ExternalModelLoader(
        "FILE.onnx",
        lambda source: source.lower().endswith(".onnx") or Path(source).is_file(),
        open_file,
    )
)
