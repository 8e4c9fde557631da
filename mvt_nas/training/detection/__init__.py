"""Object detection: boxes, anchors, the loss of SSD, post-processing and average precision.

Box operations (IoU, non-maximum suppression) are our own: torchvision, which has them, has no CPU
build that fits the installed torch. They are tested against brute force and pycocotools.
"""
