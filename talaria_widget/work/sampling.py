"""Arithmetic of reading between grid points, by word; regions have a file of their own.

Linear interpolation at a point of d axes adds up 2^d neighbours: 2^d products and 2^d - 1 adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from talaria_widget.graph import Graph, Op
from talaria_widget.work.regions import (
    count_affine_grid,
    count_deformable,
    count_region_samples,
)
from talaria_widget.work.shapes import output_size, shape, size

# Per coordinate: scale to pixels (2), floor, the two distances (2).
_PER_COORDINATE = 5
_NEIGHBOURS = {"nearest": 0, "bilinear": 2, "bicubic": 4}


def count_grid_sample(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = outputs x the neighbours' products and adds, and five per coordinate of the grid."""
    grid = (*op.inputs, *op.weights)[1]
    axes = shape(graph, grid)[-1]
    neighbours = _NEIGHBOURS[op.attrs.get("mode", "bilinear")] ** axes
    return 0, output_size(graph, op) * max(0, 2 * neighbours - 1) + size(
        graph, grid
    ) * _PER_COORDINATE


def count_region_bins(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs of pooling regions: bins do not overlap, so that each sees its share of the map.

    The regions are data: each is taken to cover the whole map, an upper bound.
    """
    height, width = shape(graph, op.inputs[0])[-2:]
    bins = prod(shape(graph, op.outputs[0])[-2:])
    return 0, output_size(graph, op) * max(1, height * width // max(1, bins))


WORDS: Mapping[str, Callable[[Graph, Op], tuple[int, int]]] = {
    **dict.fromkeys(
        ("grid_sample", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d"), count_grid_sample
    ),
    **dict.fromkeys(("affine_grid", "affine_grid_generator"), count_affine_grid),
    **dict.fromkeys(("roi_align", "ps_roi_align"), count_region_samples),
    **dict.fromkeys(("roi_pool", "ps_roi_pool"), count_region_bins),
    "deform_conv2d": count_deformable,
}
