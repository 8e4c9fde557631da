"""Architecture to kernels (``lowering``) and to an ``nn.Module`` (``network``)."""
