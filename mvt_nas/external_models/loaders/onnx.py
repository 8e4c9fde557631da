"""Loader for ONNX files, whose costs are counted without running them."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import BaselineError, LatencyError
from mvt_nas.external_models.base import DEFAULT_PX, LOADERS, ExternalModel, ExternalModelLoader
from mvt_nas.external_models.graph_recorder import count_costs
from mvt_nas.onnx.file import declared_sizes, input_shape, load_onnx
from mvt_nas.onnx.weights import count_weights

FOLDED = (
    "params are the weights in the file: where a batch norm was folded at export, one number for"
    " each channel is left of two"
)


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
    # Imported here: these load numpy.
    from mvt_nas.external_models.onnx_graph import record_graph
    from mvt_nas.onnx.shapes import infer_shapes

    graph, shapes = infer_shapes(load_onnx(path), shape)
    costs, notes = count_costs(record_graph(graph, shapes), count_weights(graph))
    operators = {node.op_type for node in graph.node}
    if "Conv" in operators and "BatchNormalization" not in operators:
        notes = (*notes, FOLDED)
    return ExternalModel(path.stem, shape[2], path, costs, notes)


def _takes(source: str) -> bool:
    return source.lower().endswith(".onnx") or Path(source).is_file()


LOADERS.register("onnx")(ExternalModelLoader("FILE.onnx", _takes, load))
