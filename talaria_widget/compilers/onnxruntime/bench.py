"""A model under measurement on this machine: its baseline, its kernels, its recipes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from talaria_widget.compilers.cache import Cache, machine
from talaria_widget.compilers.machine import runtime_version
from talaria_widget.compilers.menu import menu
from talaria_widget.compilers.observed import Baseline, KernelTime, Node, Timing, Whole
from talaria_widget.compilers.onnxruntime.casts import passes
from talaria_widget.compilers.onnxruntime.child import ChildDied, ChildRefused
from talaria_widget.compilers.onnxruntime.forms import Edge
from talaria_widget.compilers.onnxruntime.kernels import SWEEPS, Table, revision
from talaria_widget.compilers.onnxruntime.learning import calmest, compare, kernels_of, refused
from talaria_widget.compilers.onnxruntime.payloads import Building, Seen
from talaria_widget.compilers.onnxruntime.plan import Unit, builds, fetch, is_static
from talaria_widget.compilers.onnxruntime.prices import measured_prices
from talaria_widget.compilers.onnxruntime.process import Process
from talaria_widget.compilers.onnxruntime.remembered import (
    baseline_from,
    edges_from,
    paces_from,
    profiles_from,
    to_bytes,
    whole_from,
)
from talaria_widget.compilers.onnxruntime.rows import (
    Measured,
    file_nodes,
    measured_program,
    seconds_again,
)
from talaria_widget.compilers.onnxruntime.standin import inputs_of
from talaria_widget.compilers.onnxruntime.timing import PACE, quantile
from talaria_widget.compilers.onnxruntime.unchanged import Unchanged
from talaria_widget.graph import Graph
from talaria_widget.hardware import Device
from talaria_widget.prices import Prices
from talaria_widget.program import Program
from talaria_widget.recipe import Option
from talaria_widget.rewrite.draft import given_inputs
from talaria_widget.rewrite.source import Source

BASELINE_S = 2.0
SWEEP_S = 2.0
WHOLE_S = 2.0
ROUNDS = 6
MOST_SWEEPS = 2 * SWEEPS
"""Of one option in one bench: what no sweep sees is not looked for again and again."""
MOST_EDGES, MOST_PROFILES, MOST_PACES = 1000, 16, 64
_T = TypeVar("_T")


class Bench:
    """A model under measurement on this machine."""

    def __init__(self, graph: Graph, source: Source, device: Device, cache: Cache) -> None:
        """No process is started yet.

        Args:
            graph: the model.
            source: the same model as the runtime reads it.
            device: this machine.
            cache: where prices are kept.
        """
        self._graph, self._source, self._device = graph, source, device
        self._cache = cache
        threads = device.threads or 1
        inputs = dict(inputs_of(graph, source.skeleton))
        self._process = Process(source.skeleton, inputs, threads, source.given)
        self._key = f"{machine(threads)}|{revision()}|model|{self._process.digest}"
        self._table = Table(cache, threads)
        self._measured: Measured | None = None
        self._baseline: Baseline | None = None
        self._edges: list[Edge] = self._recall("edges", edges_from) or []
        self._profiles: list[tuple[float, ...]] = []
        self._paces: list[float] = []
        self._file: tuple[Node, ...] = ()
        self._mixed = 0
        self._swept: Counter[Option] = Counter()
        self._unchanged = Unchanged()

    def compile(self) -> Program:
        """The program of the rows that the runtime really runs, its baseline measured.

        Raises:
            UnsupportedModelError: the runtime cannot run it, or there is no room to.
            ChildDied: the measuring process ended.
            Stopped: `stop` was called.
        """
        found = self._recall("baseline", baseline_from)
        if found is None:
            found = self._observe()
            self._keep("baseline", found)
        self._paces = self._recall("paces", paces_from) or [found.timing.seconds]
        self._baseline = _paced(found, self._paces)
        self._file = file_nodes(self._source.skeleton)
        measured = self._rows_of(found.nodes)
        kept = self._recall("profiles", profiles_from) or []
        alike = [each for each in kept if len(each) == len(measured.seconds)]
        self._profiles = alike or [measured.seconds]
        self._measured = replace(measured, seconds=calmest(self._profiles))
        return measured.program

    @property
    def observed(self) -> Baseline | None:
        """The baseline, once it was measured."""
        return self._baseline

    def kernel(self, signature: str, option: Option) -> KernelTime | None:
        """A task of this signature in an option's form, if it was timed."""
        found = self._table.known.get((signature, option))
        return found.time if found is not None and found.ratios else None

    def price(self, program: Program, asked: Sequence[Option]) -> Prices:
        """Prices from all that was measured so far; measures nothing."""
        measured, baseline = self._state()
        fetch(self._table, program, menu(program, asked))
        return measured_prices(
            measured,
            baseline.timing.seconds,
            baseline.timing.noise,
            baseline.energy_j,
            dict(self._table.known),
            passes(list(self._edges)),
            asked,
            self._unchanged,
        )

    def sweep(self, program: Program, asked: Sequence[Option]) -> Iterator[tuple[int, int, str]]:
        """One sweep over what is not measured often enough: done, of how many builds, and which.

        An option whose kernel kills the runtime, or that it refuses, is tried with fewer
        weights until it is known which ones; those are marked.

        Raises:
            Stopped: `stop` was called.
        """
        units = [
            unit
            for unit in builds(program, asked, self._table, mixed=self._mixed == 0)
            if self._swept[unit.option] < MOST_SWEEPS
        ]
        for done, unit in enumerate(units):
            step = (done, len(units), unit.label)
            yield step
            self._swept[unit.option] += unit.every == 1
            for _ in self._measure(program, unit):
                yield step
        if units:
            yield len(units), len(units), ""

    def whole(self, options: Mapping[str, Option]) -> Whole:
        """The recipe really built, and timed against the baseline.

        Raises:
            ChildRefused: it cannot be built, or the runtime refuses it.
            ChildDied: the measuring process ended.
            Stopped: `stop` was called.
        """
        _, baseline = self._state()
        key = f"whole|{hashlib.sha256(repr(sorted(options.items())).encode()).hexdigest()}"
        found = self._recall(key, whole_from)
        if found is not None:
            return found.to_baseline(baseline.timing.seconds)
        building = Building(dict(options), dict(self._source.weights), WHOLE_S, 8)
        base, built, noise = self._at_pace(building)
        baseline = self._settle(base.seconds)
        seconds = baseline.timing.seconds * built.seconds / base.seconds
        energy = baseline.energy_j
        found = Whole(
            seconds,
            seconds * max(1 - noise, 0.0),
            seconds * (1 + noise),
            None if energy is None else energy * built.seconds / base.seconds,
            built.rounds,
            baseline.timing.seconds,
        )
        self._keep(key, found)
        return found

    def _at_pace(self, building: Building) -> tuple[Timing, Timing, float]:
        """A recipe beside the baseline; once more where this was slower than it is known to be."""
        _, baseline = self._state()
        first: tuple[Timing, Timing, float] = self._process.ask("whole", building)
        if first[0].seconds <= (1 + PACE) * baseline.timing.seconds:
            return first
        second: tuple[Timing, Timing, float] = self._process.ask("whole", building)
        return min(first, second, key=lambda found: found[0].seconds)

    def stop(self) -> None:
        """Break off what is being measured; from any thread."""
        self._process.stop()

    def close(self) -> None:
        """Let the process go; another is started when it is needed."""
        self._process.close()

    # ------------------------------------------------------------------ measuring

    def _observe(self) -> Baseline:
        try:
            one, other, noise, nodes, energy = self._process.ask("baseline", BASELINE_S)
        except ChildRefused as error:
            raise self._process.unsupported(error) from error
        seconds = (one.seconds + other.seconds) / 2
        timing = Timing(seconds, noise, one.rounds + other.rounds)
        return Baseline(timing, tuple(nodes), energy, f"ONNX Runtime {runtime_version()}")

    def _rows_of(self, nodes: Sequence[Node]) -> Measured:
        return measured_program(self._graph, self._device, self._source, nodes)

    def _measure(self, program: Program, unit: Unit) -> Iterator[None]:
        """The kernels of one build, without those that the runtime does not survive."""
        weights = unit.weights[:: unit.every]
        is_again = False
        while weights:
            try:
                seen = self._process.ask("sweep", self._building(weights, unit.option))
            except (ChildDied, ChildRefused) as error:
                if unit.every > 1:
                    self._mixed += 1
                    return
                found: dict[str, str] = {}
                yield from self._search(weights, unit.option, found)
                if not found and not is_again:
                    is_again = True  # whoever killed the process, it was none of these
                    continue
                # All of them run alone, and not together: none may be chosen.
                found = found or dict.fromkeys(weights, str(error))
                self._table.add(refused(program, found, unit.option))
                weights = tuple(weight for weight in weights if weight not in found)
                yield
                is_again = False
                continue
            self._learn(program, unit, set(weights), seen)
            return

    def _search(
        self, weights: tuple[str, ...], option: Option, found: dict[str, str]
    ) -> Iterator[None]:
        """Which of these weights cannot be built or run, by halves; `found` gets the reasons."""
        waiting = [weights]
        while waiting:
            group = waiting.pop()
            try:
                self._process.ask("attempt", self._building(group, option))
            except (ChildDied, ChildRefused) as error:
                if len(group) == 1:
                    found[group[0]] = str(error)
                else:
                    half = len(group) // 2
                    waiting += [group[half:], group[:half]]
            yield

    def _building(self, weights: Iterable[str], option: Option) -> Building:
        chosen = dict.fromkeys(weights, option)
        return Building(chosen, dict(self._source.weights), SWEEP_S, ROUNDS)

    def _learn(self, program: Program, unit: Unit, chosen: set[str], seen: Seen) -> None:
        measured, baseline = self._state()
        inputs = given_inputs(self._source.skeleton)
        static = is_static(unit.option)
        whole_s = self._settle(seen.base_s).timing.seconds
        again = seconds_again(measured, baseline.nodes, seen.base)
        again = again or self._rows_of(seen.base).seconds
        if len(again) == len(measured.seconds):
            self._profiles = [*self._profiles, again][-MOST_PROFILES:]
            measured = self._measured = replace(measured, seconds=calmest(self._profiles))
        pair = compare(measured, self._file, seen, inputs, whole_s)
        self._keep("profiles", self._profiles)
        if static:
            self._edges = (self._edges + list(pair.edges))[-MOST_EDGES:]
            self._keep("edges", self._edges)
        if unit.every > 1:
            self._mixed += 1
        else:
            self._table.add(kernels_of(program, pair, chosen, unit.option, static))

    def _settle(self, base_s: float) -> Baseline:
        """The baseline, timed once more beside another build.

        Where somebody was beside it all along the first time, that was no pace of its own.
        """
        _, baseline = self._state()
        self._paces = [*self._paces, base_s][-MOST_PACES:]
        self._baseline = _paced(baseline, self._paces)
        self._keep("paces", self._paces)
        return self._baseline

    def _state(self) -> tuple[Measured, Baseline]:
        if self._measured is None or self._baseline is None:
            self.compile()
        assert self._measured is not None
        assert self._baseline is not None
        return self._measured, self._baseline

    def _recall(self, what: str, read: Callable[[bytes], _T | None]) -> _T | None:
        data = self._cache.get(f"{self._key}|{what}")
        return None if data is None else read(data)

    def _keep(self, what: str, value: object) -> None:
        self._cache.put(f"{self._key}|{what}", to_bytes(value))


def _paced(baseline: Baseline, paces: Sequence[float]) -> Baseline:
    """A baseline at the pace that was settled at: the lower quartile of all that were seen."""
    return replace(baseline, timing=replace(baseline.timing, seconds=quantile(paces)))
