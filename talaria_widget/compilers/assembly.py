"""A program assembled from a fusion: its tasks with their work, and the weights they keep."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType

from talaria_widget.compilers.fusion import ANCHORS, Fusion
from talaria_widget.compilers.groups import Group
from talaria_widget.graph import Graph, Op, Tensor, Work
from talaria_widget.hardware import Device
from talaria_widget.program import Program, StoredWeight, Task
from talaria_widget.work import count

LIMITS = frozenset({"relu", "relu6", "hardtanh", "clamp", "clamp_min", "clamp_max", "clip"})
STORED_ROLES = frozenset({"weight", "parameter", "buffer"})


def assemble(graph: Graph, device: Device, fusion: Fusion) -> Program:
    """The program whose tasks are the groups of a fusion, in their order."""
    work = [count(graph, op) for op in graph.ops]
    reads = _reads(graph, fusion)
    written = _written(graph)
    tasks = tuple(_task(graph, fusion, group, work, reads) for group in fusion.groups)
    return Program(
        device=device,
        graph=graph,
        tasks=tasks,
        weights=_stored(graph, fusion, _stored_roles(graph, device)),
        unsized=_unsized(graph, _stored_roles(graph, device)),
        baseline=_baseline(device, written),
        written=written,
        aliases=MappingProxyType(dict(fusion.aliases)),
        removed=MappingProxyType(dict(fusion.removed)),
        operations=len(graph.ops),
        uncounted=MappingProxyType(
            Counter(
                op.target
                for op, done in zip(graph.ops, work, strict=True)
                if done.macs is None or done.flops is None
            )
        ),
    )


def _written(graph: Graph) -> str:
    """The floating-point precision that the model is written in: that of most weights."""
    sizes: Counter[str] = Counter()
    for tensor in graph.tensors.values():
        if tensor.role in STORED_ROLES and tensor.floating:
            sizes[tensor.dtype] += tensor.size or 0
    found = sizes.most_common(1)
    return found[0][0] if found else "float32"


def _baseline(device: Device, written: str) -> str:
    """The precision that rows run in unmarked: the device's, or the model's own."""
    if device.baseline != "stored":
        return device.baseline
    return written if written in device.ops_per_s else "float32"


def _reads(graph: Graph, fusion: Fusion) -> Counter[str]:
    """How many ops read each tensor, views resolved; the model's outputs count as one each."""
    readers: Counter[str] = Counter()
    for group in fusion.groups:
        for i in group.ops:
            readers.update({fusion.aliases.get(t, t) for t in graph.ops[i].inputs})
    readers.update(fusion.aliases.get(t, t) for t in graph.outputs)
    return readers


def _task(
    graph: Graph, fusion: Fusion, group: Group, work: list[Work], reads: Counter[str]
) -> Task:
    ops = [graph.ops[i] for i in group.ops]
    made = [name for op in ops for name in op.outputs]
    read = [fusion.aliases.get(t, t) for op in ops for t in dict.fromkeys(op.inputs)]
    inside: Counter[str] = Counter(
        t for op in ops for t in {fusion.aliases.get(x, x) for x in op.inputs}
    )
    here = set(made)
    inputs = [t for t in dict.fromkeys(read) if t not in here and t not in fusion.constants]
    outputs = [t for t in made if reads[t] > inside[t]] or made[-1:]
    weights = tuple(
        dict.fromkeys(w for i in group.ops if i not in group.folded for w in graph.ops[i].weights)
    )
    main = next((op for op in ops if _owns_weight(graph, op)), ops[0])
    total = sum((work[i] for i in group.ops), Work())
    crossing = Work(
        read_bytes=_read_bytes(graph, fusion, ops, inputs),
        write_bytes=_sum_bytes(graph, outputs),
    )
    moved = Work() if ops[0].attrs.get("inlined") else crossing * ops[0].times
    total = Work(
        total.macs,
        total.flops,
        sum((work[i].weight_bytes or 0) for i in group.ops if i not in group.folded),
        moved.read_bytes,
        moved.write_bytes,
    )
    precision: str = graph.ops[group.anchor].attrs.get("precision", "")
    label = _label(graph, ops, main, group.kind) + (f" · {precision}" if precision else "")
    return Task(
        name=main.name,
        kind=group.kind,
        label=label,
        ops=tuple(op.name for op in ops),
        work=total,
        signature=_signature(graph, ops, label, inputs, outputs),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        weights=weights,
        free_flops=_free_flops(graph, group, work),
        precision=precision,
    )


