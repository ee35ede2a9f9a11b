"""Which colour a type of op has: the widget's ten, for light and for dark themes of Altair."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import altair as alt

BY_LABEL = ((re.compile("^depthwise"), "depthwise"), (re.compile("^conv 1×1"), "pointwise"))
BY_KIND = {
    "conv": "conv",
    "conv_transpose": "conv",
    "linear": "linear",
    "matmul": "linear",
    "recurrent": "linear",
    "embedding": "linear",
    "attention": "attention",
    "softmax": "attention",
    "norm": "norm",
    "activation": "elementwise",
    "elementwise": "elementwise",
    "reduction": "pool",
    "pool": "pool",
    "resize": "pool",
    "movement": "movement",
    "cast": "movement",
    "layout": "movement",
    "control": "movement",
}
TITLES = {
    "conv": "conv k×k",
    "pointwise": "conv 1×1",
    "depthwise": "depthwise",
    "linear": "linear",
    "attention": "attention",
    "norm": "norm",
    "elementwise": "elementwise",
    "pool": "pool",
    "movement": "movement",
    "unknown": "unknown",
    "cast": "cast",
}
"""What a legend calls each colour, in the order of a legend."""

LIGHT = {
    "conv": "#4a4e9c",
    "pointwise": "#7f8ed2",
    "depthwise": "#3d9cc4",
    "linear": "#a8468f",
    "attention": "#7d2248",
    "norm": "#7f8a2e",
    "elementwise": "#ad9128",
    "pool": "#c9708a",
    "movement": "#8f8f8f",
    "unknown": "#666666",
    "cast": "#bf360c",
    "text": "#212121",
    "bar": "#78909c",
    "better": "#00796b",
    "worse": "#bf360c",
}
DARK = {
    "conv": "#7d83d6",
    "pointwise": "#b4c0f2",
    "depthwise": "#6cc3e2",
    "linear": "#d479bd",
    "attention": "#c76a92",
    "norm": "#aab650",
    "elementwise": "#dcc25a",
    "pool": "#e79aad",
    "movement": "#8d8d8d",
    "unknown": "#a6a6a6",
    "cast": "#ff8a65",
    "text": "#e0e0e0",
    "bar": "#7f97a3",
    "better": "#4db6ac",
    "worse": "#ff8a65",
}
RULE = "#888888"
"""Lines and outlines: 3.5 to 1 on white, and on the background of Altair's dark theme."""

DARK_THEMES = ("dark", "carbong90", "carbong100")


def swatch_of(kind: str, label: str) -> str:
    """The name of a row's colour, by the label of its type and by its kind.

    Example:
        >>> swatch_of("conv", "conv 3×3"), swatch_of("conv", "conv 1×1"), swatch_of("rot", "rot")
        ('conv', 'pointwise', 'unknown')
    """
    named = next((swatch for pattern, swatch in BY_LABEL if pattern.search(label)), None)
    return named or BY_KIND.get(kind, "unknown")


def colours() -> Mapping[str, str]:
    """The colours that stand out on the background of Altair's theme of the moment."""
    return DARK if _theme_is_dark() else LIGHT


def scale(titles: Iterable[str]) -> alt.Scale:
    """A scale of the colours of these titles, in the order of a legend."""
    wanted, shades = set(titles), colours()
    domain = [(title, shades[name]) for name, title in TITLES.items() if title in wanted]
    return alt.Scale(domain=[t for t, _ in domain], range=[shade for _, shade in domain])


def _theme_is_dark() -> bool:
    registry: Any = alt.theme if hasattr(alt, "theme") else alt.themes  # before Altair 5.5
    make = registry.get()
    theme: Any = make() if make else {}
    named = theme.get("usermeta", {}).get("embedOptions", {}).get("theme", "")
    background = str(theme.get("config", {}).get("background", ""))
    return named in DARK_THEMES or _is_dark(background)


def _is_dark(colour: str) -> bool:
    """Whether a colour is nearer to black; of a colour by name only black is known."""
    found = re.fullmatch(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", colour)
    if found is None:
        return colour == "black"
    digits = found.group(1)
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    red, green, blue = (int(digits[i : i + 2], 16) for i in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128  # weights of ITU-R BT.709
