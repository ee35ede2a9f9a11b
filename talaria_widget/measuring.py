"""A model measured on this machine behind whoever shows it: step by step, and able to stop.

The baseline first, then the present recipe as a whole whenever it rests, and kernels in the
time between, sweep by sweep. Whoever listens is told of each step, from the measuring thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from talaria_widget.compilers.observed import Baseline, KernelTime, Whole
from talaria_widget.compilers.onnxruntime.child import ChildDied, ChildRefused, Stopped
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.prices import Prices
from talaria_widget.program import Program
from talaria_widget.recipe import Option
from talaria_widget.wire import Measuring as State

PAUSE_S = 0.5
"""A recipe that has not changed for so long is built: clicks in a row are not."""
PUBLISH_S = 3.0
"""Prices of a sweep that is under way are told this often, at most."""
PUBLISH_REST = 20
"""And after so many times as long as telling them took: it holds up whoever clicks meanwhile."""
PROGRESS_S = 0.25
"""How far a sweep is is told no more often than this."""
IDLE_S = 60.0
"""The process with the model in it ends after so long with nothing to do."""

Event = Literal["program", "whole", "state"]
Step = tuple[int, int, str]
"""Of a sweep: how many builds are done, of how many, and what is built now."""
Stage = Literal["waiting", "baseline", "kernels", "recipe", "done", "stopped", "failed"]
FINAL = frozenset({"done", "stopped", "failed"})
FAULTS = (UnsupportedModelError, ChildDied, ChildRefused, OSError, ValueError, MemoryError)


class Bench(Protocol):
    """What measures: see `compilers.onnxruntime.bench`."""

    @property
    def observed(self) -> Baseline | None:
        """The baseline, once it was measured."""

    def compile(self) -> Program:
        """Measure the baseline."""

    def kernel(self, signature: str, option: Option) -> KernelTime | None:
        """A task of this signature in an option's form, if it was timed."""

    def price(self, program: Program, asked: Sequence[Option]) -> Prices:
        """Prices from what was measured so far; measures nothing."""

    def sweep(self, program: Program, asked: Sequence[Option]) -> Iterator[Step]:
        """One sweep over the kernels that still want one."""

    def whole(self, options: Mapping[str, Option]) -> Whole:
        """Build a recipe and time it."""

    def stop(self) -> None:
        """Break off what is being measured."""

    def close(self) -> None:
        """Let the process go; another is started when it is needed."""


