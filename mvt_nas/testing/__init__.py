"""Contract tests for plug-ins: subclass one in a test module, and pytest collects its checks.

```python
from mvt_nas.testing import ProxyContract


class TestMyProxy(ProxyContract):
    name = "my_proxy"
```

Every contract runs on small networks of its own and takes seconds. The entries that ship are tested
by the same classes.
"""

from __future__ import annotations

from mvt_nas.testing.block import BlockContract
from mvt_nas.testing.export_target import ExportTargetContract
from mvt_nas.testing.proxy import ProxyContract
from mvt_nas.testing.runner import RunnerContract
from mvt_nas.testing.runtime import RuntimeContract
from mvt_nas.testing.sampler import SamplerContract

__all__ = [
    "BlockContract",
    "ExportTargetContract",
    "ProxyContract",
    "RunnerContract",
    "RuntimeContract",
    "SamplerContract",
]
