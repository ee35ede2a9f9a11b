"""What writes a weight of each option, and which uses of a weight it can write."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from talaria_widget.recipe import Activations, Cast, Option, Quantize
from talaria_widget.rewrite.block_storage import store_blocks
from talaria_widget.rewrite.draft import Draft
from talaria_widget.rewrite.dynamic import store_dynamic
from talaria_widget.rewrite.half_storage import store_half
from talaria_widget.rewrite.integer_storage import Parts, store_integers
from talaria_widget.rewrite.uses import (
    CONVOLUTIONS,
    Use,
    Weight,
    channel_axis,
    recurrent_nodes,
    uses,
)
from talaria_widget.storage.onnxruntime import LIES_INSIDE, USED_INSIDE

Writer = Callable[[Draft, Weight, Mapping[int, np.float32], Parts], None]
"""Told the scale of each integer layer's input; adds the names of what it stores."""

DYNAMIC = Activations(8, dynamic=True)


def _as_stored(
    _draft: Draft, weight: Weight, _scales: Mapping[int, np.float32], parts: Parts
) -> None:
    parts[weight.name] = [weight.tensor]


def _half(draft: Draft, weight: Weight, _scales: Mapping[int, np.float32], parts: Parts) -> None:
    store_half(draft, weight, parts)


def _blocks(draft: Draft, weight: Weight, _scales: Mapping[int, np.float32], parts: Parts) -> None:
    store_blocks(draft, weight, parts)


def _dynamic(draft: Draft, weight: Weight, _scales: Mapping[int, np.float32], parts: Parts) -> None:
    store_dynamic(draft, weight, parts)


def writer_of(option: Option, name: str) -> Writer:
    """What writes a weight of this option.

    Raises:
        ValueError: an option that cannot be written.
    """
    if option is None or option == Cast("float32"):
        return _as_stored
    if isinstance(option, Cast):
        return _half
    if option.granularity == "block" and option.bits in (4, 8):
        if option.activations is None:
            return _blocks
    elif option.bits == 8 and option.activations is None:
        return store_integers
    elif option.symmetric and option.bits == 8:
        if option.activations == DYNAMIC:
            return _dynamic
        if option.activations == Activations(8):
            return store_integers
    raise ValueError(
        f"apply cannot write {option!r} for {name!r}: use Quantize(8), with or without "
        'Activations(8) (dynamic=True too), Quantize(4, granularity="block") or Cast("float16").'
    )


def examine(draft: Draft, name: str, tensor: str, option: Option) -> Weight:
    """A weight of the file with its uses.

    Raises:
        ValueError: it is not stored, or not used so that the option can be written.
    """
    writer = writer_of(option, name)
    if tensor not in draft.stored:
        raise ValueError(f"apply cannot write {name!r}: {LIES_INSIDE}. Leave it out of the recipe.")
    dtype = draft.array(tensor).dtype
    if writer is _as_stored:
        if option is not None and dtype != np.float32:
            raise ValueError(f"apply cannot write {name!r} in float32: it is stored as {dtype}.")
        return Weight(name, tensor, option, (), None)
    activations = option.activations if isinstance(option, Quantize) else None
    if tensor in draft.captured and (activations is not None or writer is _blocks):
        raise ValueError(f"apply cannot write {name!r} so: {USED_INSIDE}.")
    if dtype != np.float32 and (
        dtype != np.float16 or writer is not store_integers or activations is not None
    ):
        raise ValueError(f"apply cannot compress {name!r}: it is stored as {dtype}.")
    recurrent = bool(recurrent_nodes(draft, tensor))
    if recurrent and writer not in (_half, _dynamic):
        raise ValueError(
            f"apply cannot write {name!r} so: it belongs to a recurrent layer, whose weights can "
            'be Cast("float16") or Quantize(8, activations=Activations(8, dynamic=True)).'
        )
    found = uses(draft, tensor)
    odd = None if recurrent else next((use for use in found if not _integer(use)), None)
    if activations is not None and not recurrent:
        _check_integers(name, found, odd, len(draft.stored[tensor].dims), activations)
    per_tensor = isinstance(option, Quantize) and option.granularity == "tensor"
    axis = None if per_tensor else channel_axis(found)
    static = activations is not None and not activations.dynamic
    dynamic = activations is not None and activations.dynamic
    return Weight(name, tensor, option, tuple(found), axis, static, dynamic, recurrent)


def _check_integers(
    name: str, found: list[Use], odd: Use | None, rank: int, activations: Activations
) -> None:
    kinds = {use.node.op_type for use in found}
    convolution = kinds == {"Conv"}
    product = rank == 2 and not kinds & CONVOLUTIONS
    if odd is None and found and (convolution or product or not activations.dynamic):
        return
    what = "nothing"
    if found:
        node = found[0].node if odd is None else odd.node
        what = f"{node.op_type} {node.name!r}"
    raise ValueError(
        f"apply cannot quantize the activations of {name!r}, which is used by {what}: "
        "use Quantize(8)."
    )


def _integer(use: Use) -> bool:
    slot = 0 if use.node.op_type == "Gather" else 1
    return use.axis is not None and use.slot == slot
