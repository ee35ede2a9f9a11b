"""This machine, really measured: behind a widget, for a report, and what the model knows of it."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import talaria_widget as talaria
from fatal_commands import dies_of
from measured import STATIC_8, WEIGHTS_8, Asked, quickly, this_machine, until
from nets import small_net
from runtime_nets import residual_net
from talaria_widget.compilers.onnxruntime import bench, process
from talaria_widget.compilers.onnxruntime.child import Child
from talaria_widget.prices import evaluate
from talaria_widget.widget import Talaria, cells
from talaria_widget.wire import decode

IMAGE = torch.zeros(1, 3, 64, 64)
HERE = this_machine()


@pytest.fixture(autouse=True)
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    with quickly(tmp_path, monkeypatch) as found:
        yield found


def show(model: object, inputs: Any = None, **more: Any) -> Talaria:
    return talaria.show(model, inputs, **{"device": HERE, "recipe": {}, **more})


def state(widget: Talaria) -> str:
    found = widget._status["measuring"]
    return "" if found is None else str(found["state"])


def measured(widget: Talaria) -> Talaria:
    assert widget.wait(60)
    assert state(widget) == "done", widget._status
    return widget


def rows(widget: Talaria) -> list[str]:
    return [task.name for task in widget.report.program.tasks]


def test_rows_are_replaced_once_and_selection_and_recipe_stay_by_name() -> None:
    w = show(small_net(), IMAGE, recipe={"blocks.0.conv": WEIGHTS_8})
    assert w.report.provenance == "modelled"
    modelled, seen = rows(w), []
    w.selection = ["blocks.0.conv", "blocks.0/add", "fc"]
    w.observe(lambda change: seen.append(tuple(decode(change["new"])[0]["names"])), "_program")
    measured(w)
    assert modelled == ["stem", "blocks.0.conv", "blocks.0/add", "blocks.1.conv",
                        "blocks.1/add", "adaptive_avg_pool2d", "fc"]  # fmt: skip
    # The runtime adds inside of the convolution.
    assert set(seen) == {tuple(rows(w))}
    assert rows(w) == [name for name in modelled if not name.endswith("/add")]
    assert len(seen) >= 3, "prices come in sweep by sweep"
    assert w.selection == ["blocks.0.conv", "fc"]
    assert w.recipe == talaria.Recipe({"blocks.0.conv": WEIGHTS_8})
    assert w._recipe["rules"][0]["rows"] == [rows(w).index("blocks.0.conv")]
    assert decode(w._report)[0]["program"] == decode(w._program)[0]["revision"]


def test_rows_add_up_to_the_baseline_and_every_kernel_is_measured() -> None:
    w = measured(show(small_net(), IMAGE))
    report = w.report
    assert (report.provenance, report.notes) == ("measured", ())
    nothing = np.zeros(len(report.program.weights), np.int32)
    found = evaluate(report.prices, nothing).totals["latency_s"]
    observed = w._behind._now.observed.timing.seconds  # type: ignore[union-attr]
    assert found == pytest.approx(observed, rel=1e-6)
    assert report.totals["latency_s"] == pytest.approx(observed, rel=1e-6)
    weighty = [r for r, task in enumerate(report.program.tasks) if task.weights]
    assert (report.prices.provenance[report.prices.row_signature[weighty]] == 1).all()
    assert decode(w._report)[0]["provenance"] == "measured"


def test_a_recipe_that_was_built_is_the_total_and_the_difference_is_a_line(asked: Asked) -> None:
    w = measured(show(small_net(), IMAGE))
    assert w.report.whole is None
    asked.take()
    w.mark("*", STATIC_8)
    assert w.report.whole is None
    measured(w)
    assert asked.take() == ["whole"]
    report = w.report
    assert report.whole is not None
    assert report.totals["latency_s"] == report.whole.latency_s
    assert report.estimated["latency_s"] == report.after.totals["latency_s"]
    assert report.difference_s == report.whole.latency_s - report.after.totals["latency_s"]
    meta = decode(w._report)[0]
    assert meta["measured"]
    assert meta["totals"]["latency_s"] == report.whole.latency_s
    assert meta["difference_s"] == report.difference_s
    # There and back: nothing is measured again, and each is shown at once.
    whole = report.whole
    w.undo()
    assert w.report.whole is None
    w.redo()
    assert w.report.whole == whole
    measured(w)
    assert asked.take() == []


def test_a_second_show_and_another_recipe_measure_no_kernel(asked: Asked) -> None:
    model = small_net()
    first = measured(show(model, IMAGE))
    assert asked.take().count("baseline") == 1
    first.close()
    again = measured(show(model, IMAGE))
    assert asked.take() == []
    np.testing.assert_array_equal(
        again.report.prices.latency.point, first.report.prices.latency.point
    )
    again.recipe = {"blocks.*": STATIC_8, "fc": WEIGHTS_8}
    measured(again)
    assert sorted(asked.take()) == ["load", "whole"]
    # In another kernel, too: a report finds what the widget measured.
    report = talaria.analyze(
        model, IMAGE, device=HERE, recipe={"blocks.*": STATIC_8, "fc": WEIGHTS_8}
    )
    assert asked.take() == []
    assert report.whole == again.report.whole


def test_analyze_measures_the_baseline_and_its_recipe(asked: Asked) -> None:
    report = talaria.analyze(small_net(), IMAGE, device=HERE, recipe={"*": STATIC_8})
    assert asked.take() == ["load", "baseline", "whole"]
    assert asked.alive == []
    assert report.provenance == "measured"
    assert report.whole is not None
    assert report.totals["latency_s"] == report.whole.latency_s
    before = report.baseline["latency_s"]
    assert before is not None
    assert before > 0
    plain = talaria.analyze(small_net(), IMAGE, device=HERE)
    assert asked.take() == []
    assert plain.totals["latency_s"] == before


class Own(nn.Module):
    """An operation that only its author knows, between two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(64, 64), nn.Linear(64, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(own(self.up(x)))


@torch.library.custom_op("talaria_tests::own", mutates_args=())
def own(x: torch.Tensor) -> torch.Tensor:
    return x * 2


own.register_fake(torch.empty_like)


@pytest.mark.parametrize("kind", ["module", "file"])
def test_what_the_runtime_cannot_run_is_modelled_and_says_why(kind: str, tmp_path: Path) -> None:
    if kind == "module":
        model, inputs, named = Own().eval(), torch.zeros(1, 64), "own"
    else:
        net = residual_net()
        net.opset_import.add(domain="nobody.knows", version=1)
        net.graph.node[2].domain, net.graph.node[2].op_type = "nobody.knows", "Mystery"
        path = tmp_path / "net.onnx"
        path.write_bytes(net.SerializeToString())
        model, inputs, named = path, None, "Mystery"
    w = show(model, inputs)
    assert w.wait(60)
    assert state(w) == "failed"
    assert named in w._status["measuring"]["text"]
    assert w.device == HERE.name
    assert w.report.provenance == "modelled"
    assert w.report.totals["latency_s"] > 0
    assert named in w.report.notes[0]
    assert "modelled" in w.report.notes[0]
    w.mark("*", WEIGHTS_8)
    assert w.report.totals["size_bytes"] < w.report.before.totals["size_bytes"]
    report = talaria.analyze(model, inputs, device=HERE)
    assert report.provenance == "modelled"
    assert named in report.notes[0]


def test_stop_is_remembered_for_the_kernel_until_measure(
    monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    monkeypatch.setattr(bench, "SWEEP_S", 0.1)  # long enough to be stopped amid it
    w = show(small_net(), IMAGE)
    until(lambda: "sweep" in asked.commands)
    w.stop()
    assert state(w) == "stopped"
    until(lambda: not asked.alive)
    asked.take()
    model = nn.Sequential(nn.Linear(64, 64))
    second = show(model, torch.zeros(1, 64))
    assert state(second) == ""
    assert second.wait(0.1)
    assert second.report.provenance == "modelled"
    assert asked.take() == []
    w.measure()
    measured(w)
    assert "baseline" not in asked.take()
    second.measure()
    measured(second)
    assert second.report.provenance == "measured"


def test_devices_change_to_and_fro_amid_measuring(asked: Asked) -> None:
    # Held here: a widget lets go of a model that it does not measure just now.
    model = small_net()
    w = show(model, IMAGE, recipe={"fc": WEIGHTS_8})
    for pause_s in (0.0, 0.3, 0.8, 0.1):
        time.sleep(pause_s)
        w.device = "cpu-avx2"
        assert state(w) == ""
        assert w.report.program.device.name == "cpu-avx2"
        assert len(rows(w)) == 7
        w.device = HERE.name
        assert w.report.program.device.name == HERE.name
    measured(w)
    assert w.report.whole is not None
    assert w.report.provenance == "measured"
    assert asked.commands.count("baseline") <= 5
    w.device = "cpu-avx2"
    assert w.report.provenance == "modelled"
    assert w.report.whole is None
    asked.take()
    w.device = HERE.name
    assert w.report.provenance == "measured"
    assert w.report.whole is not None
    measured(w)
    assert asked.take() == []


def test_a_widget_that_is_closed_leaves_no_process(asked: Asked) -> None:
    for command in ("baseline", "sweep"):
        w = show(small_net(), IMAGE)
        until(lambda command=command: command in asked.commands and asked.alive)
        w.close()
        until(lambda: not asked.alive)
        asked.take()


def test_a_widget_that_has_measured_keeps_no_weight() -> None:
    model = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 64))
    alive = weakref.ref(model), weakref.ref(model[0].weight)
    w = measured(show(model, torch.zeros(1, 64)))
    del model
    gc.collect()
    assert [each() for each in alive] == [None, None]
    w.mark("*", STATIC_8)  # what was read of it is enough
    measured(w)
    assert w.report.whole is not None


