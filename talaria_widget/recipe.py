"""What a user decides, as data: options, and the ordered rules that give them to layers.

The last match wins. Everything here is immutable, hashable, and survives JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast

from talaria_widget.patterns import compile_pattern

Granularity = Literal["tensor", "channel", "block"]
Precision = Literal["float32", "float16", "bfloat16"]

VERSION = 1
BITS = (2, 3, 4, 5, 6, 7, 8)
SHORT = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


@dataclass(frozen=True, slots=True)
class Activations:
    """The activations that enter a layer are quantized too.

    Args:
        bits: bits per element.
        dynamic: scales computed while the model runs, instead of from calibration inputs.

    Raises:
        ValueError: `bits` is neither 8 nor 16.
    """

    bits: int = 8
    dynamic: bool = False

    def __post_init__(self) -> None:
        if self.bits not in (8, 16):
            raise ValueError(f"Activations(bits={self.bits!r}): pass 8 or 16.")


@dataclass(frozen=True, slots=True)
class Quantize:
    """Store weights as integers; with `activations`, compute in integers too.

    Args:
        bits: bits per weight, 2 to 8.
        granularity: one scale per "tensor", per output "channel", or per "block" of inputs.
        block_size: inputs that share a scale; only, and always, with granularity "block".
        symmetric: without zero points.
        activations: how activations are quantized, `None` to leave them alone.

    Raises:
        ValueError: a value outside those above.
        TypeError: `activations` is not an `Activations`.

    Example:
        >>> Quantize(4, granularity="block", block_size=32)
        Quantize(4, granularity="block", block_size=32)
    """

    bits: int = 8
    granularity: Granularity = field(default="channel", kw_only=True)
    block_size: int | None = field(default=None, kw_only=True)
    symmetric: bool = field(default=True, kw_only=True)
    activations: Activations | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.bits, bool) or self.bits not in BITS:
            raise ValueError(f"Quantize({self.bits!r}): bits must be one of {BITS}.")
        if self.granularity not in ("tensor", "channel", "block"):
            raise ValueError(
                f'Quantize(granularity={self.granularity!r}): pass "tensor", "channel" or "block".'
            )
        if self.granularity == "block" and self.block_size is None:
            object.__setattr__(self, "block_size", 32)
        if self.granularity != "block" and self.block_size is not None:
            raise ValueError(
                f'Quantize(block_size={self.block_size!r}) needs granularity="block", '
                f"not {self.granularity!r}."
            )
        if self.block_size is not None and (
            self.block_size < 16 or self.block_size & (self.block_size - 1)
        ):
            raise ValueError(
                f"Quantize(block_size={self.block_size!r}): pass a power of two, 16 or more."
            )
        if self.activations is not None and not isinstance(self.activations, Activations):
            raise TypeError(
                f"Quantize(activations={self.activations!r}): pass talaria.Activations(8)."
            )

    def __repr__(self) -> str:
        parts = [str(self.bits)]
        for f in fields(self)[1:]:
            value = getattr(self, f.name)
            if value != f.default:
                parts.append(f"{f.name}={_literal(value)}")
        return f"Quantize({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class Cast:
    """Store and compute in another floating-point precision.

    Args:
        dtype: "float16", "bfloat16" or "float32".

    Raises:
        ValueError: another dtype.
    """

    dtype: Precision

    def __post_init__(self) -> None:
        if self.dtype not in SHORT:
            raise ValueError(f"Cast({self.dtype!r}): pass one of {', '.join(map(repr, SHORT))}.")

    def __repr__(self) -> str:
        return f"Cast({_literal(self.dtype)})"


Option = Quantize | Cast | None
OPTION_TYPES: dict[str, type[Quantize] | type[Cast]] = {"Quantize": Quantize, "Cast": Cast}


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def option_label(option: Option, default: str = "default") -> str:
    """The short name an option goes by in tables: `int8`, `int8 w+a`, `int4 b32`, `fp16`."""
    if option is None:
        return default
    if isinstance(option, Cast):
        return SHORT[option.dtype]
    label = f"int{option.bits}"
    if option.granularity == "block":
        label += f" b{option.block_size}"
    elif option.granularity == "tensor":
        label += " per tensor"
    if not option.symmetric:
        label += " asym"
    if option.activations is not None:
        label += " dynamic" if option.activations.dynamic else " w+a"
        if option.activations.bits != 8:
            label += str(option.activations.bits)
    return label


def option_to_json(option: Option) -> dict[str, Any] | None:
    """An option as JSON data: its type's name beside its fields."""
    return None if option is None else {"type": type(option).__name__, **asdict(option)}


