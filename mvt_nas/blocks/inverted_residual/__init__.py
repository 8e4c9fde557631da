"""MobileNetV2's inverted residual, of which every stage begins."""
