"""Who gets which option: a recipe resolved against a graph and a device, in one place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from talaria_widget import storage
from talaria_widget.graph import Graph, Tensor
from talaria_widget.hardware import Device
from talaria_widget.patterns import compile_pattern
from talaria_widget.recipe import Cast, Option, Recipe, Rule, option_label
from talaria_widget.storage.weight import BODY, INSIDE


@dataclass(frozen=True, slots=True)
class Refusal:
    """A choice that the device or its container cannot carry out."""

    name: str
    weight: str
    option: Option
    reason: str
    runs_as: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One option per weight; weights that are not named run as the device's default.

    `hits` holds, per rule of the recipe, the indices of the ops with weights that it matches
    (empty for a rule that is switched off and matches nothing).
    """

    options: Mapping[str, Option]
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]
    hits: tuple[tuple[int, ...], ...]


Form = tuple[tuple[int, ...] | None, str, int, frozenset[str], frozenset[str]]
"""Shape, dtype, output axis, kinds of users and words of the recurrent ones: weights alike in
these take the same options."""


@dataclass(frozen=True, slots=True)
class Index:
    """A graph's names, ready to be matched: by exact name, and per op what patterns see.

    `owners` are the ops with weights, `users` the ops of each weight, `form` the number of its
    form among `forms`.
    """

    graph: Graph
    exact: Mapping[str, tuple[int, ...]]
    classes: tuple[tuple[str, ...], ...]
    owners: Mapping[int, str]
    users: Mapping[str, tuple[int, ...]]
    form: Mapping[str, int]
    forms: tuple[Form, ...]


def index(graph: Graph) -> Index:
    """What `resolve` looks up in a graph; made once per graph."""
    exact: dict[str, list[int]] = {}
    users: dict[str, list[int]] = {}
    owners: dict[int, str] = {}
    classes: list[tuple[str, ...]] = []
    for i, op in enumerate(graph.ops):
        base = op.name.rpartition("#")
        names = {op.name} | ({base[0]} if base[0] and base[2].isdigit() else set())
        for name in names:
            exact.setdefault(name, []).append(i)
        weights = () if op.is_view else op.weights
        mains = [w for w in weights if graph.tensors[w].role == "weight"]
        for weight in mains:
            users.setdefault(weight, []).append(i)
        if mains:
            owners[i] = op.name
        classes.append(_enclosing_classes(op.path, graph.modules))
    forms = {name: _form(graph, name, ops) for name, ops in users.items()}
    number = {form: i for i, form in enumerate(dict.fromkeys(forms.values()))}
    return Index(
        graph,
        {name: tuple(ops) for name, ops in exact.items()},
        tuple(classes),
        owners,
        {name: tuple(ops) for name, ops in users.items()},
        {name: number[form] for name, form in forms.items()},
        tuple(number),
    )


def _form(graph: Graph, weight: str, users: Collection[int]) -> Form:
    tensor = graph.tensors[weight]
    kinds = frozenset(graph.ops[i].kind for i in users)
    return tensor.shape, tensor.dtype, axis(tensor), kinds, words(graph, weight, users)


def _enclosing_classes(path: str, modules: Mapping[str, str]) -> tuple[str, ...]:
    if not modules:
        return ()
    parts = path.split(".")
    paths = [".".join(parts[: i + 1]) for i in range(len(parts))] if path else []
    return tuple(modules[p] for p in ["", *paths] if p in modules)


def resolve(names: Index, recipe: Recipe, device: Device) -> Choice:
    """One option per weight: the last rule that matches any of its users wins.

    Raises:
        ValueError: a rule that is switched on matches no layer that has weights, and the
            recipe is strict.
    """
    graph = names.graph
    notes: list[str] = []
    if recipe.fingerprint not in (None, graph.fingerprint):
        notes.append("this recipe was made for a model of other names or shapes.")
    hits: list[tuple[int, ...]] = []
    last: dict[int, int] = {}
    for number, rule in enumerate(recipe.rules):
        found = _hits(names, rule)
        hits.append(found)
        if not rule.enabled:
            continue
        if not found:
            sentence = _miss(names, rule)
            if recipe.strict:
                raise ValueError(sentence)
            notes.append(sentence)
        for op in found:
            last[op] = number
    options: dict[str, Option] = {}
    refused: list[Refusal] = []
    known: dict[tuple[int, int], tuple[str, bool]] = {}
    for weight, users in names.users.items():
        deciding = [last[op] for op in users if op in last]
        if not deciding:
            continue
        number = max(deciding)
        if len(deciding) > 1 and len({recipe.rules[n].option for n in deciding}) > 1:
            notes.append(
                f"{weight} is shared by layers that rules treat differently: the last rule wins."
            )
        option = recipe.rules[number].option
        key = (number, names.form[weight])
        if key not in known:
            form = names.forms[key[1]]
            known[key] = refusal(form, option, device), _is_default(option, form[1], device)
        reason, idle = known[key]
        if reason:
            name = graph.ops[users[0]].name
            refused.append(Refusal(name, weight, option, reason, device.default.label))
        elif not idle:
            options[weight] = option
    return Choice(options, tuple(refused), tuple(notes), tuple(hits))


