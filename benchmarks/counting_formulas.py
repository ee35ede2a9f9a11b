"""Multiply-adds of known architectures written out, to be read and to be evaluated."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import nn

from torchvision_cpu import models

Built = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Worked:
    """An architecture, its formula term by term, and a sentence on what the tools miss."""

    name: str
    given: str
    make: Callable[[], Built]
    terms: Mapping[str, str]
    verdict: str

    @property
    def value(self) -> int:
        """The formula's value."""
        return sum(evaluate(text) for text in self.terms.values())


_OPERATIONS: Mapping[type[ast.AST], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
}


def evaluate(text: str) -> int:
    """The value of sums, products and powers of whole numbers, written with · and ².

    Raises:
        ValueError: it holds anything else.
    """
    plain = text.replace("·", "*").replace("²", "**2")
    return _value(ast.parse(plain, mode="eval").body)


def _value(node: ast.AST) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError(f"{ast.unparse(node)} is no sum or product of whole numbers")


def _image(name: str) -> Callable[[], Built]:
    def make() -> Built:
        torch.manual_seed(0)
        model = models().get_model(name, weights=None)
        return model.eval(), (torch.randn(1, 3, 224, 224),), {}

    return make


def _text(config: str, model: str, length: int, **settings: Any) -> Callable[[], Built]:
    def make() -> Built:
        torch.manual_seed(0)
        settled = getattr(transformers, config)(**settings)
        ids = torch.randint(5, 90, (1, length))
        return getattr(transformers, model)(settled).eval(), (), {"input_ids": ids}

    return make


def _t5() -> Built:
    model, _, given = _text(
        "T5Config",
        "T5ForConditionalGeneration",
        32,
        use_cache=False,
        decoder_start_token_id=0,
    )()
    return model, (), {**given, "decoder_input_ids": torch.randint(5, 90, (1, 8))}


def _recurrent(kind: type[nn.Module], **settings: Any) -> Callable[[], Built]:
    def make() -> Built:
        torch.manual_seed(0)
        return kind(64, 128, batch_first=True, **settings).eval(), (torch.randn(1, 50, 64),), {}

    return make


def _encoder() -> Built:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(512, 8, 2048, batch_first=True)
    model = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
    return model.eval(), (torch.randn(1, 100, 512),), {}


