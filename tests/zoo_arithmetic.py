"""Multiply-adds of some models of the zoo, worked by hand from their papers and settings."""

from __future__ import annotations

from collections.abc import Mapping

from zoo_files import BIG_LAYERS, BIG_WIDTH


def conv(kernel: int, channels: int, out: int, side: int) -> int:
    return kernel**2 * channels * out * side**2


def fire(channels: int, squeezed: int, expanded: int, side: int) -> int:
    squeeze = conv(1, channels, squeezed, side)
    return squeeze + conv(1, squeezed, expanded, side) + conv(3, squeezed, expanded, side)


def squeezenet() -> int:
    """Iandola et al. 2016, version 1.1: a stem, eight fire modules, a classifier."""
    fires = fire(64, 16, 64, 55) + fire(128, 16, 64, 55)
    fires += fire(128, 32, 128, 27) + fire(256, 32, 128, 27)
    fires += fire(256, 48, 192, 13) + fire(384, 48, 192, 13)
    fires += fire(384, 64, 256, 13) + fire(512, 64, 256, 13)
    return conv(3, 3, 64, 111) + fires + conv(1, 512, 1000, 13)


def densenet121() -> int:
    """Huang et al. 2017: blocks of 6, 12, 24, 16 layers, growth 32, bottlenecks of 4 x 32."""
    total, channels = conv(7, 3, 64, 112), 64
    for block, (layers, side) in enumerate(((6, 56), (12, 28), (24, 14), (16, 7))):
        for _ in range(layers):
            total += conv(1, channels, 128, side) + conv(3, 128, 32, side)
            channels += 32
        if block < 3:
            total += conv(1, channels, channels // 2, side)
            channels //= 2
    return total + channels * 1000


def recurrent() -> int:
    """Batch 2, 5 steps: four gates of an LSTM in two layers and directions, three of a GRU."""
    lstm = 2 * 4 * 32 * (16 + 32) + 2 * 4 * 32 * (2 * 32 + 32)
    return 2 * 5 * (lstm + 3 * 32 * (64 + 32))


def bert() -> int:
    """Two layers of width 128 on 16 tokens, and the head over BERT's 30,522 words."""
    layer = 16 * (4 * 128 * 128 + 2 * 128 * 256) + 2 * 16 * 16 * 128
    return 2 * layer + 16 * 128 * (128 + 30_522)


def llama() -> int:
    """Keys and values of half the heads; the mask does not halve what the kernel computes."""
    layer = 16 * (2 * 128 * 128 + 2 * 128 * 64 + 3 * 128 * 256) + 2 * 16 * 16 * 128
    return 2 * layer + 16 * 128 * 1000


def convolutions() -> int:
    """A transposed convolution multiplies per element of its input."""
    grouped = conv(3, 8 // 4, 16, 16)
    depthwise = conv(3, 1, 16, 16)
    return grouped + depthwise + conv(4, 16, 8 // 2, 16)


MACS: Mapping[str, int] = {
    "light-squeezenet": squeezenet(),
    "light-densenet121": densenet121(),
    "lstm-gru": recurrent(),
    "bert": bert(),
    "llama-gqa": llama(),
    "group-depthwise-transposed": convolutions(),
    "torch-cond": 2 * 8 * 8,
    "branch-on-data": 2 * 8 * 8,
    "tied": 2 * 5 * 32 * 1000,
    "shared-module": 3 * 2 * 16 * 16,
    "keywords-nested": 2 * 4 * 4,
    "autocast": 2 * 2 * 8 * 8,
    "eager-quantized": 2 * (16 * 32 + 32 * 4),
    "sklearn-perceptron": 2 * (4 * 16 + 16 * 3),
    "big-external": BIG_LAYERS * BIG_WIDTH**2,
}
