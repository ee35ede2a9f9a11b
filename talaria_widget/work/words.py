"""Counters of single words: what is counted by its own algorithm rather than by its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from talaria_widget.graph import Graph, Op
from talaria_widget.work import linalg, loss, sampling, scatter, sorting
from talaria_widget.work.matmul import count_grouped
from talaria_widget.work.signal import count_inverse_frames, count_transform

_TRANSFORMS = """
fft fft2 fftn ifft ifft2 ifftn rfft rfft2 rfftn irfft irfft2 irfftn hfft hfft2 hfftn ihfft ihfft2
ihfftn stft
"""

WORDS: Mapping[str, Callable[[Graph, Op], tuple[int, int]]] = MappingProxyType(
    {
        **linalg.WORDS,
        **loss.WORDS,
        **sampling.WORDS,
        **scatter.WORDS,
        **sorting.WORDS,
        **dict.fromkeys(_TRANSFORMS.split(), count_transform),
        "istft": count_inverse_frames,
        "grouped_mm": count_grouped,
        "scaled_grouped_mm": count_grouped,
        "grouped_mm_fallback": count_grouped,
    }
)
