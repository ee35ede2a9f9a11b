"""What crosses to the browser: the messages' shapes, and how their bulk numbers are packed.

A packed message is: uint32 length of the header, the header (JSON, padded with spaces so that
the first block starts at a multiple of 8), then the blocks, float64 first, each padded to 8
bytes. All little-endian. `js/src/wire.ts` is generated from the TypedDicts here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

DTYPES = {"float64": 8, "float32": 4, "int32": 4, "uint8": 1}


class BlockHeader(TypedDict):
    """One array: offset in bytes from the start of the blocks."""

    name: str
    dtype: Literal["float64", "float32", "int32", "uint8"]
    shape: list[int]
    offset: int


class DeviceInfo(TypedDict):
    """A line of the device menu."""

    name: str
    title: str
    runtime: str
    provenance: Literal["measured", "modelled", "vendor"]
    threads: int | None


class RoofInfo(TypedDict):
    """What a device could do at most: operations by precision (two per MAC), and bytes."""

    ops_per_s: dict[str, float]
    bandwidth_bytes_per_s: float
    on_chip_bytes: float
    on_chip_bytes_per_s: float


class InputInfo(TypedDict):
    """An input of the model; `assumed` when its shape was invented."""

    name: str
    shape: list[int]
    dtype: str
    assumed: bool


class OptionInfo(TypedDict):
    """A column of the prices, as the menu names it."""

    label: str
    title: str
    python: str


class BlockInfo(TypedDict):
    """A part that repeats: its repeats as one pattern, how many, and the rows of each."""

    name: str
    count: int
    places: int


class ProgramMeta(TypedDict):
    """The rows of a model on a device, and the names that the price blocks refer to.

    Blocks, by name (R rows, S signatures, O options, W stored weights, T tensors, E edges,
    K cast sizes, P precisions): float64 `macs flops read_bytes write_bytes` (R, NaN unknown),
    `parameters` (R), `times` (R: runs in one forward, 0 not taken), `weight_bytes` (W x O),
    `tensor_size tensor_bytes` (T), `precision_bytes` (P); float32 `latency latency_low latency_high
    energy energy_low energy_high` (S x O), `cast_latency cast_latency_low cast_latency_high
    cast_energy cast_energy_low cast_energy_high` (K x P x P); int32 `row_signature` (R),
    `row_weight_start` (R + 1), `row_weight`, `weight_leader` (W), `tensor_row tensor_last
    tensor_cast tensor_reuse` (T), `edge_row edge_tensor` (E), `column_precision` (O),
    `block_rows` (of every block, count x places: the row at each place of each repeat, -1 for
    none); uint8 `provenance` (S x O: 0 modelled, 1 measured, 2 vendor), `gives refusal` (S x O),
    `weight_refusal` (W x O), `bound` (S x O: 0 compute, 1 memory, 2 dispatch, 3 unknown),
    `cast_provenance` (K x P x P). `change_bands` holds the half-width of a changed row's ratio,
    and of a correction, by provenance. `stored_precisions` says what a row computes in where the
    model itself fixes it ("int8"), else nothing. `shapes` and `dtypes` are of what a row gives,
    `input_shapes` of what it reads; `settings` its kernel, stride, dilation and groups as text.
    """

    revision: int
    model: str
    framework: str
    fingerprint: str
    device: DeviceInfo
    devices: list[DeviceInfo]
    roofs: RoofInfo
    container: str
    latency_band: float
    energy_factor: float
    inputs: list[InputInfo]
    assumed: list[str]
    notes: list[str]
    parameters: int
    operations: int
    counted: int
    uncounted: dict[str, int]
    time_coverage: float | None
    names: list[str]
    kinds: list[str]
    labels: list[str]
    stored_precisions: list[str]
    paths: list[str]
    shapes: list[str]
    input_shapes: list[str]
    dtypes: list[str]
    settings: list[str]
    sources: list[str]
    ops: list[list[str]]
    modules: dict[str, str]
    blocks: list[BlockInfo]
    weight_names: list[str]
    options: list[OptionInfo]
    precisions: list[str]
    reasons: list[str]
    change_bands: list[float]
    corrections: list[CorrectionInfo]


class CorrectionInfo(TypedDict):
    """What a runtime's graph rules add when every row runs in one of its columns."""

    rows: list[int]
    columns: list[list[int]]
    latency_s: float
    energy_j: float
    note: str
    provenance: int