def test_a_widget_that_never_measures_keeps_no_weight(asked: Asked) -> None:
    model = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 64))
    alive = weakref.ref(model), weakref.ref(model[0].weight)
    w = show(model, torch.zeros(1, 64), measure=False)
    del model
    gc.collect()
    assert [each() for each in alive] == [None, None]
    w.measure()
    assert w.wait(60)
    assert state(w) == "failed"
    assert "gone" in w.report.notes[0]
    assert asked.take() == []


def test_the_model_comes_back_exactly_as_it_was() -> None:
    model = small_net()
    model.train(mode=True).blocks.eval()  # so that eval() on the whole would be seen
    model.fc.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    versions = {name: value._version for name, value in model.state_dict().items()}
    own_attributes = {name: dict(part.__dict__) for name, part in model.named_modules()}
    chance = torch.random.get_rng_state()
    w = measured(show(model, IMAGE))
    w.mark("*", STATIC_8)
    measured(w)
    assert w.report.whole is not None
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
        assert value._version == versions[name], name
    for name, part in model.named_modules():
        assert part.__dict__.keys() == own_attributes[name].keys()
        assert part.training == own_attributes[name]["training"]
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
    assert not model.fc.weight.requires_grad
    assert all(value.grad is None for value in model.parameters())
    assert torch.equal(torch.random.get_rng_state(), chance)


