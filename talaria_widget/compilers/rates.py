"""What moving bytes costs on a device, and how far its figures may be off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget.hardware import Device
from talaria_widget.prices import Band

Array = NDArray[Any]

ON_CHIP_ENERGY = 0.1
"""A bit from on-chip memory costs this share of one from DRAM. 1 MB of SRAM is a hundredth
(14 against 1300 pJ per 64 bits, Jouppi et al., ISCA 2021, table 2); larger arrays and the way
there cost more, so a tenth is assumed."""


def moving_seconds(device: Device, nbytes: Array) -> Array:
    """Seconds to move so many bytes, through the memory that holds them: on chip if they fit."""
    fits = nbytes <= device.on_chip_bytes
    seconds: Array = nbytes / np.where(
        fits, device.on_chip_bytes_per_s, device.bandwidth_bytes_per_s
    )
    return seconds


def latency_band(device: Device, seconds: Array) -> Band:
    """Seconds within the device's share."""
    low, high = seconds * (1 - device.latency_band), seconds * (1 + device.latency_band)
    return Band(seconds.astype(np.float32), low.astype(np.float32), high.astype(np.float32))


def energy_band(device: Device, joules: Array) -> Band:
    """Joules within the device's factor."""
    low, high = joules / device.energy_factor, joules * device.energy_factor
    return Band(joules.astype(np.float32), low.astype(np.float32), high.astype(np.float32))


def floats(values: Sequence[float | None]) -> Array:
    """An array in which what is unknown is NaN."""
    return np.array([np.nan if v is None else v for v in values], np.float64)
