"""ImageNet top-1 accuracy of any architecture, from what has been published."""