class Measurement:
    """One model under measurement. All methods may be called from any thread."""

    def __init__(
        self,
        open_bench: Callable[[], Bench],
        tell: Callable[[Event], None],
        turn: Callable[[Callable[[], None]], AbstractContextManager[object]],
    ) -> None:
        """Nothing is measured before `start`.

        Args:
            open_bench: makes the bench; called in the measuring thread.
            tell: told of each step, in the measuring thread, and never under a lock.
            turn: measuring happens inside of it; it calls what it is given when it must wait.
        """
        self._open_bench, self._listener, self._turn = open_bench, tell, turn
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._bench: Bench | None = None
        self._running = self._closed = False
        self._asked: tuple[Option, ...] = ()
        self._wanted: Mapping[str, Option] = {}
        self._wanted_at = self._told_at = 0.0
        self._wholes: dict[frozenset[tuple[str, Option]], Whole | str] = {}
        self.program: Program | None = None
        self.state: State | None = None
        self._told: State | None = None
        self._publishing_s = 0.0

    # ------------------------------------------------------------------ asked from outside

    def start(self) -> None:
        """Measure, or go on measuring."""
        with self._change:
            if self._closed or self._running:
                return
            self._running = True
            self._say("baseline", "starting")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="talaria", daemon=True)
                self._thread.start()

    def stop(self, why: str = "") -> None:
        """Stop at once; what was measured stays."""
        with self._change:
            if not self._running:
                return
            self._running = False
            self._say("stopped", why)
            bench = self._bench
        if bench is not None:
            bench.stop()

    def close(self) -> None:
        """Stop for good and let go of the model."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self.stop()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until there is nothing left to measure, and whoever listens was told so; whether
        that came about in time.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        with self._change:
            while not (self._is_final() and self._told is self.state):
                left = 0.5 if end is None else min(0.5, end - time.monotonic())
                if left <= 0:
                    return False
                # In slices, so that Ctrl-C is heard on every platform.
                self._change.wait(left)
        return True

    def want(self, asked: Sequence[Option], options: Mapping[str, Option]) -> None:
        """The recipe is now this: options by weight. Its whole is built once it rests."""
        with self._change:
            present = (self._asked, self._wanted)
            self._asked, self._wanted = tuple(dict.fromkeys(asked)), dict(options)
            if present == (self._asked, self._wanted):
                return
            self._wanted_at = time.monotonic()
            if self._running and self._is_final() and self._is_unbuilt():
                self._say("recipe", "waiting for the recipe to rest")
            self._change.notify_all()

    def whole(self, options: Mapping[str, Option]) -> Whole | None:
        """What the recipe of these options took as a whole, if it was built."""
        found, observed = self._wholes.get(frozenset(options.items())), self.observed
        if not isinstance(found, Whole) or observed is None:
            return None
        return found.to_baseline(observed.timing.seconds)

    def remarks(self, options: Mapping[str, Option]) -> tuple[str, ...]:
        """What could not be measured, and why: the model, or the whole of these options."""
        state, found = self.state, self._wholes.get(frozenset(options.items()))
        said = []
        if state is not None and state["state"] == "failed":
            said.append(f"not measured, so all times are modelled: {state['text']}")
        if isinstance(found, str):
            said.append(f"this recipe could not be built and timed: {found}")
        return tuple(said)

    @property
    def opened(self) -> bool:
        """Whether the bench was made; it wants the model no more."""
        return self._bench is not None

    @property
    def observed(self) -> Baseline | None:
        """The baseline, once it was measured."""
        return None if self._bench is None else self._bench.observed

    def kernel(self, signature: str, option: Option) -> KernelTime | None:
        """A task of this signature in an option's form, if it was timed."""
        return None if self._bench is None else self._bench.kernel(signature, option)

    def price(self, program: Program, asked: Sequence[Option]) -> Prices:
        """Prices from all that was measured so far."""
        assert self._bench is not None
        return self._bench.price(program, asked)

    def _is_final(self) -> bool:
        return self.state is None or self.state["state"] in FINAL

    def _is_unbuilt(self) -> bool:
        return bool(self._wanted) and frozenset(self._wanted.items()) not in self._wholes

    # ------------------------------------------------------------------ the measuring thread

    def _run(self) -> None:
        try:
            while True:
                with self._change:
                    self._change.wait_for(lambda: self._running or self._closed)
                    if self._closed:
                        return
                self._work()
        finally:
            with self._change:
                self._thread = None

    def _work(self) -> None:
        """Measure until stopped; a fault ends it and is said."""
        ended = "measuring broke off"
        try:
            self._compile()
            while self._running:
                if self._is_due():
                    self._build()
                elif not self._sweep():
                    self._rest()
            ended = ""
        except Stopped:
            ended = ""
        except FAULTS as error:
            ended = str(error)
        finally:
            self._end(ended)

    def _end(self, fault: str) -> None:
        """Let the process go, with the model in it."""
        with self._change:
            if fault and self._running:
                self._running = False
                self._say("failed", fault)
            bench = self._bench
        if bench is not None:
            bench.close()
        # What failed is a note of the report.
        self._tell("whole" if fault else "state")

    def _compile(self) -> None:
        if self._bench is None:
            bench = self._open_bench()
            with self._change:
                self._bench = bench
        if self.program is not None:
            return
        with self._turn(self._say_waiting):
            self._progress("baseline", "measuring the baseline")
            program = self._bench.compile()
        with self._change:
            self.program = program
        self._tell("program")

    def _is_due(self) -> bool:
        """Whether the recipe rests and was not built yet."""
        return self._is_unbuilt() and time.monotonic() - self._wanted_at >= PAUSE_S

    def _build(self) -> None:
        assert self._bench is not None
        options, before = self._wanted, self._bench.observed
        found: Whole | str
        try:
            with self._turn(self._say_waiting):
                self._progress("recipe", "building the recipe and timing it")
                found = self._bench.whole(options)
        except (ChildDied, ChildRefused, UnsupportedModelError, ValueError) as error:
            found = str(error)
        with self._change:
            self._wholes[frozenset(options.items())] = found
        self._tell("whole" if self._bench.observed == before else "program")

    def _sweep(self) -> bool:
        """Measure kernels until a recipe is due; whether there were any left to measure."""
        assert self._bench is not None
        assert self.program is not None
        asked = self._asked
        began = told = time.monotonic()
        done = total = 0
        with self._turn(self._say_waiting):
            for done, total, what in self._bench.sweep(self.program, asked):
                now = time.monotonic()
                left = (now - began) / done * (total - done) if done else None
                text = f"building and timing all in {what}" if what else "pricing kernels"
                self._progress("kernels", text, done, total, left)
                if now - told > max(PUBLISH_S, PUBLISH_REST * self._publishing_s):
                    self._publish()
                    told = time.monotonic()
                if self._is_due() or asked != self._asked:
                    break
        if done:
            self._publish()
        return total > 0

    def _publish(self) -> None:
        """Tell the prices of a sweep, and learn how long that takes."""
        began = time.monotonic()
        self._tell("program")
        self._publishing_s = time.monotonic() - began

    def _rest(self) -> None:
        """Nothing to measure: wait for another recipe."""
        asked = self._asked

        def called() -> bool:
            return not self._running or self._is_unbuilt() or asked != self._asked

        with self._change:
            if self._is_unbuilt():
                self._change.wait(PAUSE_S)
                return
            if called():
                return
            self._say("done", "")
        self._tell("state")
        with self._change:
            if self._change.wait_for(called, IDLE_S):
                return
        assert self._bench is not None
        self._bench.close()
        with self._change:
            self._change.wait_for(called)

    # ------------------------------------------------------------------ what is said of it

    def _progress(
        self, step: Stage, text: str, done: int = 0, total: int = 0, eta_s: float | None = None
    ) -> None:
        now = time.monotonic()
        with self._change:
            if not self._running:
                raise Stopped("measuring was stopped.")
            before = self.state
            same = before is not None and (before["state"], before["text"]) == (step, text)
            self._say(step, text, done, total, eta_s)
        if not same or (done and now - self._told_at >= PROGRESS_S):
            self._told_at = now
            self._tell("state")

    def _say(
        self, step: Stage, text: str, done: int = 0, total: int = 0, eta_s: float | None = None
    ) -> None:
        """Set the state, under the lock, and tell nobody yet."""
        self.state = {"state": step, "text": text, "done": done, "total": total, "eta_s": eta_s}
        self._change.notify_all()

    def _tell(self, event: Event) -> None:
        """Tell whoever listens, and then those who wait."""
        state = self.state
        try:
            self._listener(event)
        finally:
            with self._change:
                self._told = state
                self._change.notify_all()

    def _say_waiting(self) -> None:
        self._progress("waiting", "another notebook is measuring; waiting for its turn")