class RefusalInfo(TypedDict):
    """A choice that this device cannot run, and how it runs instead."""

    row: str
    option: str
    reason: str
    runs_as: str


class ChangeInfo(TypedDict):
    """Latency after over before, with a band of its own: exactly 1 where nothing changed."""

    ratio: float
    low: float
    high: float


class ReportMeta(TypedDict):
    """What the recipe costs. Answers program `program`, recipe `recipe`, command `sequence`.

    Blocks: int32 `choice` (W), `column` (R); uint8 `mixed` (R); float64 `memory_bytes` (R); casts
    as int32 `cast_tensor cast_source cast_target cast_row`. What rows, weights and casts cost is
    a matter of looking up the program's prices.
    Totals, baseline and estimated hold `latency_s energy_j latency_s_change` each with `_low` and
    `_high`, `size_bytes`, `peak_memory_bytes`, `macs`, `flops`, `parameters`; null is unknown.
    Totals are the best known, and `change` is theirs: where `measured`, of the whole really run,
    which `difference_s` sets against the sum of its rows (`estimated`). Sources are clauses for
    people.
    """

    program: int
    recipe: int
    sequence: int
    totals: dict[str, float | None]
    baseline: dict[str, float | None]
    estimated: dict[str, float | None]
    measured: bool
    difference_s: float | None
    change: ChangeInfo | None
    unknown_rows: int
    corrections: list[int]
    provenance: Literal["measured", "partly measured", "modelled", "vendor"]
    latency_source: str
    energy_source: str
    refused: list[RefusalInfo]
    notes: list[str]


class RuleInfo(TypedDict):
    """A rule of the recipe, and the rows and stored weights of the layers that it matches.

    The last rule that is switched on and names a weight decides it.
    """

    match: list[str]
    option: str
    python: str
    enabled: bool
    rows: list[int]
    weights: list[int]


class RecipeState(TypedDict):
    """The recipe and its history."""

    revision: int
    rules: list[RuleInfo]
    python: str
    can_undo: bool
    can_redo: bool


class Measuring(TypedDict):
    """Where a measurement stands: `done` of `total` steps; `eta_s` null until it can be told."""

    state: Literal["waiting", "baseline", "kernels", "recipe", "done", "stopped", "failed"]
    text: str
    done: int
    total: int
    eta_s: float | None


class Status(TypedDict):
    """What Python has to say. `error` and `notice` are sentences, or empty."""

    error: str
    notice: str
    sequence: int
    measuring: Measuring | None


class MarkCommand(TypedDict):
    """Give the rows of these names the option of this column."""

    kind: Literal["mark"]
    sequence: int
    rows: list[str]
    option: int


class RuleCommand(TypedDict):
    """Change one rule of the list; `to` is the new place, for `move` alone."""

    kind: Literal["rule"]
    sequence: int
    action: Literal["enable", "disable", "delete", "move"]
    index: int
    to: int
    recipe: int


class MatchCommand(TypedDict):
    """Let a rule match other names or patterns."""

    kind: Literal["rule"]
    sequence: int
    action: Literal["match"]
    index: int
    match: list[str]
    recipe: int


class OptionCommand(TypedDict):
    """Give a rule the option of this column."""

    kind: Literal["rule"]
    sequence: int
    action: Literal["option"]
    index: int
    option: int
    recipe: int


class AddCommand(TypedDict):
    """A new rule at the end of the list."""

    kind: Literal["rule"]
    sequence: int
    action: Literal["add"]
    match: list[str]
    option: int
    recipe: int


class HitsCommand(TypedDict):
    """Ask what a rule of these names or patterns would hit: nothing changes."""

    kind: Literal["hits"]
    sequence: int
    match: list[str]


class HitsAnswer(TypedDict):
    """The rows of program `program` that it would hit, or in `error` why it can hit none."""

    kind: Literal["hits"]
    sequence: int
    program: int
    rows: list[int]
    error: str


class DetailsCommand(TypedDict):
    """Ask for all that is known of a row: nothing changes."""

    kind: Literal["details"]
    sequence: int
    row: str


class FormulaInfo(TypedDict):
    """A count as a sum of products: what is multiplied, with which numbers, and what it gives."""

    words: str
    numbers: str
    value: float
    unit: Literal["MAC", "FLOP"]


