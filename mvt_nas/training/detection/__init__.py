"""Boxes around objects: overlap, which anchors belong to which objects, the loss, what counts as found, average precision."""
