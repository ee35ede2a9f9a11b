"""Recurrent layers in all their forms, and the fast paths of transformers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from talaria_widget.frontends.torch import capture
from talaria_widget.graph import Graph
from talaria_widget.work import count
from test_frontend_torch import Written, op

LENGTHS = (5, 3, 2)


def macs(graph: Graph) -> int:
    return sum(count(graph, op).macs or 0 for op in graph.ops)


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_packed_sequences_count_their_elements(kind: Any, gates: int) -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True)
        return pad_packed_sequence(self.layer(packed)[0], batch_first=True)[0]

    layer = kind(8, 16, 2, batch_first=True, bidirectional=True)
    graph = capture(Written(forward, layer=layer).eval(), torch.randn(3, 5, 8))
    found = op(graph, "layer")
    assert found.kind == "recurrent"
    assert found.attrs["steps"] * found.attrs["batch"] == sum(LENGTHS)
    assert macs(graph) == sum(LENGTHS) * 2 * gates * 16 * ((8 + 16) + (2 * 16 + 16))
    assert graph.tensors[graph.outputs[0]].shape == (3, 5, 2 * 16)


def test_lengths_that_are_an_input_are_answered_and_noted() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(4, 8)
            self.layer = nn.GRU(8, 16, batch_first=True)

        def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            x = self.embed(x)
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            return pad_packed_sequence(self.layer(packed)[0], batch_first=True)[0]

    graph = capture(Reader().eval(), (torch.randn(3, 5, 4), torch.tensor([2, 5, 3])))
    assert macs(graph) == 15 * 4 * 8 + (2 + 5 + 3) * 3 * 16 * (8 + 16)
    assert any("depends on data, at" in n or "depend on data, at" in n for n in graph.notes)


def test_sequences_packed_from_a_list() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return self.layer(pack_sequence([x[0], x[1, :3]]))[0].data

    graph = capture(Written(forward, layer=nn.LSTM(4, 6)).eval(), torch.randn(2, 5, 4))
    assert macs(graph) == (5 + 3) * 4 * 6 * (4 + 6)


def test_a_projected_state() -> None:
    layer = nn.LSTM(8, 16, 2, proj_size=5, bidirectional=True).eval()
    graph = capture(layer, torch.randn(6, 2, 8))
    first = 4 * 16 * (8 + 5) + 16 * 5
    second = 4 * 16 * (2 * 5 + 5) + 16 * 5
    assert macs(graph) == 6 * 2 * 2 * (first + second)
    assert graph.tensors[graph.outputs[0]].shape == (6, 2, 2 * 5)
    assert graph.parameters == sum(p.numel() for p in layer.parameters())


def test_a_sample_without_a_batch() -> None:
    graph = capture(nn.GRU(8, 16).eval(), torch.randn(7, 8))
    assert macs(graph) == 7 * 3 * 16 * (8 + 16)
    assert graph.tensors[graph.outputs[0]].shape == (7, 16)


def test_cells_over_a_loop() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        h = c = torch.zeros(2, 6)
        for step in x:
            h, c = self.lstm(step, (h, c))
            h = self.rnn(self.gru(step, h), h)
        return h

    cells = {"lstm": nn.LSTMCell(4, 6), "gru": nn.GRUCell(4, 6), "rnn": nn.RNNCell(6, 6)}
    graph = capture(Written(forward, **cells).eval(), torch.randn(5, 2, 4))
    assert macs(graph) == 5 * 2 * ((4 + 3) * 6 * (4 + 6) + 6 * (6 + 6))
    assert sum(op.kind == "recurrent" for op in graph.ops) == 5 * 3


@pytest.mark.parametrize("masked", [False, True])
def test_an_encoder_counts_as_written_where_torch_would_take_its_fast_path(masked: bool) -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        mask = torch.tensor([[False] * 4 + [True] * 2, [False] * 6]) if masked else None
        return self.encoder(x, src_key_padding_mask=mask)

    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    model = Written(forward, encoder=nn.TransformerEncoder(layer, 2)).eval()
    graph = capture(model, torch.randn(2, 6, 16))
    assert [op.kind for op in graph.ops].count("attention") == 2
    tokens = 2 * 6
    projections = tokens * (4 * 16 * 16 + 2 * 16 * 32)
    attention = 2 * 2 * (6 * 6 * 16)
    assert macs(graph) == 2 * (projections + attention)
    assert graph.tensors[graph.outputs[0]].shape == (2, 6, 16)
    assert op(graph, "encoder.layers.1.linear2").weights[0] == "encoder.layers.1.linear2.weight"


def test_attention_with_other_widths_and_biases() -> None:
    mha = nn.MultiheadAttention(16, 4, kdim=8, vdim=12, add_bias_kv=True, batch_first=True)

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return self.mha(x, x[:, :3, :8], x[:, :3, :12], need_weights=False)[0]

    graph = capture(Written(forward, mha=mha).eval(), torch.randn(1, 5, 16))
    found = op(graph, "mha")
    assert found.kind == "attention"
    stored = {"mha.q_proj_weight", "mha.k_proj_weight", "mha.v_proj_weight"}
    assert stored <= set(found.weights)
    assert graph.parameters == sum(p.numel() for p in mha.parameters())