def _is_default(option: Option, dtype: str, device: Device) -> bool:
    """Whether an option asks for nothing but what happens anyway."""
    if isinstance(option, Cast) and device.baseline == "stored":
        return option.dtype == dtype
    return option is None or device.find(option) is device.default


def refusal(form: Form, option: Option, device: Device) -> str:
    """Why a weight of this form cannot take an option on a device, or an empty text."""
    if option is None:
        return ""
    entry = device.find(option)
    if entry is None:
        offered = ", ".join(m.label for m in device.menu if not m.reason)
        return f"{option_label(option)} is not on this device's menu ({offered})"
    if entry is device.default:
        return ""
    if entry.reason:
        return entry.reason
    shape, dtype, channel_axis, kinds, words = form
    if not kinds <= entry.kinds:
        return entry.kinds_reason or f"not for {', '.join(sorted(kinds - entry.kinds))}"
    if shape is None:
        return "the shape of this weight is unknown"
    kind = main_kind(kinds)
    return storage.refusal(device.container, shape, dtype, channel_axis, kind, option, words) or ""


def words(graph: Graph, weight: str, users: Collection[int]) -> frozenset[str]:
    """What containers ask of a weight beside its form: the words of recurrent ops among its
    users, and whether one of them stands, or the weight itself lies, in a branch or loop.
    """
    ops = [graph.ops[i] for i in users]
    found = {op.word for op in ops if op.kind == "recurrent"}
    found |= {BODY for op in ops if "body" in op.attrs}
    found |= {INSIDE for op in ops if weight in op.attrs.get("inside", ())}
    return frozenset(found)


def axis(tensor: Tensor) -> int:
    """A weight's output axis; the first one where none is given."""
    return 0 if tensor.channel_axis is None else tensor.channel_axis


def main_kind(kinds: Collection[str]) -> str:
    """The kind that decides how a shared weight is stored: a computing one, if there is any."""
    computing = sorted(set(kinds) - {"embedding"})
    return computing[0] if computing else "embedding"


def matched(names: Index, rule: Rule) -> tuple[int, ...]:
    """The ops with weights that a rule matches, in order.

    Raises:
        ValueError: there are none.
    """
    found = _hits(names, rule)
    if not found:
        raise ValueError(_miss(names, rule))
    return found


def _hits(names: Index, rule: Rule) -> tuple[int, ...]:
    """The ops with weights that a rule matches, in order."""
    graph = names.graph
    owners = names.owners
    if "*" in rule.patterns and "*" not in names.exact:
        return tuple(owners)
    found: set[int] = set()
    for pattern in rule.patterns:
        if pattern in names.exact:
            found.update(i for i in names.exact[pattern] if i in owners)
            continue
        matches = compile_pattern(pattern)
        found.update(
            i
            for i in names.owners
            if matches(graph.ops[i].name, graph.ops[i].kind, names.classes[i])
        )
    return tuple(sorted(found))


def _miss(names: Index, rule: Rule) -> str:
    """The sentence for a rule that finds no layer with weights."""
    graph = names.graph
    shown = rule.match if isinstance(rule.match, str) else ", ".join(rule.match)
    matchers = [compile_pattern(p) for p in rule.patterns]

    def any_match(name: str, kind: str = "", classes: tuple[str, ...] = ()) -> bool:
        return any(m(name, kind, classes) for m in matchers) or name in rule.patterns

    ops = zip(graph.ops, names.classes, strict=True)
    if any(any_match(op.name, op.kind, classes) for op, classes in ops):
        return f"rule {shown!r} matches only operations without weights; rules are for layers."
    stems = {name.removesuffix(".weight") for name in graph.unused}
    if any(any_match(stem) for stem in stems):
        return f"rule {shown!r} matches a layer that exists and does not run with these inputs."
    known = [graph.ops[i].name for i in names.owners]
    if any(name == shown or name.startswith(shown + ".") for name in known):
        return f"rule {shown!r} matches no layer; for all layers in it write {shown + '.*'!r}."
    close = get_close_matches(shown, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else "the report's to_frame() lists the names."
    return f"rule {shown!r} matches no layer of {graph.name}; {hint}"
