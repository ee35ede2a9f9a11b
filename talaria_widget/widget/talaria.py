"""The widget: a model's report in a notebook, changed by clicks and by code alike.

State comes down in packed messages, commands go up. Python owns the recipe and its history.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from talaria_widget import messages, pipeline
from talaria_widget.choice import index, resolve
from talaria_widget.graph import Graph
from talaria_widget.hardware import Device, device, devices
from talaria_widget.history import History, with_rule
from talaria_widget.measuring import Event
from talaria_widget.origin import Origin
from talaria_widget.pipeline import Compiled
from talaria_widget.recipe import Option, Recipe, Rule, check_option, mapping_or_recipe
from talaria_widget.report import Report
from talaria_widget.widget import display
from talaria_widget.widget.behind import Behind
from talaria_widget.widget.checks import BY_CODE, BY_PAGE, carried, patterns, seconds_to_wait
from talaria_widget.widget.commands import COMMANDS, NUDGE, QUESTIONS, at_any_time
from talaria_widget.wire import Status

STATIC = Path(__file__).parents[1] / "static"


class Talaria(anywidget.AnyWidget):
    """A model on a device, its costs, and a recipe that clicks and code change alike.

    `recipe`, `device`, `selection` (row names) and `targets` (SI units) are read and set, and
    the page follows; `report` is read.

    Example:
        >>> import talaria_widget as talaria
        >>> w = talaria.show("model.onnx")  # doctest: +SKIP
        >>> w.mark("fc", talaria.Quantize(8))  # doctest: +SKIP
        >>> w.report.totals["size_bytes"]  # doctest: +SKIP
    """

    _esm = STATIC / "widget.js"
    _css = STATIC / "widget.css"

    _program = traitlets.Bytes().tag(sync=True)
    _report = traitlets.Bytes().tag(sync=True)
    _recipe = traitlets.Dict().tag(sync=True)
    _status = traitlets.Dict().tag(sync=True)
    device = traitlets.Any().tag(sync=True)
    device.allow_none = False  # or None would be taken unasked; it is this machine
    selection = traitlets.List(traitlets.Unicode()).tag(sync=True)
    targets = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        graph: Graph,
        on: Device,
        recipe: Recipe,
        *,
        origin: Origin | None = None,
        measure: bool = True,
        notice: str = "",
        **traits: Any,
    ) -> None:
        self._lock = threading.RLock()
        self._graph = graph
        self._names = index(graph)
        self._behind = Behind(graph, self._names, origin, _weakly(self))
        self._behind.turn_to(on)
        self._own_devices = {on.name: on}
        self._history = History((recipe,))
        self._sequence = 0
        self._revisions = {"program": 0, "recipe": 0}
        self._saved: Callable[[Recipe], None] = lambda _recipe: None
        self._compiled = self._behind.compile(on, recipe)
        self._now = self._behind.report(self._compiled, recipe)
        super().__init__(
            device=on.name,
            _program=self._program_message(),
            _report=self._report_message(),
            _recipe=self._recipe_state(),
            _status=self._state(notice=notice),
            **traits,
        )
        at_any_time(self.comm)
        self.on_msg(self._command)
        self._behind.want(self._now)
        self._behind.start() if measure else self._behind.let_go()

    # ------------------------------------------------------------- what the user reads and sets

    @property
    def report(self) -> Report:
        """The report of the present recipe on the present device."""
        return self._now

    @property
    def recipe(self) -> Recipe:
        """The present recipe; setting it (a recipe, or a mapping) is a step of the history.

        Raises:
            ValueError: a rule matches no layer.
            TypeError: neither recipe nor mapping.
        """
        recipe = self._history.now
        return Recipe(recipe.rules, strict=recipe.strict, fingerprint=self._graph.fingerprint)

    @recipe.setter
    def recipe(self, value: object) -> None:
        recipe = mapping_or_recipe(value)
        with self._lock:
            self._turn(self._history.do(recipe))

    def mark(self, match: str | Sequence[str], option: Option) -> None:
        """Give an option to the layers that match: one rule, one step of the history.

        Args:
            match: names or patterns (see `Rule`).
            option: `Quantize(...)`, `Cast(...)`, or `None` for the device's default.

        Raises:
            ValueError: it matches no layer.
            TypeError: no option, or no text to match.
        """
        rule = Rule(patterns(match), check_option(option))
        with self._lock:
            recipe = self._history.now
            probe = recipe.replace((*recipe.rules, rule))
            choice = resolve(self._names, probe, self._compiled.program.device)
            hits = [frozenset(found) for found in choice.hits]
            self._turn(self._history.do(with_rule(recipe, rule, hits)))

    def undo(self) -> None:
        """One step back in the history; at its start nothing happens."""
        with self._lock:
            self._turn(self._history.undo())

    def redo(self) -> None:
        """One step forward in the history; at its end nothing happens."""
        with self._lock:
            self._turn(self._history.redo())

    # ----------------------------------------------------------------------- what is measured

    def measure(self) -> None:
        """Measure on this machine, behind; nothing happens on a device that is only modelled.

        After `stop`, goes on where it was.
        """
        self._behind.start(asked=True)
        self._measured("state")

    def stop(self) -> None:
        """Stop measuring at once. What was measured stays, and nothing more is measured in this
        kernel until a widget's `measure` is called.
        """
        self._behind.stop()
        self._measured("state")

    def _replace(self) -> None:
        """Another widget of the same cell stands where this one stood."""
        self._behind.rest("Stopped measuring: the cell was run again")
        self._measured("state")

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until everything is measured; Ctrl-C ends the waiting and not the measuring.

        Args:
            timeout_s: the most seconds to wait; `None` waits as long as it takes.

        Returns:
            Whether it was finished in time (or stopped, or failed).

        Raises:
            TypeError: no number of seconds.
            ValueError: not a number.
        """
        return self._behind.wait(seconds_to_wait(timeout_s))

    def close(self) -> None:
        """Take the widget away, and stop what is measured behind it."""
        self._behind.close()
        with self._lock:
            super().close()

    def _measured(self, event: Event) -> None:
        """Take up what was measured, whatever thread says so."""
        if event == "state":
            with self._lock:
                self._status = self._progress()
            return
        recipe, before = self._history.now, self._compiled
        compiled = self._behind.compile(before.program.device, recipe)
        with self._lock:
            if self._compiled.program.device != compiled.program.device:
                return
            if self._history.now is not recipe:
                compiled = pipeline.with_options(compiled, self._history.now)
            self._take(compiled, self._progress())

    def _progress(self) -> dict[str, Any]:
        """What was said of the last command stays said; one not answered yet is answered."""
        if self._status["sequence"] != self._sequence:
            return self._state()
        return {**self._status, "measuring": self._behind.state}

    # ------------------------------------------------------------------------- values refused

    @traitlets.validate("device", "targets", "selection")
    def _check(self, proposal: Any) -> Any:
        return BY_CODE[proposal["trait"].name](self, proposal["value"])

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the page sets; what is refused goes back to the page, with the reason."""
        refused: dict[str, str] = {}
        for name in sync_data.keys() & BY_PAGE.keys():
            try:
                BY_PAGE[name](self, sync_data[name])
            except (ValueError, TypeError, OSError) as error:
                refused[name] = str(error)
        # What is measured meanwhile waits: a trait that is set amid this would be told after it.
        with self._lock:
            super().set_state({k: v for k, v in sync_data.items() if k not in refused})
            if refused:
                self._status = self._state(error=" ".join(refused.values()))
                self.send_state(list(refused))

    # ------------------------------------------------------------------------ what follows

    @traitlets.observe("device")
    def _device_changed(self, change: Any) -> None:
        with self._lock:
            present = self._compiled.program.device.name
            if change["new"] == present:
                return
            try:
                self._switch(self._own_devices[change["new"]])
            except ValueError:
                self._own_devices.pop(change["new"], None)
                self.device = present
                raise

    def _switch(self, on: Device) -> None:
        """Compile for a device, or raise and leave everything as it was."""
        with self._lock:
            self._behind.turn_to(on)
            try:
                self._take(self._behind.compile(on, self._history.now), self._state())
            except ValueError:
                self._behind.turn_to(self._compiled.program.device)
                raise
            finally:
                self._behind.start()

    def _turn(self, history: History, status: dict[str, Any] | None = None) -> None:
        """Make a history the present one, or raise and leave everything as it was."""
        compiled = pipeline.with_options(self._compiled, history.now)
        now = self._behind.report(compiled, history.now)
        repriced = compiled is not self._compiled
        self._history, self._compiled, self._now = history, compiled, now
        self._revisions["recipe"] += 1
        with self.hold_sync():
            if repriced:
                self._revisions["program"] += 1
                self._program = self._program_message()
            self._publish(status)
        self._behind.want(now)
        self._saved(history.now)

    def _take(self, compiled: Compiled, status: dict[str, Any]) -> None:
        """Show other rows or other prices, or raise and leave everything as it was."""
        before = self._compiled
        now = self._behind.report(compiled, self._history.now)
        self._now, self._compiled = now, compiled
        self._revisions["program"] += 1
        with self.hold_sync():
            self._program = self._program_message()
            self._publish(status)
            if compiled.program is not before.program:
                self.selection = carried(self.selection, before, compiled)
        self._behind.want(now)

    def _state(self, *, error: str = "", notice: str = "") -> dict[str, Any]:
        status: Status = {
            "error": error,
            "notice": notice,
            "sequence": self._sequence,
            "measuring": self._behind.state,
        }
        return {**status}

    def _publish(self, status: dict[str, Any] | None = None) -> None:
        self._report = self._report_message()
        self._recipe = self._recipe_state()
        self._status = status or self._state()

    def _program_message(self) -> bytes:
        known = {name: device(name) for name in devices()} | self._own_devices
        return messages.program_message(
            self._compiled, list(known.values()), self._revisions["program"]
        )

    def _report_message(self) -> bytes:
        return messages.report_message(self._now, **self._revisions, sequence=self._sequence)

    def _recipe_state(self) -> Any:
        history, choice = self._history, self._now.choice
        return messages.recipe_state(
            history.now,
            choice,
            self._compiled.program,
            self._revisions["recipe"],
            history.can_undo,
            history.can_redo,
        )

    def _command(self, _widget: object, content: Any, _buffers: object) -> None:
        """Carry out one command of the page, or answer what it asks; a refusal is said."""
        if content == NUDGE:
            return
        with self._lock:
            try:
                sequence = int(content["sequence"])
                if content["kind"] in QUESTIONS:
                    self.send(QUESTIONS[content["kind"]](self, content))
                    return
                handler = COMMANDS[content["kind"]]
            except (KeyError, TypeError, ValueError):
                self._status = self._state(
                    error=f"the page sent an unknown command: {content!r:.80}"
                )
                return
            self._sequence = sequence
            try:
                handler(self, content)
            except (ValueError, TypeError, LookupError) as error:
                with self.hold_sync():
                    self._publish(self._state(error=str(error)))

    # ---------------------------------------------------------------------- without the page

    def __repr__(self) -> str:
        return f"Talaria({self._graph.name}, {self.device})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The live view, and beside it a static table and text for where no page can run it."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**(data or {}), **display.static(self._now)}, metadata

    def _ipython_display_(self, **kwargs: Any) -> None:
        data, metadata = self._repr_mimebundle_(**kwargs)
        display.show(data, metadata, self._now, repr(self))


def _weakly(widget: Talaria) -> Callable[[Event], None]:
    """Tells a widget as long as it lives."""
    alive = weakref.ref(widget)

    def tell(event: Event) -> None:
        found = alive()
        if found is not None:
            found._measured(event)

    return tell