def _free_flops(graph: Graph, group: Group, work: list[Work]) -> int:
    """What a kernel does on the way: its bias, folded norms, limits (`conv + norm + relu`)."""
    if group.kind not in ANCHORS:
        return 0
    integer = bool(graph.ops[group.anchor].attrs.get("precision"))
    anchor = work[group.anchor]
    free = (anchor.flops or 0) - 2 * (anchor.macs or 0)
    for i in group.ops:
        word = graph.ops[i].word
        limit = word in LIMITS or word == "add" or (integer and word != "dynamicquantizelinear")
        if i in group.folded or (i != group.anchor and limit):
            free += work[i].flops or 0
    return free


def _owns_weight(graph: Graph, op: Op) -> bool:
    return any(graph.tensors[w].role == "weight" for w in op.weights)


def _read_bytes(graph: Graph, fusion: Fusion, ops: list[Op], inputs: list[str]) -> int | None:
    """Bytes that enter: of a view no more than it shows, of a whole no more than there is."""
    entering: dict[str, int] = {}
    wanted = set(inputs)
    for name in dict.fromkeys(t for op in ops for t in op.inputs):
        whole = fusion.aliases.get(name, name)
        if whole not in wanted:
            continue
        shown, held = graph.tensors[name].nbytes, graph.tensors[whole].nbytes
        if shown is None or held is None:
            return None
        entering[whole] = min(held, entering.get(whole, 0) + shown)
    total = sum(entering.values())
    if ops[0].kind == "movement":
        return min(total, _sum_bytes(graph, list(ops[-1].outputs)) or total)
    return total


def _sum_bytes(graph: Graph, names: list[str]) -> int | None:
    sizes = [graph.tensors[name].nbytes for name in names]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _label(graph: Graph, ops: list[Op], main: Op, kind: str) -> str:
    """What a row's type column says: `conv 3×3`, `depthwise 3×3`, `add + relu`."""
    if main.kind in ("conv", "conv_transpose"):
        kernel = "×".join(map(str, main.attrs.get("kernel", ())))
        groups = main.attrs.get("groups", 1)
        name = "conv" if main.kind == "conv" else "transposed conv"
        if groups > 1:
            depthwise = groups == _channels(graph, main)
            name = "depthwise" if depthwise else f"{name}, {groups} groups"
        return f"{name} {kernel}".strip()
    if kind in ("elementwise", "activation", "reduction", "cast"):
        words = list(dict.fromkeys(op.word for op in ops))
        return " + ".join(words[:3]) + (" …" if len(words) > 3 else "")
    if kind in ("linear", "matmul", "attention", "embedding", "softmax"):
        return kind
    return main.word if kind != "norm" or len(ops) == 1 else "norm"


def _channels(graph: Graph, op: Op) -> int | None:
    shape = graph.tensors[op.inputs[0]].shape if op.inputs else None
    axis = -1 if op.attrs.get("channels_last") else 1
    return shape[axis] if shape is not None and len(shape) > 1 else None


def _signature(
    graph: Graph, ops: list[Op], label: str, inputs: list[str], outputs: list[str]
) -> str:
    """Tasks with equal signatures cost the same: same ops, shapes, dtypes, strides."""
    tensors = graph.tensors
    parts = [label]
    for op in ops:
        attrs = [
            (k, op.attrs[k])
            for k in ("stride", "dilation", "groups", "causal", "steps", "times")
            if k in op.attrs
        ]
        weights = [_spec(tensors[w]) for w in op.weights]
        parts.append(f"{op.kind}:{op.word}{attrs}{weights}")
    parts += [_spec(tensors[t]) for t in (*inputs, *outputs)]
    return "|".join(parts)


