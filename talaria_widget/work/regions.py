"""Arithmetic of what looks at regions of an image: sampling, pooling, picking boxes."""

from __future__ import annotations

from math import ceil, log2, prod

from talaria_widget.graph import Graph, Op
from talaria_widget.work.conv import count_conv
from talaria_widget.work.shapes import output_size, shape

BILINEAR = 7  # FLOPs of a sample of an image: 4 products and 3 adds
OVERLAP = 15
# of two boxes: 4 limits and 2 differences of the shared part, its 2 limits and area, 2 areas
# computed before, their sum less the shared part, a division, a comparison, one kept or not
_SAMPLES = 2  # to a side of each bin where the size of the region decides


def count_affine_grid(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs per coordinate: as many products as there are axes; the shift is one add."""
    outputs = output_size(graph, op)
    return outputs * shape(graph, op.outputs[0])[-1], outputs


def count_region_samples(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs per output of RoiAlign: a bilinear sample and one add (or comparison) per point.

    `attrs["sampling_ratio"]` points to a side of each bin (He et al., "Mask R-CNN", 2017). With
    0 the size of each region decides; 2 are taken then, as torchvision's detectors ask for.
    """
    points = (op.attrs["sampling_ratio"] or _SAMPLES) ** 2
    return 0, output_size(graph, op) * points * (BILINEAR + 1)


def count_crop(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs per output of a crop that is resized: one sample, bilinear unless nearest."""
    nearest = op.attrs.get("mode") == "nearest"
    return 0, 0 if nearest else BILINEAR * output_size(graph, op)


def count_region_pool(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs of MaxRoiPool: one comparison per element of each region.

    The regions are data: each is taken to cover the whole map, an upper bound.
    """
    image, regions = shape(graph, op.inputs[0]), shape(graph, op.outputs[0])[0]
    return 0, regions * prod(image[1:])


def count_suppression(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs of picking boxes, per image and class: a sort, then overlaps with those kept.

    Sorting n boxes takes n log2 n comparisons. At most `attrs["kept"]` boxes are kept (all
    where that is not known), and each kept one meets every box after it: an upper bound.
    """
    batch, boxes = shape(graph, op.inputs[0])[:2]
    classes = shape(graph, op.inputs[1])[1]
    kept = min(boxes, op.attrs.get("kept", boxes))
    pairs = kept * boxes - kept * (kept + 1) // 2
    sorting = boxes * ceil(log2(max(2, boxes)))
    return 0, batch * (classes * (sorting + OVERLAP * pairs) + 3 * boxes)


def count_deformable(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs as of a plain convolution; beside it every value that enters it is sampled.

    (Dai et al., "Deformable Convolutional Networks", 2017: bilinear; the second version weighs
    each sample, `attrs["masked"]`.)
    """
    macs, rest = count_conv(graph, op)
    image, outputs = shape(graph, op.inputs[0]), shape(graph, op.outputs[0])
    sampled = prod(image[:2]) * prod(outputs[2:]) * prod(op.attrs["kernel"])
    return macs, rest + sampled * (BILINEAR + bool(op.attrs["masked"]))
