"""Plot of a proxy against the accuracy of trained networks."""

from __future__ import annotations

from pathlib import Path

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.proxy_validation import ProxyValidation
from mvt_nas.accuracy.trained_networks import DistinctNetworks

# Colours that the colour-blind can distinguish (Okabe and Ito), and different markers.
_STYLES = {"spread": ("#0072B2", "o"), "matched": ("#E69F00", "s"), "published": ("#009E73", "^")}


def draw(
    validation: ProxyValidation, values: FloatArray, networks: DistinctNetworks, path: Path
) -> None:
    """Write the plot of one proxy.

    Args:
        validation: Validation of the proxy.
        values: Scores (seeds, n); their mean over the seeds is plotted.
        networks: Networks of the table.
        path: Path of the PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 4), layout="constrained")
    for subset, (colour, marker) in _STYLES.items():
        rows = networks.in_subset(subset)
        if len(rows):
            axes.plot(
                values[:, rows].mean(axis=0),
                networks.accuracy[rows],
                marker,
                color=colour,
                markersize=5,
                label=subset,
            )
    matched = (
        "" if validation.tau_matched is None else f", {validation.tau_matched:.2f} at equal size"
    )
    title = f"{validation.proxy}: tau {validation.tau:.2f}{matched}; {validation.verdict}"
    axes.set_title(title, fontsize="medium")
    axes.set(xlabel=f"{validation.proxy} (better to the right)", ylabel="trained accuracy, %")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
