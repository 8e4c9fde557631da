"""Short trainings: an accuracy of a network's own, where a proxy only guesses.

``train(architecture, images, Protocol(...), seed=0)`` returns the curve of one training; the same arguments on a CPU and one thread
return the same to the last bit, interrupted or not.
"""

from __future__ import annotations

from mvt_nas.training.protocol import Protocol
from mvt_nas.training.result import Epoch, Trained
from mvt_nas.training.small_images import for_small_images
from mvt_nas.training.train import train

__all__ = ["Epoch", "Protocol", "Trained", "for_small_images", "train"]
