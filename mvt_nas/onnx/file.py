"""Reading ONNX files with one float32 input, images (B, C, H, W), whose sizes may be open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mvt_nas._io import content_hash
from mvt_nas._optional import missing
from mvt_nas.errors import LatencyError

_AXES = ("batch size", "channels", "height", "width")
_DEFAULTS = (1, 3, None, None)


def file_key(path: Path) -> str:
    """Return the content hash of a file, 16 hexadecimal digits."""
    return content_hash(path.read_bytes())


def input_shape(
    path: Path, *, batch_size: int | None = None, resolution_px: int | None = None
) -> tuple[int, int, int, int]:
    """Return the shape (B, C, H, W) of the file's input.

    Args:
        path: an ONNX file.
        batch_size: batch size where the file leaves it open; 1 without one.
        resolution_px: height and width where the file leaves them open.

    Raises:
        LatencyError: the file is missing or not an ONNX model, has another kind of input, fixes a
            size to another value than the given one, or leaves a side open that is not given.
    """
    requested = (batch_size, None, resolution_px, resolution_px)
    shape = []
    for axis, fixed, wanted, default in zip(
        _AXES, declared_sizes(path), requested, _DEFAULTS, strict=True
    ):
        if fixed is not None and wanted not in (None, fixed):
            raise LatencyError(
                f"{path}: {axis} = {wanted} is not allowed, the file fixes it to {fixed}"
            )
        size = fixed or wanted or default
        if size is None:
            raise LatencyError(f"{path}: the file leaves the {axis} open; give --resolution")
        shape.append(size)
    return shape[0], shape[1], shape[2], shape[3]


def declared_sizes(path: Path) -> list[int | None]:
    """Return batch size, channels, height and width of the file's input; ``None`` for open sizes.

    Raises:
        LatencyError: the file is missing or not an ONNX model, or has another kind of input.
    """
    onnx = _onnx_package(path)
    graph = load_onnx(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in weights]
    if len(inputs) != 1:
        raise LatencyError(
            f"{path}: {len(inputs)} inputs; an ONNX model with one input, images (B, C, H, W), is"
            " needed"
        )
    tensor = inputs[0].type.tensor_type
    sizes = [
        size.dim_value if size.HasField("dim_value") and size.dim_value > 0 else None
        for size in tensor.shape.dim
    ]
    if tensor.elem_type != onnx.TensorProto.FLOAT or len(sizes) != len(_AXES):
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        raise LatencyError(
            f"{path}: its input is {kind} with {len(sizes)} axes; float with 4, (B, C, H, W), is"
            " needed"
        )
    return sizes


def load_onnx(path: Path) -> Any:
    """Return the model in a file, without weights that are stored in other files.

    Raises:
        LatencyError: the package ``onnx`` is missing, or the file is missing or not an ONNX model.
    """
    onnx = _onnx_package(path)
    if not path.is_file():
        raise LatencyError(f"{path}: there is no such file")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # the parser may raise anything
        raise LatencyError(f"{path} is no ONNX model: it cannot be parsed") from error
    if not model.graph.node:
        raise LatencyError(f"{path} is no ONNX model: it has no nodes")
    return model


def _onnx_package(path: Path) -> Any:
    """Return the package ``onnx``, with which to read a file."""
    trouble = missing(("onnx",), "onnx")
    if trouble:
        raise LatencyError(f"{path} cannot be read: {trouble}")
    import onnx

    return onnx
