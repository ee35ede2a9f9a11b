"""What is measured behind a widget: one measurement for each device that can be measured."""

from __future__ import annotations

from collections.abc import Callable

from talaria_widget import here, pipeline
from talaria_widget.choice import Index
from talaria_widget.graph import Graph
from talaria_widget.hardware import Device
from talaria_widget.measuring import Event, Measurement
from talaria_widget.origin import Origin
from talaria_widget.pipeline import Compiled
from talaria_widget.recipe import Recipe
from talaria_widget.report import Report
from talaria_widget.wire import Measuring

_kernel = {"stopped": False}
"""Whether the user stopped measuring in this process: later widgets wait to be asked."""


class Behind:
    """Compiles and reports with what is measured so far, and modelled figures until then."""

    def __init__(
        self, graph: Graph, names: Index, origin: Origin | None, tell: Callable[[Event], None]
    ) -> None:
        """Nothing is measured before `start`; without an origin, nothing ever."""
        self._graph, self._names, self._origin, self._tell = graph, names, origin, tell
        self._of: dict[str, tuple[Device, Measurement]] = {}
        self._now: Measurement | None = None

    @property
    def state(self) -> Measuring | None:
        """Where the measurement of the present device stands; `None` where there is none."""
        return None if self._now is None else self._now.state

    def turn_to(self, on: Device) -> None:
        """Another device is the present one; what is measured of the old one rests."""
        if self._now is not None:
            self._now.stop()
        self._now = None
        if on.compiler == here.COMPILER and self._origin is not None:
            self._now = self._find(on)
            if self._now is None:
                if on.name in self._of:
                    self._of[on.name][1].close()
                self._now = here.measurement(self._graph, self._origin, on, self._tell)
                self._of[on.name] = (on, self._now)

    def start(self, *, asked: bool = False) -> None:
        """Measure the present device, unless the user stopped measuring and does not ask."""
        if asked:
            _kernel["stopped"] = False
        if self._now is not None and not _kernel["stopped"]:
            if self._origin is not None and not self._now.opened:
                self._origin.recall()
            self._now.start()
        else:
            self.let_go()

    def let_go(self) -> None:
        """Keep no weights of the model while nothing is measured."""
        if self._origin is not None:
            self._origin.forget()

    def stop(self) -> None:
        """Stop, and stay so in this kernel until asked to measure."""
        _kernel["stopped"] = True
        if self._now is not None:
            self._now.stop()

    def rest(self, why: str) -> None:
        """Stop what is measured now; others of this kernel go on."""
        if self._now is not None:
            self._now.stop(why)

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for what is being measured; whether it was finished in time."""
        return self._now is None or self._now.wait(timeout_s)

    def close(self) -> None:
        """Stop for good."""
        for _, each in self._of.values():
            each.close()

    def compile(self, on: Device, recipe: Recipe) -> Compiled:
        """The rows and prices of a device: measured ones as far as there are any."""
        known = self._find(on)
        if known is None or known.program is None:
            return pipeline.compile_for(self._graph, on, recipe, self._names)
        return pipeline.priced(known.program, recipe, self._names, known.price)

    def report(self, compiled: Compiled, recipe: Recipe) -> Report:
        """The report of a recipe, with its measured whole if it was built."""
        return pipeline.report(compiled, recipe, self._find(compiled.program.device))

    def timed(self, on: Device) -> Measurement | None:
        """What was measured of a device's rows; `None` as long as all of them are modelled."""
        found = self._find(on)
        return None if found is None or found.program is None else found

    def want(self, report: Report) -> None:
        """This recipe is the present one: its whole is built once it rests."""
        if self._now is not None:
            asked = [rule.option for rule in report.recipe.rules]
            self._now.want(asked, report.choice.options)

    def _find(self, on: Device) -> Measurement | None:
        """The measurement of a device; of one whose file was changed there is none."""
        device, found = self._of.get(on.name, (None, None))
        return found if device == on else None
