"""Which machine this is, in the words that decide how fast a runtime's kernels are on it."""

from __future__ import annotations

import os
import platform
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
FLAGS = (
    "sse4_1 avx avx2 fma f16c avx_vnni avx_vnni_int8 avx_ne_convert avx512f avx512bw avx512dq "
    "avx512vl avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_int8 amx_bf16 "
    "asimd fphp asimdhp asimddp i8mm bf16 sve sve2 svei8mm svebf16 sme sme2"
)
"""Instruction sets that the runtime's kernels are chosen by, as Linux spells them."""
_WORDS = ("vendor_id", "cpu family", "model", "model name", "stepping", "CPU implementer")
_ARM_WORDS = ("CPU architecture", "CPU variant", "CPU part", "Hardware", "Model")


@cache
def machine(threads: int = 1) -> str:
    """This machine and its runtime as text: the beginning of every key of the price cache.

    Returns:
        The CPU's model, the instruction sets that kernels are chosen by, the number of
        processors, the system, the version of ONNX Runtime and the threads it may use. Two
        machines of the same text share their prices.

    Example:
        >>> machine() == machine(), "threads=2" in machine(2)
        (True, True)
    """
    parts = [
        processor(),
        f"processors={os.cpu_count()}",
        f"{platform.system()} {platform.machine()}",
        f"onnxruntime={runtime_version()}",
        f"threads={threads}",
    ]
    return "; ".join(parts)


def runtime_version() -> str:
    """The version of ONNX Runtime that is installed, without importing it."""
    for name in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"):
        try:
            return f"{version(name)}{name.removeprefix('onnxruntime')}"
        except PackageNotFoundError:
            continue
    import onnxruntime

    return str(onnxruntime.__version__)


def processor(cpuinfo: Path = CPUINFO) -> str:
    """The CPU's names and numbers, and its instruction sets that matter."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _elsewhere()
    first = text.strip().partition("\n\n")[0]
    rows = dict(_row(line) for line in first.splitlines() if ":" in line)
    known = [f"{word}={rows[word]}" for word in (*_WORDS, *_ARM_WORDS) if rows.get(word)]
    flags = (rows.get("flags") or rows.get("Features") or "").split()
    return "; ".join((*known, "flags=" + ",".join(f for f in FLAGS.split() if f in flags)))


def _row(line: str) -> tuple[str, str]:
    word, _, value = line.partition(":")
    return word.strip(), re.sub(r"\s+", " ", value.strip())


def _elsewhere() -> str:
    """Where there is no such file: macOS names its chip, Windows its family and model."""
    if platform.system() == "Darwin":
        return "; ".join(filter(None, (_sysctl("machdep.cpu.brand_string"), platform.machine())))
    return "; ".join(filter(None, (os.environ.get("PROCESSOR_IDENTIFIER"), platform.processor())))


def _sysctl(name: str) -> str:
    import subprocess

    try:
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