def _spec(tensor: Tensor) -> str:
    return f"{tensor.shape}{tensor.dtype}"


def _stored_roles(graph: Graph, device: Device) -> frozenset[str]:
    """A file keeps the constants of the code too; where a file is written, so does a module's."""
    is_file = graph.framework == "onnx" or device.compiler != "analytic"
    return STORED_ROLES | ({"constant"} if is_file else frozenset())


def _unsized(graph: Graph, roles: frozenset[str]) -> tuple[str, ...]:
    """What would be stored and has no known size: text, say."""
    names = dict.fromkeys(n for op in graph.ops for n in (*op.weights, *op.inputs))
    tensors = graph.tensors
    return tuple(n for n in names if tensors[n].role in roles and tensors[n].nbytes is None)


def _stored(graph: Graph, fusion: Fusion, roles: frozenset[str]) -> tuple[StoredWeight, ...]:
    """What the container keeps: every weight once, folded norms as their layer's bias."""
    folded = {i for group in fusion.groups for i in group.folded}
    first = {i: group.anchor for group in fusion.groups for i in group.ops}
    stored: dict[str, StoredWeight] = {}
    owned = {name for op in graph.ops for name in op.weights}
    for i, op in enumerate(graph.ops):
        if i in folded:
            continue
        layer = graph.ops[first.get(i, i)]
        read = (name for name in op.inputs if name not in owned)
        for name in (*op.weights, *read):
            tensor = graph.tensors[name]
            if tensor.role not in roles or not tensor.nbytes:
                continue
            leader = name if tensor.role == "weight" else _leader(graph, layer, op, tensor)
            known = stored.get(name)
            if known is None or (leader == name and known.kind in ("embedding", "movement")):
                stored[name] = _weight(tensor, op.kind, leader)
    for group in fusion.groups:
        anchor = graph.ops[group.anchor]
        if group.folded and len(anchor.weights) == 1:
            main = graph.tensors[anchor.weights[0]]
            assert main.shape is not None
            channels = _norm_channels(graph, group.folded[0], main)
            name = f"{main.name.removesuffix('.weight')}.bias (folded)"
            stored[name] = StoredWeight(name, (channels,), main.dtype, anchor.kind, 0, main.name)
    return tuple(stored.values())


def _leader(graph: Graph, layer: Op, op: Op, tensor: Tensor) -> str | None:
    """The weight whose option a bias follows: that of its op, or of the layer it is added to."""
    mains = [w for w in layer.weights if graph.tensors[w].role == "weight"]
    if "body" in op.attrs:  # it stays as it is, whatever becomes of the weight
        return None
    if len(mains) != 1 or tensor.role != "parameter" or tensor.name not in op.weights:
        return None
    main = graph.tensors[mains[0]]
    channels = main.shape[main.channel_axis or 0] if main.shape else None
    added = layer.kind == "linear" and op.word == "add" and tensor.size == channels
    is_bias = op is layer or added
    return mains[0] if is_bias else None


def _norm_channels(graph: Graph, norm: int, main: Tensor) -> int:
    for name in graph.ops[norm].weights:
        size = graph.tensors[name].size
        if size is not None:
            return size
    assert main.shape is not None
    return main.shape[main.channel_axis or 0]


def _weight(tensor: Tensor, kind: str, leader: str | None) -> StoredWeight:
    assert tensor.shape is not None
    axis = tensor.channel_axis or 0
    packed = tensor.nbytes if tensor.storage is not None and not tensor.floating else None
    return StoredWeight(tensor.name, tensor.shape, tensor.dtype, kind, axis, leader, packed)
