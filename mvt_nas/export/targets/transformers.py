"""Hugging Face's transformers: a folder for ``from_pretrained``.

It is for the classes of transformers if these can express the network, or else a package with a
class of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from mvt_nas._io import atomic_write, write_text
from mvt_nas._optional import installed
from mvt_nas.checkpoints.key_mapping import renamed_state_dict
from mvt_nas.errors import ExportError
from mvt_nas.export.base import (
    TARGETS,
    ExportedFiles,
    ExportModel,
    ExportTarget,
    missing,
    read_architecture,
)
from mvt_nas.export.huggingface import package, segmenter
from mvt_nas.export.huggingface.architecture_to_config import CLASSES, configuration_for
from mvt_nas.export.huggingface.config_to_architecture import V1
from mvt_nas.export.paper_recipe import recipe_for
from mvt_nas.models.network import build_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from mvt_nas.export.base import Run
    from mvt_nas.models.network import Network

    Configuration = dict[str, Any]

_CONFIGURATION_FILE = "config.json"
_WEIGHTS_FILE = "model.safetensors"
_PREPROCESSOR_FILE = "preprocessor_config.json"

_NOT_LOADED = (
    "transformers is not installed here: read back is the architecture, the model has not been"
    " loaded"
)
_CODE = (
    "AutoModelForImageClassification.from_pretrained(folder, trust_remote_code=True) loads it:"
    " {reason}"
)
_SMALL_LOGITS = (
    "logits have the size of the last map; they were compared after resizing them to the image"
    " with aligned corners"
)
_COLOURS = (
    "images are taken as RGB; for weights of Apple's first release set do_flip_channel_order to"
    " true in preprocessor_config.json"
)


def write(model: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``config.json``, ``model.safetensors``, ``preprocessor_config.json`` and any package.

    Raises:
        ExportError: transformers cannot express a segmenter, or a classifier has a block without a
            template.
    """
    if model.task is not None:
        return _write_segmenter(model, folder)
    native, reason = configuration_for(model.architecture)
    notes = []
    if native is None:
        configuration = package.configuration(model)
        notes.append(_CODE.format(reason=reason))
    else:
        configuration = native
        if configuration["model_type"] == V1:
            notes.append(_COLOURS)
    texts = {
        _CONFIGURATION_FILE: _json(_with_labels(model, configuration)),
        _PREPROCESSOR_FILE: _json(_preprocessor(model)),
    }
    if native is None:
        texts |= package.files(model)
    files = _write_files(model, folder, texts, _classifier_weights(model, native))
    if not installed("transformers"):
        return ExportedFiles(files, None, None, notes=(*notes, _NOT_LOADED))
    network = package.load(folder)
    return ExportedFiles(files, _count_params(network), _run(network), notes=tuple(notes))


def _write_segmenter(model: ExportModel, folder: Path) -> ExportedFiles:
    configuration = segmenter.configuration(model)
    side = model.resolution_px
    whole_image = {"size": {"height": side, "width": side}, "do_center_crop": False}
    texts = {
        _CONFIGURATION_FILE: _json(_with_labels(model, configuration)),
        _PREPROCESSOR_FILE: _json(_preprocessor(model) | whole_image),
    }
    weights = _segmenter_weights(model, configuration["model_type"])
    files = _write_files(model, folder, texts, weights)
    if not installed("transformers"):
        return ExportedFiles(files, None, None, notes=(_SMALL_LOGITS, _NOT_LOADED))
    network = package.load(folder, "AutoModelForSemanticSegmentation")
    return ExportedFiles(
        files, _count_params(network), _resized(_run(network), side), notes=(_SMALL_LOGITS,)
    )


def _write_files(
    model: ExportModel, folder: Path, texts: Mapping[str, str], weights: Mapping[str, Tensor]
) -> tuple[Path, ...]:
    """Write texts and weights, check the architecture, and return the paths, the weights second."""
    from safetensors.torch import save

    for name, text in texts.items():
        write_text(folder / name, text, error=ExportError)
    tensors = {name: value.contiguous() for name, value in weights.items()}
    with atomic_write(folder / _WEIGHTS_FILE, error=ExportError) as file:
        file.write(save(tensors, metadata={"format": "pt"}))
    configuration_path = folder / _CONFIGURATION_FILE
    if read_architecture(configuration_path).architecture != model.architecture:
        raise ExportError(f"{configuration_path}: reads back as another architecture")
    first, *others = texts
    return tuple(folder / name for name in (first, _WEIGHTS_FILE, *others))


