"""Smoke test of a runtime in a subprocess, whose outcome is reported even if it crashes.

A library that does not fit the machine may raise anything, print pages, end the process or hang.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mvt_nas.hardware import usable_cores
from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob
from mvt_nas.report.diagnostics.check import Check

if TYPE_CHECKING:
    from torch import nn

MOST_SECONDS = 60.0
_SHAPE = (1, 3, 8, 8)
_COMMAND = "test -s {model} && echo 1.5"
_OPENED = "opened"


def runtime_parts(most_seconds: float = MOST_SECONDS) -> list[Check]:
    """Return the check of each runtime; as many run at a time as there are cores."""
    runtimes = [RUNTIMES.get(name) for name in RUNTIMES]
    with ThreadPoolExecutor(max(usable_cores(), 1)) as pool:
        slow_first = sorted(runtimes, key=lambda runtime: runtime.reference_model)
        found = dict(
            zip(
                (one.name for one in slow_first),
                pool.map(lambda one: runtime_part(one, most_seconds), slow_first),
                strict=True,
            )
        )
    return [found[runtime.name] for runtime in runtimes]


def runtime_part(runtime: Runtime, most_seconds: float = MOST_SECONDS) -> Check:
    """Return the check of a runtime, which opens a tiny network in a subprocess."""
    trouble = runtime.trouble()
    if trouble:
        detail, _, remedy = trouble.rpartition("; ")
        if detail and remedy.startswith(("pip install", "install ")):
            return Check(runtime.name, "runtime", False, detail, remedy)
        return Check(runtime.name, "runtime", False, trouble)
    outcome = _run_process(runtime.name, most_seconds)
    if outcome == _OPENED:
        return Check(
            runtime.name,
            "runtime",
            True,
            ", ".join(filter(None, (runtime.version(), runtime.summary.split(";")[0]))),
        )
    return Check(runtime.name, "runtime", False, outcome)


def open_tiny(runtime: Runtime) -> None:
    """Open a tiny network in a runtime and run it once.

    Raises:
        Exception: Any exception of the runtime.
    """
    with TemporaryDirectory(prefix="mvt-nas-tiny-") as folder:
        model = _onnx_file(Path(folder) / "tiny.onnx") if runtime.takes == "onnx" else None
        job = RuntimeJob(
            _SHAPE,
            1,
            model=model,
            module=None if model else _module(),
            command=_COMMAND,
            timeout_s=10.0,
        )
        with runtime.session(job) as session:
            session()


def main(name: str) -> None:
    """Open a tiny network in the runtime of this name, and print the outcome as the last line."""
    try:
        open_tiny(RUNTIMES.get(name))
    except Exception as error:
        print(f"\n{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    else:
        print(f"\n{_OPENED}")


def _run_process(name: str, most_seconds: float) -> str:
    command = [
        sys.executable,
        "-c",
        (
            "import sys; from mvt_nas.report.diagnostics.runtime_smoke_test import main;"
            " main(sys.argv[1])"
        ),
        name,
    ]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=most_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"a tiny network was not open after {most_seconds:g} s"
    except OSError as error:
        return f"no process can be started ({error.strerror})"
    if done.returncode:
        return f"its process has {_format_exit(done.returncode)} while it opened a tiny network"
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "its process printed nothing"


def _format_exit(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    names = {one.value: one.name for one in signal.Signals}
    return f"been ended by {names.get(-code, f'signal {-code}')}"


def _onnx_file(path: Path) -> Path:
    """Write a network of two kernels as an ONNX file."""
    import onnx

    ends = [
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s)
        for n, s in (("images", list(_SHAPE)), ("logits", [1, 3]))
    ]
    nodes = [
        onnx.helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
        onnx.helper.make_node("Flatten", ["pooled"], ["logits"]),
    ]
    graph = onnx.helper.make_graph(nodes, "tiny", ends[:1], ends[1:])
    onnx.save(
        onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
        ),
        path,
    )
    return path


def _module() -> nn.Module:
    """Return a network of few kernels, in evaluation mode."""
    from torch import nn

    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.ReLU()).eval()