_LLAMA: dict[str, Any] = {
    "vocab_size": 32_000,
    "hidden_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 1536,
    "use_cache": False,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_MIXTRAL = {**_LLAMA, "num_local_experts": 8, "num_experts_per_tok": 2}

WORKED: tuple[Worked, ...] = (
    Worked(
        "AlexNet",
        "1 x 3 x 224 x 224",
        _image("alexnet"),
        {
            "convolutions": "64·55²·3·11² + 192·27²·64·5² + 384·13²·192·3² + 256·13²·384·3²"
            " + 256·13²·256·3²",
            "classifier": "9216·4096 + 4096² + 4096·1000",
        },
        "All agree. torchinfo adds the biases, ptflops those, pools and activations.",
    ),
    Worked(
        "VGG-16",
        "1 x 3 x 224 x 224",
        _image("vgg16"),
        {
            "convolutions": "3²·(224²·(3·64 + 64²) + 112²·(64·128 + 128²)"
            " + 56²·(128·256 + 2·256²) + 28²·(256·512 + 2·512²) + 14²·3·512²)",
            "classifier": "25088·4096 + 4096² + 4096·1000",
        },
        "All agree; torchinfo adds the biases, ptflops those, pools and activations.",
    ),
    Worked(
        "ResNet-18",
        "1 x 3 x 224 x 224",
        _image("resnet18"),
        {
            "stem": "112²·64·3·7²",
            "56 x 56": "56²·4·64²·3²",
            "28 x 28": "28²·(64·128·3² + 3·128²·3² + 64·128)",
            "14 x 14": "14²·(128·256·3² + 3·256²·3² + 128·256)",
            "7 x 7": "7²·(256·512·3² + 3·512²·3² + 256·512)",
            "classifier": "512·1000",
        },
        "All agree on the layers. fvcore adds norms and pools, ptflops those and activations, "
        "which are no multiply-adds; torchvision publishes 1.814 G.",
    ),
    Worked(
        "ResNet-50",
        "1 x 3 x 224 x 224",
        _image("resnet50"),
        {
            "stem": "112²·64·3·7²",
            "56 x 56": "56²·(64² + 3²·64² + 2·64·256 + 2·(256·64 + 3²·64² + 64·256))",
            "28 x 28": "56²·256·128 + 28²·(3²·128² + 128·512 + 256·512"
            " + 3·(512·128 + 3²·128² + 128·512))",
            "14 x 14": "28²·512·256 + 14²·(3²·256² + 256·1024 + 512·1024"
            " + 5·(1024·256 + 3²·256² + 256·1024))",
            "7 x 7": "14²·1024·512 + 7²·(3²·512² + 512·2048 + 1024·2048"
            " + 2·(2048·512 + 3²·512² + 512·2048))",
            "classifier": "2048·1000",
        },
        "As ResNet-18; torchvision publishes 4.089 G.",
    ),
    Worked(
        "ViT-B/16",
        "1 x 3 x 224 x 224: 14² patches and a class token, 12 layers of width 768",
        _image("vit_b_16"),
        {
            "patches": "14²·768·3·16²",
            "projections": "12·197·(768·2304 + 768²)",
            "attention": "12·2·197²·768",
            "feed-forward": "12·197·2·768·3072",
            "head": "768·1000",
        },
        "torchinfo is wrong by a factor of a hundred: it counts each weight of a linear layer "
        "once per picture and not per token, and attention not at all. fvcore and calflops "
        "leave out the two products of attention. FlopCounterMode leaves out the whole of "
        "`MultiheadAttention`, which on a CPU runs as one fused operator without a formula. "
        "ptflops is right, and adds norms and activations. torchvision publishes 17.564 G.",
    ),
    Worked(
        "Swin-T",
        "1 x 3 x 224 x 224: windows of 7² in 2, 2, 6 and 2 blocks of width 96 to 768",
        _image("swin_t"),
        {
            "patches": "56²·96·3·4²",
            "projections": "2·56²·4·96² + 2·28²·4·192² + 6·14²·4·384² + 2·7²·4·768²",
            "attention": "2·7²·(2·56²·96 + 2·28²·192 + 6·14²·384 + 2·7²·768)",
            "feed-forward": "8·(2·56²·96² + 2·28²·192² + 6·14²·384² + 2·7²·768²)",
            "merging": "28²·384·192 + 14²·768·384 + 7²·1536·768",
            "head": "768·1000",
        },
        "torchinfo as above. ptflops leaves out the projections of attention, which Swin "
        "calls as functions. fvcore adds norms. torchvision publishes 4.491 G.",
    ),
    Worked(
        "BERT-base",
        "1 x 128 tokens: 12 layers of width 768, and the pooler",
        _text("BertConfig", "BertModel", 128),
        {
            "projections": "12·128·4·768²",
            "attention": "12·2·128²·768",
            "feed-forward": "12·128·2·768·3072",
            "pooler": "768²",
        },
        "torchinfo as above. All others leave out the two products of attention, which run as "
        "one operator (`scaled_dot_product_attention`); FlopCounterMode has formulas for its "
        "GPU kernels and none for the CPU's.",
    ),
    Worked(
        "Llama",
        "1 x 128 tokens: 4 layers of width 512, 8 heads that share 2 of keys, causal",
        _text("LlamaConfig", "LlamaForCausalLM", 128, **_LLAMA),
        {
            "projections": "4·128·(2·512² + 2·512·128)",
            "attention, full matrix": "4·2·128²·512",
            "feed-forward": "4·128·3·512·1536",
            "head": "128·512·32000",
        },
        "As BERT. Its causal mask counts as the full matrix here.",
    ),
    Worked(
        "Mixtral",
        "as the Llama above, each token seen by 2 of 8 experts",
        _text("MixtralConfig", "MixtralForCausalLM", 128, **_MIXTRAL),
        {
            "projections": "4·128·(2·512² + 2·512·128)",
            "attention, full matrix": "4·2·128²·512",
            "router": "4·128·512·8",
            "active experts": "4·128·2·3·512·1536",
            "head": "128·512·32000",
        },
        "All leave out the experts, half of the work, which run as one operator without a "
        "formula (`torch._grouped_mm`), and attention as above.",
    ),
    Worked(
        "T5-small",
        "1 x 32 tokens in, 8 out: 6 + 6 layers of width 512",
        _t5,
        {
            "encoder": "6·(32·4·512² + 2·32²·512 + 32·2·512·2048)",
            "decoder, itself": "6·(8·4·512² + 2·8²·512)",
            "decoder, the encoder": "6·(8·2·512² + 32·2·512² + 2·8·32·512)",
            "decoder, feed-forward": "6·8·2·512·2048",
            "head": "8·512·32128",
        },
        "As BERT: attention is left out. torchinfo counts each weight once, tables of "
        "embeddings too.",
    ),
    Worked(
        "Transformer encoder",
        "`nn.TransformerEncoder`, 1 x 100 x 512: 6 layers",
        _encoder,
        {
            "projections": "6·100·4·512²",
            "attention": "6·2·100²·512",
            "feed-forward": "6·100·2·512·2048",
        },
        "FlopCounterMode says 0: each layer runs as one fused operator "
        "(`_transformer_encoder_layer_fwd`). torchinfo as above; fvcore and calflops leave "
        "out attention's products; ptflops is right, and adds norms.",
    ),
    Worked(
        "LSTM",
        "1 x 50 x 64: 2 layers of 128, both directions",
        _recurrent(nn.LSTM, num_layers=2, bidirectional=True),
        {"first layer": "50·2·4·128·(64 + 128)", "second layer": "50·2·4·128·(256 + 128)"},
        "fvcore, calflops and FlopCounterMode say 0: they have no formula for the operator. "
        "torchinfo and ptflops are right, and count biases as multiply-adds; ptflops the "
        "gates' functions too.",
    ),
    Worked(
        "GRU",
        "1 x 50 x 64: 1 layer of 128",
        _recurrent(nn.GRU),
        {"layer": "50·3·128·(64 + 128)"},
        "As the LSTM, but on a CPU torch runs a GRU as plain products, which FlopCounterMode sees.",
    ),
)
