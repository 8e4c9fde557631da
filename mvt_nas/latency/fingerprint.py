"""Fingerprints of measurements: device, runtime and package versions behind a latency."""

from __future__ import annotations

import platform
from typing import Any

from mvt_nas._optional import package_version
from mvt_nas._version import __version__
from mvt_nas.hardware import this_device
from mvt_nas.latency.runtime import Runtime

PACKAGES = (
    "torch",
    "onnx",
    "onnxruntime",
    "openvino",
    "ai-edge-litert",
    "litert-torch",
    "executorch",
    "numpy",
)


def fingerprint(
    runtime: Runtime, *, threads: int, command: str | None = None, dtype: str = "fp32"
) -> dict[str, Any]:
    """Return device, runtime and package versions as plain data; repeatable on one machine.

    Args:
        runtime: runtime that runs the networks.
        threads: threads of one inference.
        command: shell command of the runtime ``command``. The device behind it is unknown, so the
            command takes its place.
        dtype: data type of the inference.
    """
    device = {"command": command} if command else dict(this_device())
    if runtime.accelerator:
        device["accelerator"] = runtime.accelerator()
    versions = {"mvt-nas": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        version = package_version(package)
        if version is not None:
            versions[package] = version
    return {
        "device": device,
        "runtime": {
            "name": runtime.name,
            "version": runtime.version(),
            "threads": threads,
            "dtype": dtype,
        },
        "packages": versions,
    }


def describe(fingerprint: dict[str, Any]) -> str:
    """Return a fingerprint as one line."""
    device = fingerprint["device"]
    runtime = fingerprint["runtime"]
    name = f"{runtime['name']} {runtime['version']}" if runtime["version"] else runtime["name"]
    threads = f"{runtime['threads']} thread" + "s" * (runtime["threads"] > 1)
    how = f"{name}, {runtime['dtype']}, {threads}"
    if "command" in device:
        return f"{how}; {device['command']}"
    accelerator = f"{device['accelerator']}, " if "accelerator" in device else ""
    memory = f", {device['memory_gb']} GB" if device["memory_gb"] else ""
    flags = f" ({' '.join(device['flags'])})" if device["flags"] else ""
    return (
        f"{how}; {accelerator}{device['cpu']}, {device['cores']} cores{memory}, {device['os']}"
        f"{flags}"
    )
