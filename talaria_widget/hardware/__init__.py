"""Devices: facts about hardware and its runtime, read from one TOML file each.

Beside this file lies one `.toml` per device; every number in it has a `source`.
`docs/architecture.md` says what each key means and how to add one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from talaria_widget.hardware.check import COMPILERS, check
from talaria_widget.recipe import Cast, Option, Quantize, option_from_json, option_label

HERE = Path(__file__).parent
DEFAULT = "onnxruntime-cpu"

Provenance = Literal["measured", "modelled", "vendor"]


@dataclass(frozen=True, slots=True)
class MenuOption:
    """One line of a device's menu: an option, and how the device runs it.

    `compute` and `activations` are precisions; `kinds` the kinds of op with weights that can
    take it. `decode_s` is the time per weight that unpacking takes on every run, `slower` by
    what factor kernels of a class run slower beside it. `reason` is set where the device cannot run
    it at all. `means` is the option that the default amounts to, where it has a name.
    """

    option: Option
    label: str
    title: str
    compute: str
    activations: str
    kinds: frozenset[str] = frozenset()
    decode_s: float = 0.0
    slower: Mapping[str, float] = field(default_factory=dict, hash=False)
    reason: str = ""
    kinds_reason: str = ""
    means: Option = None


@dataclass(frozen=True, slots=True)
class Device:
    """A target: its peaks, memories, formats and menu. SI units; rates are dense.

    `ops_per_s` counts two operations per multiply-accumulate. `efficiency` is the share of
    that peak which a class of op reaches. `prefetch`: weights stream in while earlier tasks
    compute. `confidence` is that of the sources. `compiler` makes the rows and prices them.
    """

    name: str
    title: str
    runtime: str
    container: str
    compiler: str
    provenance: Provenance
    confidence: str
    threads: int | None
    baseline: str
    latency_band: float
    energy_factor: float
    ops_per_s: Mapping[str, float]
    efficiency: Mapping[str, float]
    bandwidth_bytes_per_s: float
    on_chip_bytes: float
    on_chip_bytes_per_s: float
    prefetch: bool
    dispatch_s: float
    power_w: float | None
    mac_j: Mapping[str, float]
    dram_bit_j: float
    glue: Mapping[str, frozenset[str]]
    menu: tuple[MenuOption, ...]
    sources: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Device({self.name!r}, {self.title!r}, {self.runtime}, {self.provenance})"

    @property
    def default(self) -> MenuOption:
        """What happens to a layer without a rule: the first line of the menu."""
        return self.menu[0]

    def find(self, option: Option) -> MenuOption | None:
        """The menu's line for an option; block sizes and zero points may differ."""
        if option is not None and option == self.default.means:
            return self.default
        wanted = _family(option)
        return next((m for m in self.menu if _family(m.option) == wanted), None)


def _family(option: Option) -> tuple[Any, ...]:
    if option is None:
        return ("default",)
    if isinstance(option, Cast):
        return ("cast", option.dtype)
    return ("quantize", option.bits, option.granularity == "block", option.activations)


def devices() -> list[str]:
    """The names of the devices this package knows.

    Example:
        >>> "cpu-avx2" in devices()
        True
    """
    return sorted(path.stem for path in HERE.glob("*.toml"))


def device(name: str | Path | Device | None = None) -> Device:
    """A device by name, or from a TOML file of one's own.

    Args:
        name: a name from `devices()`, a path to a `.toml`, or a `Device` (returned as it is).

    Raises:
        ValueError: no such device, or a file that lacks a key.
        FileNotFoundError: a path at which there is nothing.
        TypeError: neither text nor a path.

    Example:
        >>> device("raspberry-pi-5").container
        'onnxruntime'
    """
    if name is None:
        return _read(HERE / f"{DEFAULT}.toml")
    if isinstance(name, Device):
        return name
    if not isinstance(name, str | Path):
        raise TypeError(
            f"device={name!r}: pass a name from talaria.devices() or a path to a .toml."
        )
    text = str(name)
    if text.endswith(".toml"):
        path = Path(text).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"there is no device file at {text!r}.")
        return _parse(path)
    known = devices()
    if text not in known:
        close = get_close_matches(text, known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}."
        raise ValueError(f"there is no device {text!r}; {hint}")
    return _read(HERE / f"{text}.toml")


@cache
def _read(path: Path) -> Device:
    return _parse(path)


def _parse(path: Path) -> Device:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name} is no TOML: {error}.") from error
    try:
        check(data)
        return _device(data)
    except KeyError as error:
        raise ValueError(f"{path.name} lacks the key {error}.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def _device(data: Mapping[str, Any]) -> Device:
    baseline = data["baseline"]
    menu = tuple(_menu_option(row, baseline) for row in data["option"])
    if menu[0].option is not None:
        raise ValueError("the first option must be the default (`type` left out).")
    return Device(
        name=data["name"],
        title=data["title"],
        runtime=data["runtime"],
        container=data["container"],
        compiler=data.get("compiler", COMPILERS[0]),
        provenance=cast("Provenance", data.get("provenance", "modelled")),
        confidence=data["confidence"],
        threads=data.get("threads"),
        baseline=baseline,
        latency_band=data["band"]["latency"],
        energy_factor=data["band"]["energy_factor"],
        ops_per_s={name: row["ops_per_s"] for name, row in data["compute"].items()},
        efficiency={k: v for k, v in data["efficiency"].items() if k != "source"},
        bandwidth_bytes_per_s=data["memory"]["bandwidth_bytes_per_s"],
        on_chip_bytes=data["memory"]["on_chip_bytes"],
        on_chip_bytes_per_s=data["memory"]["on_chip_bytes_per_s"],
        prefetch=data["memory"].get("prefetch", False),
        dispatch_s=data["dispatch"]["seconds"],
        power_w=data["energy"].get("power_w"),
        mac_j=data["energy"].get("mac_j", {}),
        dram_bit_j=data["energy"].get("dram_bit_j", 0.0),
        glue={name: frozenset(kinds) for name, kinds in data.get("glue", {}).items()},
        menu=menu,
        sources=dict(_sources(data)),
    )


def _menu_option(row: Mapping[str, Any], baseline: str) -> MenuOption:
    values = dict(row["option"])
    option = option_from_json(values) if values.get("type") else None
    unnamed = "as stored" if baseline == "stored" else "default"
    label = row.get("label", option_label(option, unnamed))
    return MenuOption(
        option=option,
        label=label,
        title=row["title"],
        compute=row.get("compute", baseline),
        activations=row.get("activations", baseline),
        kinds=frozenset(row.get("kinds", ())),
        decode_s=row.get("decode_s", 0.0),
        slower=row.get("slower", {}),
        reason=row.get("reason", ""),
        kinds_reason=row.get("kinds_reason", ""),
        means=option_from_json(row["means"]) if "means" in row else None,
    )


def _sources(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            found += _sources(value, f"{prefix}{key}.")
        elif key == "source":
            found.append((prefix.rstrip("."), value))
    return found


def requested(entry: MenuOption, option: Option) -> MenuOption:
    """The menu's line for exactly this option of its family."""
    if option == entry.option or not isinstance(option, Quantize):
        return entry
    return replace(entry, option=option, label=option_label(option))