def test_two_widgets_of_one_model_have_a_recipe_each() -> None:
    model = small_net()
    left, right = show(model, IMAGE), show(model, IMAGE)
    left.mark("fc", WEIGHTS_8)
    right.mark("stem", STATIC_8)
    measured(left)
    measured(right)
    assert left.recipe == talaria.Recipe({"fc": WEIGHTS_8})
    assert right.recipe == talaria.Recipe({"stem": STATIC_8})
    for each in (left, right):
        assert each.report.whole is not None
        assert each.report.totals["latency_s"] == each.report.whole.latency_s
    assert left.report.whole != right.report.whole


def test_models_that_are_shown_at_once_are_all_measured() -> None:
    shapes = (16, 24, 32)
    views = [show(nn.Sequential(nn.Linear(n, n), nn.ReLU()), torch.zeros(1, n)) for n in shapes]
    for each in views:
        measured(each)
        assert each.report.provenance == "measured"


@pytest.mark.parametrize("kind", ["exported", "file", "message"])
def test_every_kind_of_model_is_measured(kind: str, tmp_path: Path) -> None:
    inputs: Any = IMAGE
    if kind == "exported":
        model: Any = torch.export.export(small_net(), (IMAGE,))
        inputs = None
    elif kind == "file":
        model, inputs = tmp_path / "net.onnx", None
        model.write_bytes(residual_net().SerializeToString())
    else:
        model, inputs = residual_net(), None
    w = measured(show(model, inputs))
    assert w.report.provenance == "measured"
    layers = [task.name for task in w.report.program.tasks if task.weights]
    w.mark(layers[0], STATIC_8)
    measured(w)
    assert w.report.whole is not None


