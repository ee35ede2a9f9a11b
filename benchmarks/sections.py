"""Sections of a document that several scripts write, each its own."""

from __future__ import annotations

import re
from pathlib import Path


def write_section(path: Path, heading: str, text: str) -> None:
    """Put a section (its heading, such as `## Sizes`, and its text) in its place in a file.

    The rest of the file stays; a section that is not there yet is added at the end.
    """
    body = f"{heading}\n\n{text.strip()}\n"
    whole = path.read_text(encoding="utf-8") if path.is_file() else ""
    pattern = re.compile(rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", re.M | re.S)
    if pattern.search(whole):
        whole = pattern.sub(lambda _: body + "\n", whole)
    else:
        whole = f"{whole.rstrip()}\n\n{body}"
    path.write_text(whole.strip() + "\n", encoding="utf-8")
