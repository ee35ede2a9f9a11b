"""Every state of the front end that is looked at: its width, its fixture and how to get there."""

from __future__ import annotations

from typing import NamedTuple

import acts


class State(NamedTuple):
    """A page of `index.html`, and what is done in it."""

    width: int
    query: str
    act: acts.Act = acts.still


STATES: dict[str, State] = {
    "light": State(1040, "fixture=resnet"),
    "dark": State(1040, "fixture=resnet&theme=dark"),
    "wide": State(1400, "fixture=resnet"),
    "middle": State(880, "fixture=resnet"),
    "tabs": State(740, "fixture=resnet"),
    "narrow": State(560, "fixture=resnet"),
    "narrowest": State(400, "fixture=resnet"),
    "plain": State(1040, "fixture=resnet-plain"),
    "stm32": State(1040, "fixture=resnet-stm32", acts.menu),
    "menu": State(1040, "fixture=resnet", acts.menu),
    "menu-dark": State(1040, "fixture=resnet&theme=dark", acts.menu),
    "menu-narrow": State(560, "fixture=resnet", acts.menu),
    "preview": State(1040, "fixture=resnet&answer=no", acts.mark),
    "gone": State(1040, "fixture=resnet&answer=no", acts.gone),
    "error": State(1040, "fixture=resnet", acts.fault),
    "empty": State(1040, "fixture=resnet", acts.empty),
    "casts": State(1040, "fixture=resnet", acts.casts),
    "recipe-light": State(1040, "fixture=resnet", acts.recipe),
    "recipe-dark": State(1040, "fixture=resnet&theme=dark", acts.recipe),
    "recipe-narrow": State(560, "fixture=resnet", acts.recipe),
    "recipe-wide": State(1400, "fixture=resnet", acts.recipe),
    "recipe-empty": State(1040, "fixture=resnet-plain", acts.recipe),
    "recipe-editing": State(1040, "fixture=resnet", acts.editing("layer3.[1-4].conv2\nlayer3.5.*")),
    "recipe-error": State(1040, "fixture=resnet", acts.editing("layer9.*", True)),
    "recipe-error-dark": State(560, "fixture=resnet&theme=dark", acts.editing("layer9.*", True)),
    "recipe-adding": State(1040, "fixture=resnet", acts.adding),
    "recipe-menu": State(1040, "fixture=resnet", acts.rule_menu),
    "recipe-menu-dark": State(560, "fixture=resnet&theme=dark", acts.rule_menu),
    "recipe-dragging": State(1040, "fixture=resnet", acts.dragging),
    "recipe-troubled": State(1040, "fixture=resnet", acts.troubled),
    "recipe-many": State(1040, "fixture=resnet", acts.many),
    "repeats-menu": State(1040, "fixture=encoder", acts.repeats_menu),
    "assumed": State(1040, "fixture=resnet", acts.assumed),
    "unknown": State(1040, "fixture=unknown"),
    "uncounted": State(1040, "fixture=unknown", acts.uncounted),
    "encoder": State(1040, "fixture=encoder"),
    "details-light": State(1040, "fixture=resnet", acts.details("conv1")),
    "details-below": State(1040, "fixture=resnet", acts.details("conv1", down=520)),
    "details-source": State(1040, "fixture=resnet", acts.details("conv1", down=5000)),
    "details-dark": State(1040, "fixture=resnet&theme=dark", acts.details("layer3.1.conv2")),
    "details-dark-source": State(
        1400, "fixture=resnet&theme=dark", acts.details("conv1", down=5000)
    ),
    "details-preview": State(1040, "fixture=resnet", acts.details("conv1", down=150, click=True)),
    "details-narrow": State(560, "fixture=resnet", acts.details("conv1")),
    "details-narrowest": State(400, "fixture=resnet", acts.details("conv1", down=300)),
    "details-measured": State(
        1040, "fixture=resnet-here&measured=done", acts.details("layer4.1.conv1")
    ),
    "details-no-kernel": State(
        1040, "fixture=resnet", acts.details("conv1", live=False, down=5000)
    ),
    "details-many": State(1040, "fixture=resnet", acts.details()),
    "details-uncounted": State(1040, "fixture=unknown", acts.details("blend")),
    "details-encoder": State(
        1040, "fixture=encoder", acts.details("encoder.0.attention/scaled_dot_product_attention")
    ),
    "repeats": State(1040, "fixture=encoder", acts.repeats),
    "repeats-narrow": State(560, "fixture=encoder&theme=dark", acts.repeats),
    "grouped-module": State(1040, "fixture=resnet", acts.grouped("module")),
    "grouped-module-dark": State(1040, "fixture=resnet&theme=dark", acts.grouped("module")),
    "grouped-type": State(1040, "fixture=resnet", acts.grouped("type", 1)),
    "grouped-repeats": State(1040, "fixture=resnet", acts.grouped("repeats", 1)),
    "grouped-narrow": State(560, "fixture=resnet", acts.grouped("module")),
    "full": State(1040, "fixture=resnet", acts.full),
    "full-dark": State(1400, "fixture=resnet&theme=dark", acts.full),
    "closed": State(1040, "fixture=resnet", acts.closed),
    "filtered": State(1040, "fixture=resnet", acts.filtered),
    "filtered-dark": State(1040, "fixture=resnet&theme=dark", acts.filtered),
    "filtered-narrow": State(560, "fixture=resnet", acts.filtered),
    "filtered-large": State(1040, "fixture=large", acts.typing("latency > 1 -norm")),
    "filters-crowded": State(1040, "fixture=resnet", acts.crowded),
    "filters-crowded-narrow": State(560, "fixture=resnet", acts.crowded),
    "filters-crowded-narrowest": State(400, "fixture=resnet", acts.crowded),
    "filters-top": State(1040, "fixture=resnet", acts.top),
    "search": State(1040, "fixture=resnet", acts.typing("latency > 20 type:conv")),
    "search-empty": State(1040, "fixture=resnet&theme=dark", acts.typing("")),
    "search-wrong": State(1040, "fixture=resnet", acts.typing("/conv(/")),
    "search-wrong-narrow": State(560, "fixture=resnet&theme=dark", acts.typing("latency > fast")),
    "columns": State(1040, "fixture=resnet", acts.columns),
    "all-columns": State(1040, "fixture=resnet", acts.all_columns),
    "all-columns-dark": State(1040, "fixture=resnet&theme=dark", acts.all_columns),
    "large": State(1040, "fixture=large"),
    "strip-light": State(1040, "fixture=resnet", acts.strip_of),
    "strip-dark": State(1040, "fixture=resnet&theme=dark", acts.strip_of),
    "strip-other": State(1040, "fixture=resnet", acts.strip_other),
    "strip-other-dark": State(1040, "fixture=resnet&theme=dark", acts.strip_other),
    "strip-wide": State(1400, "fixture=encoder"),
    "strip-middle": State(880, "fixture=resnet-here&measured=done"),
    "strip-large": State(1040, "fixture=large", acts.strip_of),
    "strip-folded": State(1040, "fixture=resnet", acts.strip_folded),
    "here-modelled": State(1040, "fixture=resnet-here&measured=modelled"),
    "here-waiting": State(1040, "fixture=resnet-here&measured=waiting"),
    "here-baseline": State(1040, "fixture=resnet-here&measured=baseline"),
    "here-kernels": State(1040, "fixture=resnet-here&measured=kernels"),
    "here-kernels-dark": State(1040, "fixture=resnet-here&measured=kernels&theme=dark"),
    "here-kernels-tabs": State(740, "fixture=resnet-here&measured=kernels"),
    "here-kernels-narrow": State(560, "fixture=resnet-here&measured=kernels"),
    "here-kernels-narrowest": State(400, "fixture=resnet-here&measured=kernels"),
    "here-recipe": State(1040, "fixture=resnet-here&measured=recipe", acts.recipe),
    "here-done": State(1040, "fixture=resnet-here&measured=done"),
    "here-done-dark": State(1040, "fixture=resnet-here&measured=done&theme=dark"),
    "here-done-wide": State(1400, "fixture=resnet-here&measured=done"),
    "here-done-narrow": State(560, "fixture=resnet-here&measured=done"),
    "here-done-narrowest": State(400, "fixture=resnet-here&measured=done"),
    "here-partly": State(1040, "fixture=resnet-here&measured=partly", acts.menu),
    "here-partly-dark": State(1040, "fixture=resnet-here&measured=partly&theme=dark", acts.menu),
    "here-preview": State(1040, "fixture=resnet-here&measured=done&answer=no", acts.slower),
    "here-stopped": State(1040, "fixture=resnet-here&measured=stopped"),
    "here-failed": State(1040, "fixture=resnet-here&measured=failed"),
    "here-failed-narrow": State(560, "fixture=resnet-here&measured=failed"),
    "here-rules": State(1040, "fixture=resnet-here&measured=done", acts.rules),
    "here-added": State(1040, "fixture=resnet-here&measured=done", acts.added),
    "here-large": State(1040, "fixture=large&measured=kernels"),
}
