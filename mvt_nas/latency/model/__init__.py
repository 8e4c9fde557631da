"""The latency model: kernel classes, coefficients, fits. It needs no torch and measures nothing."""
