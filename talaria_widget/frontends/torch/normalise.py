"""From a trace to the neutral graph: ops with kinds and names, tensors with roles, noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from talaria_widget.frontends.torch.inputs.inputs import Prepared
from talaria_widget.frontends.torch.naming import Namer
from talaria_widget.frontends.torch.registry import Registry
from talaria_widget.frontends.torch.table.composite import entry_of
from talaria_widget.frontends.torch.table.derived import Derived
from talaria_widget.frontends.torch.table.forms import Form, Operands
from talaria_widget.frontends.torch.table.kinds import DROPOUTS, NOISE
from talaria_widget.frontends.torch.trace.recording import Call, Ref, Trace, Value
from talaria_widget.graph import Graph, Op, Role, Tensor


def normalise(
    name: str, trace: Trace, registry: Registry, prepared: Prepared
) -> tuple[Graph, Mapping[Ref, str], Mapping[str, int]]:
    """The graph of a trace, each reference's tensor name, and each op's call by name."""
    writer = _Writer(trace.values, registry)
    inputs = [writer.leaf(value) for value in trace.values if value.role == "input" and value.name]
    for call in trace.calls:
        writer.add(call)
    outputs = [writer.name(ref) for ref in trace.outputs.values()]
    writer.settle()
    notes = list(trace.notes)
    if registry.training:
        notes.append(
            "the model is in training mode and was read as it runs; model.eval() changes it"
        )
    if writer.computed:
        notes.append(
            f"{_layers(writer.computed)} computed from parameters in every run (weight norm, "
            "spectral norm or the like)"
        )
    unused = writer.note_unused(registry.parameters)
    noise = writer.noise + Counter(trace.queries)
    graph = Graph(
        name=name,
        framework="torch",
        ops=tuple([draft.freeze() for draft in writer.drafts]),
        tensors=writer.tensors,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        modules=registry.classes,
        assumed=prepared.assumed,
        notes=tuple(notes),
        noise=dict(noise),
        unused=unused,
    )
    return graph, writer.names, {draft.name: draft.call.index for draft in writer.drafts}


@dataclass(slots=True)
class _Draft:
    """An op being written: a later reader of a view may add an output."""

    name: str
    call: Call
    form: Form
    inputs: list[str]
    weights: list[str]
    attrs: Mapping[str, Any]
    outputs: list[str] = field(default_factory=list)

    def freeze(self) -> Op:
        """The op."""
        return Op(
            name=self.name,
            kind=self.form.kind,
            target=self.call.target,
            path=self.call.path,
            source=self.call.source,
            inputs=tuple(self.inputs),
            outputs=tuple(self.outputs),
            weights=tuple(self.weights),
            attrs=self.attrs,
        )


class _Writer:
    """Turns calls into drafts, one after another."""

    def __init__(self, values: Sequence[Value], registry: Registry) -> None:
        self.drafts: list[_Draft] = []
        self.tensors: dict[str, Tensor] = {}
        self.names: dict[Ref, str] = {}
        self.noise: Counter[str] = Counter()
        self._values = values
        self._namer = Namer(registry)
        self._latest: dict[int, str] = {}
        self._writers: dict[int, list[_Draft | None]] = {}
        self._transposed: dict[int, Ref] = {}
        self._derived = Derived(values)
        self._constants = 0
        self._origins: dict[int, tuple[_Draft, Call]] = {}
        self.repeats = 0
        self.computed: list[str] = []

    def add(self, call: Call) -> None:
        """Write one call: an op, noise, or another round of an op that stands already."""
        self._derived.follow(call)
        origin = None if call.repeats is None else self._origins.get(call.repeats)
        if origin is not None:
            self._repeat(call, *origin)
        elif _word(call) == "backward":
            self._write(call)
        elif call.constant or not (call.writes or call.mutated):
            self._fold(call)
        elif _is_noise(call):
            self._skip(call)
        else:
            self._write(call)

    def settle(self) -> None:
        """Let a layer alone own the parameter that its weight is computed from."""
        layers = set(self.computed)
        owned = {
            name
            for draft in self.drafts
            if draft.name in layers
            for name in draft.weights
            if self.tensors[name].role == "weight"
        }
        for draft in self.drafts if owned else ():
            if not draft.call.depends:
                self._disown(draft, owned)

    def _disown(self, draft: _Draft, owned: set[str]) -> None:
        """Let an op read weights that others own; without one, a linear layer is a product."""
        lost = [name for name in draft.weights if name in owned]
        if lost[:1] == draft.weights[:1] and draft.form.kind == "linear":
            reads = tuple([self.name(ref) for ref in draft.call.reads])
            draft.form = replace(draft.form, kind="matmul")
            draft.attrs = {**draft.attrs, "operands": reads}
        draft.inputs += lost
        draft.weights = [name for name in draft.weights if name not in owned]

    def note_unused(self, parameters: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
        """The names of the parameters that no op reads; their tensors are kept, for their size."""
        unused = {name: t for name, t in parameters.items() if name not in self.tensors}
        for name, tensor in unused.items():
            dtype = _dtype_name(tensor.dtype)
            self.tensors[name] = Tensor(name, tuple(tensor.shape), dtype, "parameter")
        return tuple(unused)

    def leaf(self, value: Value) -> str:
        """The name of a tensor that no call made."""
        name = value.name
        if name is None:
            self._constants += 1
            name = f"constant_{self._constants}"
        known = self.tensors.get(name)
        if known is not None and value.role != known.role and known.role in ("input",):
            name = f"{name}#2"
        self._keep(name, value, value.role)
        self._latest[value.index] = name
        return name

    def name(self, ref: Ref) -> str:
        """The name of a tensor as a reader saw it."""
        found = self.names.get(ref)
        if found is not None:
            return found
        value = self._values[ref.value]
        name = self._latest.get(ref.value) or self.leaf(value)
        writers = self._writers.get(value.storage, [])[: ref.version]
        last = writers[-1] if writers else None
        if last is not None and value.role != "parameter":
            name = f"{last.name}:{len(last.outputs)}"
            last.outputs.append(name)
            self._keep(name, value, "activation")
        self.names[ref] = name
        return name

    def _fold(self, call: Call) -> None:
        self.noise[_word(call)] += 1
        self._note_writes(call, None)

    def _skip(self, call: Call) -> None:
        self.noise[_word(call)] += 1
        source = self.name(call.reads[0])
        for ref in call.writes:
            self.names[ref] = source
            self._latest[ref.value] = source
        self._note_writes(call, None)

    def _repeat(self, call: Call, draft: _Draft, first: Call) -> None:
        self.repeats += 1
        times = draft.attrs.get("times", 1)
        both = None if times is None or call.times is None else times + call.times
        draft.attrs = {**draft.attrs, "times": both}
        self._note_writes(call, draft)
        for ref, same in zip(call.writes, first.writes, strict=True):
            self.names[ref] = self._latest[ref.value] = self.names[same]
        for ref, same in zip(call.mutated, first.mutated, strict=True):
            self.names[ref] = self._latest[ref.value] = self.name(same)

    def _write(self, call: Call) -> None:
        entry = entry_of(call)
        owning, computed = self._derived.own(call, entry)
        form = entry.builder(
            entry.kind, Operands(owning, self._values, entry.names, self._transposed)
        )
        if _word(call) in _TRANSPOSES and len(call.writes) == 1:
            self._note_transpose(call.reads[0], call.writes[0])
        inputs = [self.name(ref) for ref in (*form.inputs, *computed)]
        held = [self.name(ref) for ref in form.weights]
        weights = [name for name in held if self.tensors[name].role != "activation"]
        inputs += [name for name in held if self.tensors[name].role == "activation"]
        for value, axis in form.main.items():
            self._promote(self.name(Ref(value, 0)), axis)
        attrs = dict(form.attrs)
        if "operands" in attrs:
            attrs["operands"] = tuple([self.name(ref) for ref in attrs["operands"]])
        if call.times != 1:
            attrs["times"] = call.times
        owned = [] if computed else self._trained(weights)
        name = self._namer.name(call, form, owned, is_layer=bool(computed))
        if computed:
            self.computed.append(name)
        draft = _Draft(name, call, form, inputs, weights, attrs)
        self.drafts.append(draft)
        self._origins[call.index] = (draft, call)
        self._note_writes(call, draft)
        for ref in call.writes:
            if ref in self.names:
                continue
            output = f"{name}:{len(draft.outputs)}"
            draft.outputs.append(output)
            self._keep(output, self._values[ref.value], "activation")
            self.names[ref] = self._latest[ref.value] = output
        for ref in call.mutated:
            if not draft.outputs:
                self.name(Ref(ref.value, ref.version))

    def _trained(self, weights: list[str]) -> list[str]:
        return [name for name in weights if self.tensors[name].role != "buffer"]

    def _note_transpose(self, source: Ref, result: Ref) -> None:
        before, after = self._values[source.value], self._values[result.value]
        swapped = before.stride == after.stride[::-1] and before.shape == after.shape[::-1]
        if before.role == "parameter" and len(before.shape) == 2 and swapped:
            self._transposed[result.value] = source

    def _note_writes(self, call: Call, draft: _Draft | None) -> None:
        for ref in call.mutated:
            self._writers.setdefault(self._values[ref.value].storage, []).append(draft)

    def _promote(self, name: str, axis: int) -> None:
        known = self.tensors[name]
        self.tensors[name] = Tensor(name, known.shape, known.dtype, "weight", axis)

    def _keep(self, name: str, value: Value, role: Role) -> None:
        if name not in self.tensors:
            dtype = _DTYPES.get(value.dtype)
            if dtype is None:
                dtype = _DTYPES[value.dtype] = _dtype_name(value.dtype)
            self.tensors[name] = Tensor(name, value.shape, dtype, role)


def _layers(names: Sequence[str]) -> str:
    """The subject of a sentence about some layers' weights."""
    if len(names) == 1:
        return f"the weight of {names[0]} is"
    return f"the weights of {len(names)} layers ({names[0]} to {names[-1]}) are"


_TRANSPOSES = frozenset(("t", "mt", "transpose", "swapaxes", "swapdims", "permute"))


def _is_noise(call: Call) -> bool:
    word = _word(call)
    if call.mutated:
        return False
    read = {ref.value for ref in call.reads}
    if all(ref.value in read for ref in call.writes):
        return True
    if word in DROPOUTS:
        training = call.args[2] if len(call.args) > 2 else call.kwargs.get("training")
        return training is False
    return word in NOISE


def _word(call: Call) -> str:
    return call.target.rsplit(".", 1)[-1].strip("_").lower()


def _dtype_name(dtype: Any) -> str:
    name = str(dtype).removeprefix("torch.")
    name = _QUANTIZED.get(name, name)
    return "float8" if name.startswith("float8") else name


_QUANTIZED = {"qint8": "int8", "quint8": "uint8", "qint32": "int32", "quint4x2": "uint4"}
_DTYPES: dict[Any, str] = {}
