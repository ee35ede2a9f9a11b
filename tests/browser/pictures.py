"""Whether two pictures look the same, to the eye: halved, blurred, and compared by their pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

# Edges of letters differ by less than this between versions of a browser, and so does what a
# reference loses as it is written; a mark, a colour or a line that moved differs by more.
FAINT = 40
QUALITY = 35


def halved(screenshot: bytes) -> Image.Image:
    """The picture as references keep it: half as wide and high."""
    picture = Image.open(io.BytesIO(screenshot)).convert("RGB")
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)


def write(path: Path, screenshot: bytes) -> None:
    """The reference of a screenshot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    halved(screenshot).save(path, quality=QUALITY, method=6)


def differing(seen: Image.Image, wanted: Image.Image) -> np.ndarray:
    """Of which pixels the colour is another one; of all where the sizes are."""
    if seen.size != wanted.size:
        return np.ones((seen.height, seen.width), bool)
    where: np.ndarray = np.abs(_blurred(seen) - _blurred(wanted)).max(2) > FAINT
    return where


def difference(seen: Image.Image, wanted: Image.Image) -> Image.Image:
    """What is wanted, what is seen, and where they differ in red over it, side by side."""
    where = differing(seen, wanted)
    marked = np.asarray(seen) // 2 + 127
    marked[where] = (255, 0, 0)
    side = Image.new("RGB", (wanted.width + 2 * seen.width, max(wanted.height, seen.height)))
    side.paste(wanted, (0, 0))
    side.paste(seen, (wanted.width, 0))
    side.paste(Image.fromarray(marked.astype(np.uint8)), (wanted.width + seen.width, 0))
    return side


def _blurred(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB").filter(ImageFilter.GaussianBlur(1.2)), np.int16)