def _with_labels(model: ExportModel, configuration: Configuration) -> Configuration:
    """Return the whole ``config.json``: class, settings, dropouts of the recipe, and labels."""
    regularisation = recipe_for(model).regularisation
    kind = configuration["model_type"]
    model_class = package.CLASS
    if kind in CLASSES:
        use = "ForImageClassification" if model.task is None else segmenter.SUFFIX
        model_class = f"{CLASSES[kind]}{use}"
    dropouts = {}
    if kind == V1:
        dropouts["hidden_dropout_prob"] = regularisation.dropout
        dropouts["attention_probs_dropout_prob"] = 0.0
    if kind in (V1, package.MODEL_TYPE):
        dropouts["classifier_dropout_prob"] = regularisation.classifier_dropout
    labels = {str(number): f"LABEL_{number}" for number in range(model.num_classes)}
    return {
        "architectures": [model_class],
        **configuration,
        **dropouts,
        "id2label": labels,
        "label2id": {label: int(number) for number, label in labels.items()},
    }


def _preprocessor(model: ExportModel) -> dict[str, Any]:
    """Return the configuration of the image processor: the validation transform of the recipe."""
    images = recipe_for(model).images
    return {
        "image_processor_type": "MobileViTImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": images.validation_resize_px},
        # Numbers of PIL's resampling filters.
        "resample": {"bilinear": 2, "bicubic": 3}[images.interpolation],
        "do_center_crop": True,
        "crop_size": {"height": images.px, "width": images.px},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
        "do_flip_channel_order": False,
    }


def _classifier_weights(model: ExportModel, native: Configuration | None) -> dict[str, Tensor]:
    """Return the state dict under the names of the class that loads it."""
    if native is None:
        state = renamed_state_dict(model.module, "mvt-nas")
        return {f"model.{name}": value for name, value in state.items()}
    state = renamed_state_dict(model.module, "transformers")
    backbone_prefix = f"{native['model_type']}."
    return {
        name if name.startswith("classifier.") else backbone_prefix + name: value
        for name, value in state.items()
    }


def _segmenter_weights(model: ExportModel, kind: str) -> dict[str, Tensor]:
    """Return the state dict of a segmenter under the names of transformers.

    Args:
        model: The segmenter.
        kind: ``model_type`` of the configuration, which is the prefix of the backbone's names.
    """
    state = renamed_state_dict(_backbone_classifier(model), "transformers")
    # A segmenter has no layers behind the stages but its head.
    weights = {
        f"{kind}.{name}": value
        for name, value in state.items()
        if not name.startswith(("conv_1x1_exp.", "classifier."))
    }
    for name, value in model.module.get_submodule("head").state_dict().items():
        weights[segmenter.head_key(name)] = value.detach().clone()
    return weights


def _backbone_classifier(model: ExportModel) -> Network:
    """Return a classifier with the weights of the backbone; the key mapping names classifiers."""
    classifier = build_model(model.architecture, num_classes=1, seed=0)
    backbone = {
        name: value
        for name, value in model.module.state_dict().items()
        if not name.startswith("head.")
    }
    classifier.load_state_dict(backbone, strict=False)
    return classifier


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"


def _count_params(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def _run(network: nn.Module) -> Run:
    """Return a function from images, (B, 3, H, W), to the logits of a model of transformers."""

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            outputs = network(pixel_values=torch.from_numpy(images))
        logits: NDArray[np.float32] = outputs.logits.numpy()
        return logits

    return run


def _resized(run: Run, side: int) -> Run:
    """Return a function whose logits, (B, classes, h, w), are resized to the size of the images."""

    def run_and_resize(images: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = torch.from_numpy(run(images))
        resized: NDArray[np.float32] = functional.interpolate(
            logits, size=(side, side), mode="bilinear", align_corners=True
        ).numpy()
        return resized

    return run_and_resize


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