def option_from_json(data: Mapping[str, Any] | None) -> Option:
    """The option that `option_to_json` wrote.

    Raises:
        ValueError: a type or a field that this version does not know.
    """
    if data is None:
        return None
    values = dict(data)
    kind = values.pop("type", None)
    if kind not in OPTION_TYPES:
        raise ValueError(f"option type {kind!r} is not known; known: {', '.join(OPTION_TYPES)}.")
    if isinstance(values.get("activations"), Mapping):
        values["activations"] = Activations(**values["activations"])
    try:
        return OPTION_TYPES[kind](**values)
    except TypeError as error:
        raise ValueError(f"{kind} does not take {values!r}.") from error


def check_option(option: object) -> Option:
    """The same option, if it is one.

    Raises:
        TypeError: anything else, saying what to pass.
    """
    if option is None or isinstance(option, Quantize | Cast):
        return option
    raise TypeError(
        f"{option!r} is no option: pass talaria.Quantize(8), talaria.Quantize(8, "
        "activations=talaria.Activations(8)), talaria.Cast('float16') or None (the default)."
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """Give `option` to every layer that `match` names.

    Args:
        match: a name, a glob (`*` crosses dots, `?` is one character, a whole component
            `[1-5]` or `[0,2,4-6]` is a range of numbers), `"re:..."`, `"type:conv"`,
            `"class:Bottleneck"`, or a tuple of these.
        option: `Quantize(...)`, `Cast(...)`, or `None` for the device's default.
        enabled: a rule that is switched off stays in the recipe and does nothing.

    Raises:
        TypeError: a match that is no string, or an option that is none.
        ValueError: an empty match, or a regular expression that does not compile.
    """

    match: str | tuple[str, ...]
    option: Option
    enabled: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.match, list):
            object.__setattr__(self, "match", tuple(self.match))
        if not self.patterns:
            raise ValueError("a rule needs at least one name or pattern to match.")
        for pattern in self.patterns:
            if not isinstance(pattern, str):
                raise TypeError(f"a rule matches strings, not {pattern!r}.")
            if not pattern:
                raise ValueError("a rule cannot match an empty name.")
            compile_pattern(pattern)
        check_option(self.option)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The match as a tuple, whether one pattern or several."""
        return (self.match,) if isinstance(self.match, str) else tuple(self.match)


@dataclass(frozen=True, slots=True, init=False)
class Recipe:
    """An ordered list of rules; the last match wins.

    Args:
        rules: `Rule`s, or a mapping `{match: option}`, in order.
        edits: reserved; only `()` for now.
        strict: a rule that hits nothing raises; with `False` it is listed in the report.

    Raises:
        TypeError: rules that are neither.
        ValueError: edits, or a rule that cannot be (see `Rule`).

    Example:
        >>> recipe = Recipe({"*": Quantize(8), "layer1.*": None})
        >>> len(recipe), recipe.rules[1].option is None
        (2, True)
    """

    rules: tuple[Rule, ...]
    edits: tuple[()]
    strict: bool = field(compare=False)
    fingerprint: str | None = field(compare=False)

    def __init__(
        self,
        rules: Mapping[Any, Option] | Iterable[Rule] = (),
        edits: tuple[()] = (),
        *,
        strict: bool = True,
        fingerprint: str | None = None,
    ) -> None:
        if isinstance(rules, Recipe):
            rules = rules.rules
        if isinstance(rules, Mapping):
            made = tuple(Rule(match, option) for match, option in rules.items())
        elif isinstance(rules, str) or not isinstance(rules, Iterable):
            raise TypeError(
                f"Recipe({rules!r}): pass a mapping {{'layer1.*': talaria.Quantize(8)}} or Rules."
            )
        else:
            made = tuple(rules)
        for rule in made:
            if not isinstance(rule, Rule):
                raise TypeError(f"Recipe: {rule!r} is no talaria.Rule(match, option).")
        if edits:
            raise ValueError(f"Recipe(edits={edits!r}): edits are not supported yet; pass ().")
        object.__setattr__(self, "rules", made)
        object.__setattr__(self, "edits", ())
        object.__setattr__(self, "strict", strict)
        object.__setattr__(self, "fingerprint", fingerprint)

    def __len__(self) -> int:
        return len(self.rules)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    @property
    def enabled_rules(self) -> tuple[Rule, ...]:
        """The rules that are switched on."""
        return tuple(rule for rule in self.rules if rule.enabled)

    def replace(self, rules: Iterable[Rule]) -> Recipe:
        """The same recipe with other rules."""
        return Recipe(rules, strict=self.strict, fingerprint=self.fingerprint)

    def to_python(self, module: str = "talaria") -> str:
        """The recipe as code that makes it again (rules switched off are left out)."""
        rules = self.enabled_rules
        if not rules:
            return f"{module}.Recipe({{}})"
        sources = [(_literal_match(r.match), _option_source(r.option, module)) for r in rules]
        unique = len({match for match, _ in sources}) == len(sources)
        if unique:
            body = "".join(f"    {match}: {option},\n" for match, option in sources)
            return f"{module}.Recipe({{\n{body}}})"
        body = "".join(f"    {module}.Rule({match}, {option}),\n" for match, option in sources)
        return f"{module}.Recipe([\n{body}])"

    def to_json(self) -> str:
        """JSON text with a version and the fingerprint of the model it was made for."""
        rules = [
            {"match": r.match, "option": option_to_json(r.option), "enabled": r.enabled}
            for r in self.rules
        ]
        data = {
            "version": VERSION,
            "fingerprint": self.fingerprint,
            "strict": self.strict,
            "rules": rules,
        }
        return json.dumps(data, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The recipe that `to_json` wrote.

        Raises:
            ValueError: not such JSON, or a version newer than this package knows.
        """
        try:
            data = json.loads(text)
            version = data["version"]
            rows = data["rules"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError("this is no recipe: it needs `version` and `rules`.") from error
        if version != VERSION:
            raise ValueError(
                f"this recipe has version {version!r}, this package reads version {VERSION}."
            )
        try:
            rules = [
                Rule(
                    row["match"] if isinstance(row["match"], str) else tuple(row["match"]),
                    option_from_json(row["option"]),
                    bool(row.get("enabled", True)),
                )
                for row in rows
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("a rule of this recipe lacks `match` or `option`.") from error
        strict = bool(data.get("strict", True))
        return cls(rules, strict=strict, fingerprint=data.get("fingerprint"))

    def save(self, path: str | Path) -> Path:
        """Write the recipe as JSON; returns the path."""
        target = Path(path).expanduser()
        target.write_text(self.to_json() + "\n", encoding="utf-8")
        return target

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe that `save` wrote.

        Raises:
            FileNotFoundError: nothing at this path.
            ValueError: not a recipe.
        """
        return cls.from_json(Path(path).expanduser().read_text(encoding="utf-8"))


def _literal_match(match: str | tuple[str, ...]) -> str:
    if isinstance(match, str):
        return _literal(match)
    return "(" + ", ".join(map(_literal, match)) + ("," if len(match) == 1 else "") + ")"


def _option_source(option: Option, module: str) -> str:
    if option is None:
        return "None"
    return re.sub(r"\b(Quantize|Cast|Activations)\(", rf"{module}.\1(", repr(option))


def mapping_or_recipe(value: object) -> Recipe:
    """A `Recipe` of what a user passed: a recipe, a mapping, a list of rules, or `None`.

    Raises:
        TypeError: anything else.
    """
    if value is None:
        return Recipe()
    if isinstance(value, Recipe):
        return value
    return Recipe(cast("Mapping[Any, Option]", value))
