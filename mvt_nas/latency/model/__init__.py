"""The latency model: classes of kernels, coefficients, fits. No torch, nothing is measured here."""
