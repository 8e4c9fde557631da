"""A picture of a score beside the accuracy of the networks it was judged by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mvt_nas.accuracy.proxy_validation import ProxyVerdict
from mvt_nas.accuracy.trained_networks import DistinctNetworks

# Distinguishable by the colour-blind (Okabe and Ito), and by shape.
_STYLES = {"spread": ("#0072B2", "o"), "matched": ("#E69F00", "s"), "published": ("#009E73", "^")}


def draw(
    verdict: ProxyVerdict, values: NDArray[np.float64], networks: DistinctNetworks, path: Path
) -> None:
    """Write the picture of one score.

    Args:
        verdict: on it.
        values: its scores, (seeds, n); the mean is drawn.
        networks: of the table.
        path: of the PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 4), layout="constrained")
    for panel, (colour, marker) in _STYLES.items():
        rows = networks.in_panel(panel)
        if len(rows):
            axes.plot(
                values[:, rows].mean(axis=0),
                networks.accuracy[rows],
                marker,
                color=colour,
                markersize=5,
                label=panel,
            )
    matched = "" if verdict.tau_matched is None else f", {verdict.tau_matched:.2f} at one size"
    axes.set_title(
        f"{verdict.proxy}: tau {verdict.tau:.2f}{matched}; {verdict.verdict}", fontsize="medium"
    )
    axes.set(xlabel=f"{verdict.proxy} (better to the right)", ylabel="trained accuracy, %")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
