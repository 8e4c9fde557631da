"""ONNX files: exporting networks, reading models, tensor shapes, and weights."""
