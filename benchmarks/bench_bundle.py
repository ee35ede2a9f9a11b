"""How big the bundle is, beside its limit."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

STATIC = Path(__file__).parents[1] / "talaria_widget" / "static"
LIMIT_BYTES = 300_000


def main() -> int:
    total = 0
    for path in sorted(STATIC.glob("widget.*")):
        data = path.read_bytes()
        total += len(data)
        print(f"{path.name:12}{len(data) / 1e3:8.1f} kB{len(gzip.compress(data)) / 1e3:8.1f} kB gz")
    print(f"{'bundle':12}{total / 1e3:8.1f} kB   limit {LIMIT_BYTES / 1e3:.0f} kB")
    return int(total > LIMIT_BYTES or total == 0)


if __name__ == "__main__":
    sys.exit(main())
