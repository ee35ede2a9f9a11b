"""The widget without a page: commands, refusals, history, and what travels to the page."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import talaria_widget as talaria
from nets import small_net
from talaria_widget import _api
from talaria_widget.hardware import HERE
from talaria_widget.prices import evaluate
from talaria_widget.widget import Talaria, behind
from talaria_widget.wire import decode, encode

IMAGE = torch.zeros(1, 3, 32, 32)
INT8 = talaria.Quantize(8)


@pytest.fixture
def widget() -> Talaria:
    return talaria.show(small_net(), IMAGE, device="cpu-avx2")


def send(widget: Talaria, kind: str, sequence: int = 1, **content: Any) -> None:
    """A command as the page sends it."""
    widget._handle_custom_msg({"kind": kind, "sequence": sequence, **content}, [])


def column_of(widget: Talaria, label: str) -> int:
    return widget.report.prices.labels.index(label)


def test_a_click_is_one_rule_and_one_step(widget: Talaria) -> None:
    rows = ["stem", "blocks.0.conv"]
    send(widget, "mark", 7, rows=rows, option=column_of(widget, "int8"))
    assert widget.recipe == talaria.Recipe({("stem", "blocks.0.conv"): INT8})
    meta, _ = decode(widget._report)
    assert meta["sequence"] == 7
    assert meta["totals"]["size_bytes"] == widget.report.totals["size_bytes"]
    assert widget._recipe["rules"][0]["rows"] == [0, 1]
    assert widget._recipe["can_undo"]
    send(widget, "undo", 8)
    assert widget.recipe == talaria.Recipe()
    send(widget, "redo", 9)
    assert len(widget.recipe) == 1


@pytest.mark.parametrize(
    ("seconds", "kind"),
    [("5", TypeError), (True, TypeError), ([1], TypeError), (float("nan"), ValueError)],
)
def test_what_is_no_number_of_seconds_is_refused(
    widget: Talaria, seconds: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=r"^wait\(timeout_s=.*\): pass a number of seconds, or None"):
        widget.wait(seconds)


def test_numbers_of_every_kind_are_seconds(widget: Talaria) -> None:
    for seconds in (None, 0, -1, 0.5, np.float32(1), np.int64(1), float("inf")):
        assert widget.wait(seconds)


@pytest.mark.parametrize("measure", ["no", 0, None])
def test_measure_is_true_or_false(measure: Any) -> None:
    with pytest.raises(TypeError, match=rf"^show\(measure={measure!r}\): pass True or False\.$"):
        talaria.show(small_net(), IMAGE, device="cpu-avx2", measure=measure)


def test_what_is_no_text_to_match_is_refused(widget: Talaria) -> None:
    with pytest.raises(TypeError, match=r"^mark\(match=5\): pass a name or pattern"):
        widget.mark(5, INT8)  # type: ignore[arg-type]


def test_no_device_is_this_machine(widget: Talaria, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(behind._kernel, "stopped", True)
    widget.device = None
    assert widget.device == "onnxruntime-cpu"
    assert widget.report.program.device.name == "onnxruntime-cpu"


def test_stop_and_measure_are_answered(widget: Talaria) -> None:
    for sequence, kind in ((8, "stop"), (9, "measure")):
        send(widget, kind, sequence)
        assert widget._status["sequence"] == sequence


def test_the_progress_of_a_measurement_leaves_a_refusal_said(widget: Talaria) -> None:
    send(widget, "mark", 7, rows=["no such row"], option=1)
    said = widget._status["error"]
    assert said
    widget._measured("state")
    assert widget._status["error"] == said
    send(widget, "measure", 8)
    assert widget._status["error"] == ""


def test_code_and_clicks_share_a_history(widget: Talaria) -> None:
    widget.mark("stem", INT8)
    send(widget, "mark", rows=["fc"], option=column_of(widget, "fp16"))
    widget.recipe = {"*": None}
    widget.undo()
    widget.undo()
    assert widget.recipe == talaria.Recipe({"stem": INT8})


def test_the_report_message_is_what_evaluate_says(widget: Talaria) -> None:
    widget.mark("*", talaria.Quantize(8, activations=talaria.Activations(8)))
    meta, blocks = decode(widget._report)
    prices = widget.report.prices
    again = evaluate(prices, blocks["choice"])
    assert meta["totals"] == meta["estimated"]
    assert meta["totals"]["latency_s"] == again.totals["latency_s"]
    assert meta["change"]["ratio"] == again.totals["latency_s_change"]
    assert meta["change"]["low"] < meta["change"]["ratio"] < meta["change"]["high"]
    assert (meta["measured"], meta["difference_s"], meta["provenance"]) == (False, None, "modelled")
    assert sum(block.nbytes for block in blocks.values()) < 60 * prices.rows
    np.testing.assert_array_equal(blocks["column"], again.column)
    np.testing.assert_array_equal(blocks["memory_bytes"], again.memory_bytes)
    np.testing.assert_array_equal(blocks["cast_row"], again.casts.row)
    program, parts = decode(widget._program)
    assert len(program["names"]) == prices.rows
    np.testing.assert_array_equal(parts["latency"], prices.latency.point)
    np.testing.assert_array_equal(parts["weight_bytes"], prices.weight_bytes)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"kind": "mark", "rows": ["blocks.0/add"], "option": 1}, "none of these rows has weights"),
        ({"kind": "mark", "rows": ["stem"], "option": 99}, "there is no option at place 99"),
        ({"kind": "explode"}, "unknown command"),
        ({"kind": "rule", "action": "delete", "index": 0, "to": 0, "recipe": 99}, "changed"),
        (
            {"kind": "rule", "action": "delete", "index": 5, "to": 0, "recipe": 0},
            "no rule at place 5",
        ),
    ],
)
def test_a_command_that_cannot_be_is_said_and_changes_nothing(
    widget: Talaria, content: dict[str, Any], says: str
) -> None:
    before = widget.report
    send(widget, **{"sequence": 3, **content})
    assert says in widget._status["error"]
    assert widget.report is before
    assert widget.recipe == talaria.Recipe()


def test_a_nudge_is_let_be(widget: Talaria) -> None:
    before = widget._status, widget._report
    widget._command(widget, {"kind": "nudge"}, [])
    assert (widget._status, widget._report) == before


def test_rules_are_switched_moved_and_deleted(widget: Talaria) -> None:
    widget.recipe = {"*": INT8, "fc": talaria.Cast("float16")}

    def edit(action: str, index: int, to: int = 0) -> None:
        revision = widget._recipe["revision"]
        send(widget, "rule", action=action, index=index, to=to, recipe=revision)
        assert not widget._status["error"]

    edit("disable", 0)
    assert not widget.recipe.rules[0].enabled
    assert dict(widget.report.choice.options) == {"fc.weight": talaria.Cast("float16")}
    edit("enable", 0)
    edit("move", 1, 0)
    assert widget.report.choice.options["fc.weight"] == INT8  # "*" is last now
    edit("delete", 1)
    assert widget.recipe == talaria.Recipe({"fc": talaria.Cast("float16")})


def test_a_device_keeps_recipe_and_selection(widget: Talaria) -> None:
    widget.mark("stem", INT8)
    widget.selection = ["fc", "blocks.0/add"]
    widget.device = "apple-a17-pro-ane"
    assert widget.report.program.device.name == "apple-a17-pro-ane"
    assert widget.recipe == talaria.Recipe({"stem": INT8})
    assert widget.selection == ["fc", "blocks.0/add"]
    assert decode(widget._report)[0]["program"] == decode(widget._program)[0]["revision"]
    widget.device = talaria.device("stm32-h7")
    assert [r.name for r in widget.report.refused] == ["stem"]
    assert decode(widget._report)[0]["refused"][0]["runs_as"] == "int8 w+a"


@pytest.mark.parametrize(
    ("trait", "value", "error"),
    [
        ("device", "cpu-avx3", ValueError),
        ("targets", {"latency": 1}, ValueError),
        ("targets", {"latency_s": "fast"}, TypeError),
        ("selection", ["no such row"], ValueError),
    ],
)
def test_what_code_may_not_set_raises_and_keeps_the_old(
    widget: Talaria, trait: str, value: Any, error: type[Exception]
) -> None:
    before = getattr(widget, trait)
    with pytest.raises(error):
        setattr(widget, trait, value)
    assert getattr(widget, trait) == before


def test_what_the_page_may_not_set_is_sent_back_with_the_reason(widget: Talaria) -> None:
    widget.set_state({"device": "cpu-avx3"})
    assert widget.device == "cpu-avx2"
    assert "did you mean 'cpu-avx2'" in widget._status["error"]
    widget.set_state({"targets": {"latency_s": 0.008}})
    assert widget.targets == {"latency_s": 0.008}


def own_device(path: Path, name: str, *changes: tuple[str, str]) -> Path:
    """The default device under another name, with some of its text changed."""
    text = (HERE / "cpu-avx2.toml").read_text(encoding="utf-8")
    for old, new in (('name = "cpu-avx2"', f'name = "{name}"'), *changes):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_device_file_is_for_code_to_name(widget: Talaria, tmp_path: Path) -> None:
    path = own_device(tmp_path / "mine.toml", "mine")
    widget.set_state({"device": str(path)})
    assert widget.device == "cpu-avx2"
    assert "reads no files" in widget._status["error"]
    widget.device = path
    assert widget.device == "mine"
    widget.set_state({"device": "cpu-avx2"})
    widget.set_state({"device": "mine"})
    assert widget.report.program.device.name == "mine"


def test_a_device_file_that_was_changed_is_read_again(widget: Talaria, tmp_path: Path) -> None:
    path = own_device(tmp_path / "mine.toml", "mine")
    widget.device = path
    before = widget.report.totals["latency_s"]
    widget.device = own_device(path, "mine", ("seconds = 3e-6", "seconds = 3e-3"))
    assert widget.report.totals["latency_s"] > 100 * before
    meta, _ = decode(widget._report)
    assert meta["totals"]["latency_s"] == widget.report.totals["latency_s"]


def test_a_device_that_cannot_be_priced_leaves_the_old(widget: Talaria, tmp_path: Path) -> None:
    container = ('container = "onnxruntime"', 'container = "gguf"')
    with pytest.raises(ValueError, match="gguf"):
        widget.device = own_device(tmp_path / "bad.toml", "bad", container)
    assert widget.device == widget.report.program.device.name == "cpu-avx2"


def test_a_kept_recipe_that_fits_no_longer_is_dropped_and_said() -> None:
    model = small_net()
    talaria.show(model, IMAGE, device="cpu-avx2").mark("fc", INT8)
    model.fc = nn.Sequential(nn.Linear(16, 10))  # type: ignore[assignment]
    widget = talaria.show(model, IMAGE, device="cpu-avx2")
    assert widget.recipe == talaria.Recipe()
    assert "dropped: rule 'fc' matches no layer" in widget._status["notice"]


def test_a_rule_that_hits_nothing_raises_and_changes_nothing(widget: Talaria) -> None:
    with pytest.raises(ValueError, match="did you mean"):
        widget.mark("stemm", INT8)
    with pytest.raises(TypeError):
        widget.mark("stem", "int8")  # type: ignore[arg-type]
    assert widget.recipe == talaria.Recipe()


def test_an_option_off_the_menu_gets_a_column(widget: Talaria) -> None:
    wide = talaria.Quantize(4, granularity="block", block_size=16)
    widget.mark("fc", wide)
    assert wide in widget.report.prices.options
    program, _ = decode(widget._program)
    assert any(option["python"].endswith("block_size=16)") for option in program["options"])


def test_the_last_recipe_of_a_live_model_is_kept() -> None:
    model = small_net()
    talaria.show(model, IMAGE, device="cpu-avx2").mark("stem", INT8)
    again = talaria.show(model, IMAGE, device="cpu-avx2")
    assert again.recipe == talaria.Recipe({"stem": INT8})
    assert "Reset" in again._status["notice"]
    assert (
        talaria.show(model, IMAGE, recipe=talaria.Recipe({}), device="cpu-avx2").recipe
        == talaria.Recipe()
    )
    send(again, "reset")
    assert again.recipe == talaria.Recipe()
    key = id(model)
    del model, again
    gc.collect()
    assert key not in _api._last


def test_two_widgets_of_one_model_are_apart() -> None:
    model = small_net()
    first, second = (
        talaria.show(model, IMAGE, device="cpu-avx2"),
        talaria.show(model, IMAGE, recipe={}, device="cpu-avx2"),
    )
    first.mark("stem", INT8)
    assert second.recipe == talaria.Recipe()


def test_the_cell_carries_a_static_table(widget: Talaria) -> None:
    data, _ = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "<table" in data["text/html"]
    assert "size_bytes" in data["text/plain"]


@pytest.mark.parametrize("editor", ["jupyter", "vscode"])
def test_a_page_without_a_kernel_finds_the_table_beside_the_view(
    widget: Talaria, editor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[dict[str, str]] = []
    display = "talaria_widget.widget.display.display"
    monkeypatch.setattr(display, lambda data, **_: shown.append(data))
    monkeypatch.delenv("VSCODE_PID", raising=False)
    if editor == "vscode":
        monkeypatch.setenv("VSCODE_PID", "1")
    widget._ipython_display_()
    views = ["application/vnd.jupyter.widget-view+json" in data for data in shown]
    tables = ["talaria-static" in data.get("text/html", "") for data in shown]
    assert (views, tables) == (
        ([True], [True]) if editor == "vscode" else ([True, False], [False, True])
    )


def test_marks_from_several_threads_are_all_kept(widget: Talaria) -> None:
    names = ["stem", "blocks.0.conv", "blocks.1.conv", "fc"]
    threads = [threading.Thread(target=widget.mark, args=(name, INT8)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {rule.match for rule in widget.recipe} == set(names)


def test_no_absolute_path_travels(widget: Talaria) -> None:
    program, _ = decode(widget._program)
    assert any(program["sources"])
    assert not any(source.startswith(("/", "~")) for source in program["sources"])


def test_packing_keeps_values_and_alignment() -> None:
    blocks = {
        "small": np.array([1, 2, 3], np.uint8),
        "wide": np.array([[1.5, np.nan]], np.float64),
        "none": np.zeros(0, np.int32),
        "price": np.array([0.1], np.float32),
    }
    meta, found = decode(encode({"name": "é"}, blocks))
    assert meta == {"name": "é"}
    for name, block in blocks.items():
        np.testing.assert_array_equal(found[name], block)
    packed = encode({}, blocks)
    header = int.from_bytes(packed[:4], "little")
    assert (4 + header) % 8 == 0
    with pytest.raises(TypeError, match="complex128"):
        encode({}, {"z": np.zeros(1, np.complex128)})


@pytest.mark.parametrize(
    ("model", "error", "says"),
    [
        ({"fc.weight": torch.zeros(1)}, TypeError, "state dict"),
        (nn.Linear, TypeError, "is a class"),
        (3, TypeError, "a int is no model"),
        ("nowhere.onnx", FileNotFoundError, "nowhere.onnx"),
        (nn.ReLU(), ValueError, "inputs"),
    ],
)
def test_what_is_no_model(model: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        talaria.show(model, device="cpu-avx2")
