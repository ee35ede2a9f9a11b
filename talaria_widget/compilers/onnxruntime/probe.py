"""A device's modelled figures fitted to this CPU by a short probe, before anything is measured.

The formulas stay those of every modelled device; only their constants become this machine's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from talaria_widget.compilers.cache import Cache
from talaria_widget.compilers.machine import machine, runtime_version
from talaria_widget.compilers.onnxruntime.child import Child, ChildDied, ChildRefused, Stopped
from talaria_widget.hardware import Device

COMMANDS = "talaria_widget.compilers.onnxruntime.probing"
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
TIMEOUT_S = 5.0
LEAST_BYTES, MOST_BYTES = 32 * 2**20, 96 * 2**20
_VERSION = 1
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
_CLASSES = ("conv", "pointwise", "depthwise", "linear")
_INTEGERS = {"conv_int8": "conv", "linear_int8": "linear"}


def fit(device: Device, cache: Cache, folder: Path = CACHES) -> Device:
    """The device with the peaks, efficiencies, bandwidths and dispatch of this CPU.

    It takes about half a second once per machine; the figures are kept in the cache. Name, menu
    and band stay. Nothing is raised: where the probe fails the device comes back as it was, and
    its source `probe` says why.

    Args:
        device: a device whose figures are of some other machine.
        cache: where this machine's figures are kept.
        folder: where Linux describes the caches.
    """
    key = f"{machine(device.threads or 1)}; probe {_VERSION}"
    kept = cache.get(key)
    if kept is not None and (rates := _read(kept)):
        return fitted(device, rates, last_level_bytes(folder))
    child = Child(COMMANDS, device.threads or 1)
    try:
        found = child.ask("probe", _streamed(last_level_bytes(folder)), timeout_s=TIMEOUT_S)
    except (ChildDied, ChildRefused, Stopped) as error:
        reason = f"not fitted to this machine: {error}"
        return replace(device, sources={**device.sources, "probe": reason})
    finally:
        child.close()
    data = json.dumps(found).encode()
    if rates := _read(data):
        cache.put(key, data)
    return fitted(device, rates, last_level_bytes(folder))


def fitted(device: Device, rates: Mapping[str, float], last_level: int | None) -> Device:
    """The device with these rates, as far as they are known; the rest stays as it is.

    Its peak is the fastest kernel, efficiencies are the others' shares of it. Half precision
    keeps its distance from single, and classes that were not probed keep their shares.
    """
    here = {name: rates[name] for name in _CLASSES if name in rates}
    sources = dict(device.sources)
    peaks, efficiency = dict(device.ops_per_s), dict(device.efficiency)
    by = f"measured here by the probe, ONNX Runtime {runtime_version()}"
    if "conv" in here:
        peak = max(here.values())
        ratio = peak / peaks["float32"]
        peaks |= {name: peaks[name] * ratio for name in peaks if name != "int8"}
        efficiency |= {name: rate / peak for name, rate in here.items()}
        sources["compute.float32"] = f"{by}: its fastest kernel"
        sources["efficiency"] = f"{by}: {', '.join(here)}; the others as in the device file"
    integers = [rates[name] / efficiency[of] for name, of in _INTEGERS.items() if name in rates]
    if integers and "int8" in peaks:
        peaks["int8"] = _middle(integers)
        sources["compute.int8"] = f"{by}: at the efficiencies of conv and linear"
    if {"dram", "chip", "nodes"} & set(rates):
        sources["memory"] = sources["dispatch"] = by
    return replace(
        device,
        ops_per_s=peaks,
        efficiency=efficiency,
        bandwidth_bytes_per_s=rates.get("dram", device.bandwidth_bytes_per_s),
        on_chip_bytes=last_level or device.on_chip_bytes,
        on_chip_bytes_per_s=rates.get("chip", device.on_chip_bytes_per_s),
        dispatch_s=1 / rates["nodes"] if "nodes" in rates else device.dispatch_s,
        sources=sources,
    )


def last_level_bytes(folder: Path = CACHES) -> int | None:
    """Bytes of the last cache before main memory, as Linux says; elsewhere unknown."""
    sizes = []
    for path in folder.glob("index*/size"):
        try:
            text = path.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if match := re.fullmatch(r"(\d+)([KMG]?)", text):
            sizes.append(int(match[1]) * _UNITS[match[2]])
    return max(filter(None, sizes), default=None)


def _streamed(last_level: int | None) -> int | None:
    """Bytes to read so that most come from main memory; `None` where that would be too many."""
    wanted = max(LEAST_BYTES, 2 * (last_level or 0))
    return wanted if wanted <= MOST_BYTES else None


def _read(data: bytes) -> dict[str, float]:
    """The geometric mean per figure; what is no positive number is left out."""
    try:
        found = json.loads(data)
        return {
            str(name): _middle(values)
            for name, values in found.items()
            if values and all(math.isfinite(v) and v > 0 for v in values)
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def _middle(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))