def test_a_module_in_training_mode_is_modelled_and_says_what_to_do() -> None:
    w = show(small_net().train(), IMAGE)
    assert w.wait(60)
    assert state(w) == "failed"
    assert "training mode: call model.eval()" in w.report.notes[0]
    w.measure()  # the same once more, and the model is gone by now
    assert w.wait(60)
    assert "show it again" in w.report.notes[0]


class Long(nn.Module):
    """Many small layers, one after the other."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(32, 32) for _ in range(count))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


def test_clicks_are_answered_while_a_long_model_is_measured(asked: Asked) -> None:
    w = show(Long(1000).eval(), torch.zeros(1, 32))
    answered = dict.fromkeys(("baseline", "sweep"), 0)
    for command in answered:
        until(lambda command=command: command in asked.commands)
        for i in range(3):
            w.mark(f"layers.{i}", WEIGHTS_8)
            assert len(w.report.choice.options) == 1
            w.undo()
            assert not w.report.choice.options
            answered[command] += state(w) in ("baseline", "kernels", "recipe")
    assert min(answered.values()) > 0, "the clicks came while it measured"
    w.stop()
    assert state(w) == "stopped"


def test_what_kills_the_runtime_is_refused_and_the_rest_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dies_of("body.weight", monkeypatch)
    w = measured(show(residual_net(), recipe={"*": WEIGHTS_8}))
    assert [each.weight for each in w.report.refused] == ["body.weight"]
    assert "SIGABRT" in w.report.refused[0].reason
    assert set(w.report.choice.options) == {"stem.weight", "fc.weight"}
    assert w.report.whole is not None
    again = talaria.analyze(residual_net(), device=HERE, recipe={"*": WEIGHTS_8})
    assert again.refused == w.report.refused
    assert again.whole == w.report.whole


def test_more_than_half_the_free_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "Child", lambda threads: Child("scarce_commands"))
    w = show(small_net(), IMAGE)
    assert w.wait(60)
    assert state(w) == "failed"
    assert "10,000 are free" in w.report.notes[0]
    assert "half" in w.report.notes[0]
    assert w.report.provenance == "modelled"
    assert "10,000 are free" in talaria.analyze(small_net(), IMAGE, device=HERE).notes[0]


def test_analyze_stays_modelled_where_the_way_to_the_runtime_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_origin: Any) -> Any:
        raise OSError("the disk is gone")

    monkeypatch.setattr("talaria_widget.origin.Origin.source", broken)
    report = talaria.analyze(torch.nn.Linear(8, 8), torch.zeros(1, 8))
    assert report.provenance == "modelled"
    assert any("the disk is gone" in note for note in report.notes)


def test_a_cell_that_is_run_again_stops_what_its_last_widget_measured(
    monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    def now(widget: Talaria) -> str:
        found = widget._behind.state
        return "" if found is None else found["state"]

    monkeypatch.setattr(bench, "BASELINE_S", 30.0)
    run = ["first", "1"]
    monkeypatch.setattr(cells, "running", lambda: tuple(run))
    old, beside = show(small_net(), IMAGE), show(small_net(), IMAGE)
    run[:] = ["second", "2"]
    other = show(small_net(), IMAGE)
    assert {now(each) for each in (old, beside, other)} <= {"waiting", "baseline"}
    run[:] = ["first", "3"]
    new = show(small_net(), IMAGE)
    assert [state(each) for each in (old, beside)] == ["stopped", "stopped"]
    assert old._status["measuring"]["text"] == "Stopped measuring: the cell was run again"
    assert {now(each) for each in (new, other)} <= {"waiting", "baseline"}
    old.measure()
    assert now(old) in ("waiting", "baseline")
    run[:] = ["", ""]
    show(small_net(), IMAGE)
    assert now(new) in ("waiting", "baseline")
