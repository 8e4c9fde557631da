"""Training-free accuracy scores (proxies), each found by its name.

A proxy takes any ``nn.Module`` that maps images (B, C, H, W) to logits (B, classes), and a batch.
It returns one number and leaves the network and torch's random state as they were.
``PROXIES.get("snip").score(network, batch)`` is a full example.

To add a proxy, write ``mvt_nas/proxies/<name>.py`` with its formula, decorated by
:func:`mvt_nas.proxies.base.proxy`; the contract tests then include it by themselves.
``suite.score_all`` runs the passes of ``passes.py`` once for all proxies that need them.
"""

from __future__ import annotations

from mvt_nas.proxies.base import PROXIES, Proxy, proxy
from mvt_nas.proxies.types import Batch, Score

__all__ = ["PROXIES", "Batch", "Proxy", "Score", "proxy"]
