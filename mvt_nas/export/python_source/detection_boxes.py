"""Templates of what belongs to a detector beside its layers: anchors, their decoding, non-maximum suppression."""

from __future__ import annotations

from mvt_nas.export.python_source.code_piece import CodePiece
from mvt_nas.tasks.detection.anchors import CENTRE_VARIANCE, SIZE_VARIANCE
from mvt_nas.tasks.detection.feature_maps import LARGEST, RATIOS, SMALLEST

ANCHORS = CodePiece(
    "_anchors",
    f"""\
RATIOS = {RATIOS}  # of width and height, by map
SMALLEST, LARGEST = {SMALLEST}, {LARGEST}  # boxes, in sides of the picture


"""
    '''\
def _anchors(sides: list[tuple[int, int]]) -> Tensor:
    """Return boxes around all positions of maps, (A, 4): centre, size, in sides of the picture."""
    found, step = [], (LARGEST - SMALLEST) / len(RATIOS)
    for level, (height, width) in enumerate(sides):
        small, large = SMALLEST + level * step, SMALLEST + (level + 1) * step
        middle = (small * large) ** 0.5
        shapes = [(small, small), (middle, middle)]
        for ratio in RATIOS[level]:
            wide = (small * ratio**0.5, small / ratio**0.5)
            shapes += [wide, wide[::-1]]
        rows = (torch.arange(height, dtype=torch.float64) + 0.5) / height
        columns = (torch.arange(width, dtype=torch.float64) + 0.5) / width
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        centres = torch.stack([x, y], dim=-1)[:, :, None].expand(-1, -1, len(shapes), -1)
        sizes = torch.tensor(shapes, dtype=torch.float64).expand_as(centres)
        found.append(torch.cat([centres, sizes], dim=-1).reshape(-1, 4))
    return torch.cat(found).clamp(0, 1).float()''',
)

DECODED = CodePiece(
    "_decoded",
    f'''\
def _decoded(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Return corners (B, A, 4) for offsets (B, A, 4) from the anchors (A, 4)."""
    centres = offsets[..., :2] * {CENTRE_VARIANCE} * anchors[:, 2:] + anchors[:, :2]
    halves = torch.exp(offsets[..., 2:] * {SIZE_VARIANCE}) * anchors[:, 2:] / 2
    return torch.cat([centres - halves, centres + halves], dim=-1)''',
)

_OVERLAPS = CodePiece(
    "_overlaps",
    '''\
def _overlaps(box: Tensor, others: Tensor) -> Tensor:
    """Return the intersection over union of a box (4) with each of the others (N, 4)."""
    sides = torch.minimum(box[2:], others[:, 2:]) - torch.maximum(box[:2], others[:, :2])
    common = sides.clamp(min=0).prod(dim=1)
    areas = (others[:, 2:] - others[:, :2]).prod(dim=1) + (box[2:] - box[:2]).prod()
    return common / (areas - common).clamp(min=1e-12)''',
)

OBJECTS = CodePiece(
    "objects",
    '''\
def objects(
    scores: Tensor, boxes: Tensor, least: float = 0.3, overlap: float = 0.5, most: int = 100
) -> tuple[Tensor, Tensor, Tensor]:
    """Return labels (N), scores (N) and boxes (N, 4) of the objects in one picture, best first.

    Of boxes with one label that overlap by more than `overlap`, the best stays (non-maximum
    suppression). `scores` are (A, num_classes), `boxes` (A, 4); scores up to `least` do not count.
    """
    places, labels = (scores > least).nonzero(as_tuple=True)
    order = scores[places, labels].argsort(descending=True)
    labels, certain, boxes = labels[order], scores[places, labels][order], boxes[places[order]]
    kept, left = [], torch.arange(len(labels), device=boxes.device)
    while len(left) and len(kept) < most:
        best, left = left[0], left[1:]
        kept.append(best)
        same = labels[left] == labels[best]
        left = left[~(same & (_overlaps(boxes[best], boxes[left]) > overlap))]
    stay = torch.stack(kept) if kept else left
    return labels[stay], certain[stay], boxes[stay]''',
    (_OVERLAPS,),
)
