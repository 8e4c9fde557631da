"""Hugging Face's transformers: a folder for ``from_pretrained``, of its own MobileViT classes where they can express the network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvt_nas._optional import installed
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget, missing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from mvt_nas.export.base import Run

_NOT_LOADED = (
    "transformers is not installed here: read back is the architecture, the model has not been"
    " loaded"
)
_CODE = (
    "AutoModelForImageClassification.from_pretrained(folder, trust_remote_code=True) loads it:"
    " {reason}"
)
_SMALL = (
    "logits have the size of the last map; they were compared after resizing them to the picture"
    " with aligned corners"
)
_COLOURS = (
    "images are taken as RGB; for weights of Apple's first release set do_flip_channel_order to"
    " true in preprocessor_config.json"
)


def write(subject: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``config.json``, ``model.safetensors``, ``preprocessor_config.json`` and, where transformers needs it, a package.

    Raises:
        ExportError: a block that no template expresses.
    """
    if subject.task is not None:
        return _write_segmenter(subject, folder)
    from safetensors.torch import save_file

    from mvt_nas.export.huggingface.architecture_to_config import configuration_for
    from mvt_nas.export.huggingface.config_to_architecture import FIRST
    from mvt_nas.export.reading import read_architecture

    native, reason = configuration_for(subject.architecture)
    texts = _texts(subject, native)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    save_file(_weights(subject, native), folder / "model.safetensors", metadata={"format": "pt"})
    if read_architecture(folder / "config.json").architecture != subject.architecture:
        raise ExportError(f"{folder / 'config.json'}: reads back as another architecture")
    first, *others = texts
    files = tuple(folder / name for name in (first, "model.safetensors", *others))
    notes = (
        *([] if native else [_CODE.format(reason=reason)]),
        *([_COLOURS] if native and native["model_type"] == FIRST else []),
    )
    if not installed("transformers"):
        return ExportedFiles(files, None, None, notes=(*notes, _NOT_LOADED))
    from mvt_nas.export.huggingface.loading import load

    model = load(folder)
    return ExportedFiles(
        files, sum(weight.numel() for weight in model.parameters()), _run(model), notes=notes
    )


def _write_segmenter(subject: ExportModel, folder: Path) -> ExportedFiles:
    from safetensors.torch import save_file

    from mvt_nas.export.huggingface.segmenter import configuration, weights
    from mvt_nas.export.reading import read_architecture

    own = configuration(subject)
    texts = {
        "config.json": _json(_configuration(subject, own)),
        "preprocessor_config.json": _json(_whole_pictures(subject)),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    tensors = {
        name: value.contiguous() for name, value in weights(subject, own["model_type"]).items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    if read_architecture(folder / "config.json").architecture != subject.architecture:
        raise ExportError(f"{folder / 'config.json'}: reads back as another architecture")
    files = tuple(
        folder / name for name in ("config.json", "model.safetensors", "preprocessor_config.json")
    )
    if not installed("transformers"):
        return ExportedFiles(files, None, None, notes=(_SMALL, _NOT_LOADED))
    from mvt_nas.export.huggingface.loading import load

    model = load(folder, "AutoModelForSemanticSegmentation")
    return ExportedFiles(
        files,
        sum(weight.numel() for weight in model.parameters()),
        _resized(_run(model), subject.resolution_px),
        notes=(_SMALL,),
    )


def _resized(run: Run, side: int) -> Run:
    """Return what gives logits, (B, classes, h, w), in the size of the pictures."""
    import torch
    from torch.nn import functional

    def whole(images: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = torch.from_numpy(run(images))
        out: NDArray[np.float32] = functional.interpolate(
            logits, size=(side, side), mode="bilinear", align_corners=True
        ).numpy()
        return out

    return whole


def _whole_pictures(subject: ExportModel) -> dict[str, Any]:
    side = subject.resolution_px
    return _preprocessor(subject) | {
        "size": {"height": side, "width": side},
        "do_center_crop": False,
    }


def _texts(subject: ExportModel, native: dict[str, Any] | None) -> dict[str, str]:
    """Return the texts of the files by their names."""
    from mvt_nas.export.huggingface import package

    configuration = _configuration(
        subject, native if native is not None else package.configuration(subject)
    )
    texts = {
        "config.json": _json(configuration),
        "preprocessor_config.json": _json(_preprocessor(subject)),
    }
    return texts if native is not None else texts | package.files(subject)


def _configuration(subject: ExportModel, own: dict[str, Any]) -> dict[str, Any]:
    from mvt_nas.export.huggingface.architecture_to_config import CLASSES
    from mvt_nas.export.huggingface.config_to_architecture import FIRST
    from mvt_nas.export.huggingface.package import CLASS, MODEL_TYPE
    from mvt_nas.export.huggingface.segmenter import SUFFIX
    from mvt_nas.export.paper_recipe import recipe_for

    found, labels = (
        recipe_for(subject).regularisation,
        [f"LABEL_{number}" for number in range(subject.num_classes)],
    )
    kind = own["model_type"]
    dropouts = (
        {"hidden_dropout_prob": found.dropout, "attention_probs_dropout_prob": 0.0}
        if kind == FIRST
        else {}
    )
    head = (
        {"classifier_dropout_prob": found.classifier_dropout} if kind in (FIRST, MODEL_TYPE) else {}
    )
    use = "ForImageClassification" if subject.task is None else SUFFIX
    return {
        "architectures": [f"{CLASSES[kind]}{use}" if kind in CLASSES else CLASS],
        **own,
        **dropouts,
        **head,
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
    }


def _preprocessor(subject: ExportModel) -> dict[str, Any]:
    from mvt_nas.export.paper_recipe import recipe_for

    pictures = recipe_for(subject).images
    return {
        "image_processor_type": "MobileViTImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": pictures.validation_resize_px},
        "resample": {"bilinear": 2, "bicubic": 3}[pictures.interpolation],
        "do_center_crop": True,
        "crop_size": {"height": pictures.px, "width": pictures.px},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
        "do_flip_channel_order": False,
    }


def _weights(subject: ExportModel, native: dict[str, Any] | None) -> dict[str, Tensor]:
    from mvt_nas.export.weight_names import renamed_state_dict

    if native is None:
        return {
            f"model.{name}": value.contiguous()
            for name, value in renamed_state_dict(subject.module, "mvt-nas").items()
        }
    prefix = f"{native['model_type']}."
    weights = renamed_state_dict(subject.module, "transformers")
    return {
        name if name.startswith("classifier.") else prefix + name: value.contiguous()
        for name, value in weights.items()
    }


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"


def _run(model: nn.Module) -> Run:
    import torch

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            out: NDArray[np.float32] = model(pixel_values=torch.from_numpy(images)).logits.numpy()
        return out

    return run


TARGETS.register("transformers")(
    ExportTarget(
        name="transformers",
        summary="a folder that AutoModelForImageClassification of transformers loads",
        write=write,
        trouble=lambda: missing(("safetensors",), "transformers"),
        refusal=lambda task: (
            None
            if task.kind == "segmentation"
            else "transformers has classifiers and segmenters of MobileViT only"
        ),
    )
)
