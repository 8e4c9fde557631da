"""What an ONNX file from elsewhere takes: one float32 input, (B, C, H, W), of which some sizes may be open."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import missing

_AXES = ("batch size", "channels", "height", "width")


def file_key(path: Path) -> str:
    """Return the content hash of a file, 16 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def input_shape(
    path: Path, *, batch_size: int | None = None, resolution_px: int | None = None
) -> tuple[int, int, int, int]:
    """Return the shape (B, C, H, W) of the file's input; open sizes are taken from the arguments, a batch size is 1 without one.

    Raises:
        LatencyError: the file is not to be had or no ONNX model, has another kind of input, or
            fixes a size that is asked to differ.
    """
    sizes = declared_sizes(path)
    wanted = (batch_size, None, resolution_px, resolution_px)
    found = []
    for axis, size, other, default in zip(_AXES, sizes, wanted, (1, 3, None, None), strict=True):
        if size is not None and other not in (None, size):
            raise LatencyError(
                f"{path}: {axis} = {other} is not allowed, the file fixes it to {size}"
            )
        chosen = size or other or default
        if chosen is None:
            raise LatencyError(f"{path}: the file leaves the {axis} open; give --resolution")
        found.append(chosen)
    return found[0], found[1], found[2], found[3]


def declared_sizes(path: Path) -> list[int | None]:
    """Return batch size, channels, height and width of the file's input, ``None`` for what it leaves open.

    Raises:
        LatencyError: the file is not to be had or no ONNX model, or has another kind of input.
    """
    graph = load_onnx(path).graph
    import onnx

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
    """Return the model in a file, without weights that it keeps elsewhere.

    Raises:
        LatencyError: the package ``onnx`` is missing, or the file is not to be had or no ONNX
            model.
    """
    trouble = missing(("onnx",), "onnx")
    if trouble:
        raise LatencyError(f"{path} cannot be read: {trouble}")
    import onnx

    if not path.is_file():
        raise LatencyError(f"{path}: there is no such file")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # whatever the parser of the format raises
        raise LatencyError(f"{path} is no ONNX model: it cannot be parsed") from error
    if not model.graph.node:
        raise LatencyError(f"{path} is no ONNX model: it has no nodes")
    return model
