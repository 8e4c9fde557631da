"""Training-free accuracy scores: one file per score, found by its name.

A score takes any ``nn.Module`` that maps images (B, C, H, W) to logits (B, classes), and a batch;
it returns one number and leaves the network and the random state of torch as they were.
``PROXIES.get("snip").score(network, batch)`` is a full example.

To add a score, write ``mvt_nas/proxies/<name>.py`` that ends with
``PROXIES.register("<name>")(Proxy(...))``, and do the work inside
``mvt_nas.proxies.preserve.preserve_state``; the contract test then takes it up by itself. A score
that gives a ``read`` as well shares the passes in ``passes.py`` with all others when
``suite.score_all`` takes many.
"""

from __future__ import annotations

from mvt_nas.proxies.base import PROXIES, Batch, Proxy, Score

__all__ = ["PROXIES", "Batch", "Proxy", "Score"]