class OpDetails(TypedDict):
    """An op of a row. `inputs` and `outputs` are dtype and shape; null counts are unknown."""

    name: str
    kind: str
    target: str
    source: str
    times: int | None
    inputs: list[str]
    outputs: list[str]
    macs: float | None
    flops: float | None
    formulas: list[FormulaInfo]


class WeightDetails(TypedDict):
    """A weight that the device's container stores for a row."""

    name: str
    shape: str
    dtype: str


class LatencyParts(TypedDict):
    """A run of a row by formula: max(compute, memory) + unpacking + dispatch; null is unknown."""

    times: float | None
    compute_s: float | None
    macs: float | None
    macs_per_s: float | None
    rest: float | None
    rest_per_s: float | None
    memory_s: float | None
    activation_bytes: float | None
    activation_bytes_per_s: float | None
    weight_bytes: float | None
    weight_bytes_per_s: float | None
    exposed: float
    unpacking_s: float | None
    dispatch_s: float


class KernelInfo(TypedDict):
    """A row in an option's form beside its present one, timed in the same sweeps."""

    ratio: float
    sweeps: int
    spread: float


class MeasuredParts(TypedDict):
    """What a measured row comes from: its share of `whole_s`, times the ratio of its kernel."""

    whole_s: float
    noise: float
    rounds: int
    runtime: str
    kernels: list[KernelInfo | None]


class ExcerptInfo(TypedDict):
    """Lines of the user's code from `first` on; `marked` are those of the calls."""

    file: str
    first: int
    lines: list[str]
    marked: list[int]
    note: str


class DetailsAnswer(TypedDict):
    """A row of program `program`; `latency` is by option. Of what is not there `error` says why.

    `source_note` says why there are no lines of code.
    """

    kind: Literal["details"]
    sequence: int
    program: int
    row: str
    error: str
    ops: list[OpDetails]
    weights: list[WeightDetails]
    latency: list[LatencyParts]
    measured: MeasuredParts | None
    excerpt: ExcerptInfo | None
    source_note: str


class HistoryCommand(TypedDict):
    """Step through the history, or start again with no rule."""

    kind: Literal["undo", "redo", "reset"]
    sequence: int


class Nudge(TypedDict):
    """Sent soon after a command, for the sake of the connection alone: nothing is carried out."""

    kind: Literal["nudge"]


class MeasureCommand(TypedDict):
    """Measure now, or stop and stay so."""

    kind: Literal["measure", "stop"]
    sequence: int


Command = (
    MarkCommand
    | RuleCommand
    | MatchCommand
    | OptionCommand
    | AddCommand
    | HitsCommand
    | DetailsCommand
    | HistoryCommand
    | MeasureCommand
)


def encode(meta: Mapping[str, Any], blocks: Mapping[str, NDArray[Any]]) -> bytes:
    """Pack a message.

    Raises:
        TypeError: a block of another dtype than the four of the format.
    """
    order = sorted(blocks, key=lambda name: -DTYPES.get(blocks[name].dtype.name, 0))
    headers: list[BlockHeader] = []
    payload: list[bytes] = []
    offset = 0
    for name in order:
        block = blocks[name]
        dtype = block.dtype.name
        if dtype not in DTYPES:
            raise TypeError(f"block {name!r} is {dtype}; the wire carries {', '.join(DTYPES)}.")
        data = np.ascontiguousarray(block, block.dtype.newbyteorder("<")).tobytes()
        headers.append(
            {"name": name, "dtype": dtype, "shape": list(block.shape), "offset": offset}  # type: ignore[typeddict-item]  # checked above
        )
        padded = data + b"\0" * (-len(data) % 8)
        payload.append(padded)
        offset += len(padded)
    header = json.dumps({"meta": meta, "blocks": headers}, allow_nan=False).encode()
    header += b" " * (-(4 + len(header)) % 8)
    return b"".join([len(header).to_bytes(4, "little"), header, *payload])


def decode(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Unpack what `encode` packed: the meta data, and read-only arrays."""
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    start = 4 + length
    blocks: dict[str, NDArray[Any]] = {}
    for block in header["blocks"]:
        dtype = np.dtype(block["dtype"]).newbyteorder("<")
        count = int(np.prod(block["shape"], dtype=np.int64))
        flat = np.frombuffer(data, dtype, count, start + block["offset"])
        blocks[block["name"]] = flat.reshape(block["shape"])
    return header["meta"], blocks
