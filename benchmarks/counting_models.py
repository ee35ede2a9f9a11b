"""The models whose counts are checked: torchvision constructors, small Hugging Face configs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import transformers
from torch import nn

from torchvision_cpu import models

Inputs = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """A model to count; `weights` names the torchvision weights whose figure is for its inputs."""

    family: str
    name: str
    make: Callable[[], nn.Module]
    inputs: Callable[[], Inputs]
    weights: str | None = None

    def build(self) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
        """The model in eval mode with random weights, and real inputs."""
        torch.manual_seed(0)
        args, kwargs = self.inputs()
        return self.make().eval(), args, kwargs

    def published(self) -> float | None:
        """Multiply-adds that torchvision publishes for this constructor at this input."""
        if self.weights is None:
            return None
        place = models() if hasattr(models(), self.weights) else models().video
        return float(getattr(place, self.weights).DEFAULT.meta["_ops"]) * 1e9


@cache
def _suppression() -> torch.library.Library:
    """The operator `nms` in plain torch, where torchvision's kernels do not load."""
    models()
    boxes: Any = importlib.import_module("torchvision.ops.boxes")
    boxes._assert_has_ops = lambda: None
    library = torch.library.Library("torchvision", "IMPL")
    if not torch._C._dispatch_has_kernel_for_dispatch_key("torchvision::nms", "CPU"):
        library.impl("nms", _suppress, "CPU")
    return library


def _suppress(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order, kept = scores.argsort(descending=True), []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[order, :2])
        high = torch.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = (high - low).clamp(min=0).prod(1)
        order = order[shared / (areas[best] + areas[order] - shared) <= threshold]
    return torch.stack(kept) if kept else order


def _detector(name: str) -> Callable[[], nn.Module]:
    # Small images and few proposals: published figures depend on the picture.
    sizes = {} if name.startswith("ssd") else {"min_size": 224, "max_size": 320}
    proposals = {"rpn_post_nms_top_n_test": 30} if "rcnn" in name else {}

    def make() -> nn.Module:
        _suppression()
        built: nn.Module = models().get_model(
            name, weights=None, weights_backbone=None, **sizes, **proposals
        )
        return built

    return make


def image(size: int, batch: int = 1) -> Callable[[], Inputs]:
    return lambda: ((torch.randn(batch, 3, size, size),), {})


def clip(frames: int, size: int) -> Callable[[], Inputs]:
    return lambda: ((torch.randn(1, 3, frames, size, size),), {})


def scene(size: int) -> Callable[[], Inputs]:
    return lambda: (([torch.rand(3, size, size)],), {})


def pair(size: int) -> Callable[[], Inputs]:
    return lambda: ((torch.randn(1, 3, size, size), torch.randn(1, 3, size, size)), {})


def _constructor(name: str, options: Mapping[str, Any]) -> Callable[[], nn.Module]:
    return lambda: models().get_model(name, weights=None, **options)


def _vision(
    inputs: Callable[[], Inputs], names: str, family: str = "torchvision", **options: Any
) -> list[Case]:
    return [Case(family, name, _constructor(name, options), inputs) for name in names.split()]


# Input sizes of the published figures: torchvision's weights say them as `crop_size`.
_PUBLISHED: dict[str, tuple[int, str]] = {
    "alexnet": (224, "AlexNet_Weights"),
    "vgg11": (224, "VGG11_Weights"),
    "vgg16": (224, "VGG16_Weights"),
    "vgg16_bn": (224, "VGG16_BN_Weights"),
    "squeezenet1_0": (224, "SqueezeNet1_0_Weights"),
    "squeezenet1_1": (224, "SqueezeNet1_1_Weights"),
    "resnet18": (224, "ResNet18_Weights"),
    "resnet34": (224, "ResNet34_Weights"),
    "resnet50": (224, "ResNet50_Weights"),
    "resnet101": (224, "ResNet101_Weights"),
    "resnext50_32x4d": (224, "ResNeXt50_32X4D_Weights"),
    "wide_resnet50_2": (224, "Wide_ResNet50_2_Weights"),
    "densenet121": (224, "DenseNet121_Weights"),
    "densenet201": (224, "DenseNet201_Weights"),
    "googlenet": (224, "GoogLeNet_Weights"),
    "inception_v3": (299, "Inception_V3_Weights"),
    "mnasnet0_5": (224, "MNASNet0_5_Weights"),
    "mnasnet1_0": (224, "MNASNet1_0_Weights"),
    "mobilenet_v2": (224, "MobileNet_V2_Weights"),
    "mobilenet_v3_small": (224, "MobileNet_V3_Small_Weights"),
    "mobilenet_v3_large": (224, "MobileNet_V3_Large_Weights"),
    "shufflenet_v2_x0_5": (224, "ShuffleNet_V2_X0_5_Weights"),
    "shufflenet_v2_x1_0": (224, "ShuffleNet_V2_X1_0_Weights"),
    "efficientnet_b0": (224, "EfficientNet_B0_Weights"),
    "efficientnet_b1": (240, "EfficientNet_B1_Weights"),
    "efficientnet_b2": (288, "EfficientNet_B2_Weights"),
    "efficientnet_v2_s": (384, "EfficientNet_V2_S_Weights"),
    "regnet_x_400mf": (224, "RegNet_X_400MF_Weights"),
    "regnet_x_800mf": (224, "RegNet_X_800MF_Weights"),
    "regnet_y_400mf": (224, "RegNet_Y_400MF_Weights"),
    "regnet_y_800mf": (224, "RegNet_Y_800MF_Weights"),
    "convnext_tiny": (224, "ConvNeXt_Tiny_Weights"),
    "convnext_small": (224, "ConvNeXt_Small_Weights"),
    "vit_b_16": (224, "ViT_B_16_Weights"),
    "vit_b_32": (224, "ViT_B_32_Weights"),
    "swin_t": (224, "Swin_T_Weights"),
    "swin_s": (224, "Swin_S_Weights"),
    "swin_v2_t": (256, "Swin_V2_T_Weights"),
    "maxvit_t": (224, "MaxVit_T_Weights"),
}
CLASSIFICATION = [
    Case(
        "torchvision",
        name,
        _constructor(
            name, {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        ),
        image(size),
        weights,
    )
    for name, (size, weights) in _PUBLISHED.items()
] + _vision(
    image(224),
    "vgg13 vgg19 vgg11_bn resnet152 resnext101_32x8d densenet161 densenet169 mnasnet0_75 "
    "mnasnet1_3 shufflenet_v2_x1_5 shufflenet_v2_x2_0 efficientnet_b3 regnet_x_1_6gf "
    "regnet_y_1_6gf regnet_x_3_2gf regnet_y_3_2gf convnext_base swin_b",
)
SEGMENTATION = _vision(
    image(224),
    "fcn_resnet50 fcn_resnet101 deeplabv3_resnet50 deeplabv3_resnet101 "
    "deeplabv3_mobilenet_v3_large lraspp_mobilenet_v3_large",
    weights_backbone=None,
)
DETECTION = [
    Case("torchvision", name, _detector(name), scene(224))
    for name in (
        "fasterrcnn_resnet50_fpn",
        "fasterrcnn_resnet50_fpn_v2",
        "fasterrcnn_mobilenet_v3_large_fpn",
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "maskrcnn_resnet50_fpn",
        "keypointrcnn_resnet50_fpn",
        "retinanet_resnet50_fpn",
        "fcos_resnet50_fpn",
        "ssd300_vgg16",
        "ssdlite320_mobilenet_v3_large",
    )
]
_CLIPS: dict[str, tuple[int, int, str]] = {
    "r3d_18": (16, 112, "R3D_18_Weights"),
    "mc3_18": (16, 112, "MC3_18_Weights"),
    "r2plus1d_18": (16, 112, "R2Plus1D_18_Weights"),
    "mvit_v1_b": (16, 224, "MViT_V1_B_Weights"),
    "mvit_v2_s": (16, 224, "MViT_V2_S_Weights"),
}
VIDEO = [
    Case("torchvision", name, _constructor(name, {}), clip(frames, size), weights)
    for name, (frames, size, weights) in _CLIPS.items()
] + [
    *_vision(clip(14, 224), "s3d"),
    *_vision(clip(8, 112), "swin3d_t"),
]
FLOW = _vision(pair(128), "raft_small raft_large")
VISION = [*CLASSIFICATION, *SEGMENTATION, *DETECTION, *VIDEO, *FLOW]


def tokens(length: int = 16, **more: Any) -> Callable[[], Inputs]:
    def make() -> Inputs:
        ids = torch.randint(5, 90, (1, length))
        return (), {"input_ids": ids, **{name: build() for name, build in more.items()}}

    return make


def given(**named: Callable[[], Any]) -> Callable[[], Inputs]:
    return lambda: ((), {name: build() for name, build in named.items()})


def _config(name: str, model: str, inputs: Callable[[], Inputs], **settings: Any) -> Case:
    def make() -> nn.Module:
        config = getattr(transformers, name)(**settings)
        built: nn.Module = getattr(transformers, model)(config)
        return built

    return Case("transformers", model, make, inputs)


_SMALL: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
_ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_GROUPED = {**_SMALL, "num_key_value_heads": 2, "use_cache": False, **_ENDS}
_CACHELESS = {**_SMALL, "use_cache": False, **_ENDS}
_PICTURE = {**_SMALL, "image_size": 64, "patch_size": 16}
del _PICTURE["vocab_size"]
_EXPERTS = {**_GROUPED, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
_BART = {
    "vocab_size": 100,
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "use_cache": False,
    **_ENDS,
}
_TARGET: dict[str, Any] = {"decoder_input_ids": lambda: torch.randint(5, 90, (1, 8))}


def picture() -> torch.Tensor:
    return torch.randn(1, 3, 64, 64)


def wave() -> torch.Tensor:
    return torch.randn(1, 4000)


_SPEECH = {
    **_SMALL,
    "conv_dim": (32, 32, 32),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
TEXT = [
    _config("BertConfig", "BertForMaskedLM", tokens(), **_SMALL),
    _config("RobertaConfig", "RobertaForSequenceClassification", tokens(), **_SMALL, **_ENDS),
    _config(
        "DistilBertConfig",
        "DistilBertModel",
        tokens(),
        vocab_size=100,
        dim=64,
        n_layers=2,
        n_heads=4,
        hidden_dim=128,
    ),
    _config("AlbertConfig", "AlbertModel", tokens(), **_SMALL, embedding_size=32),
    _config("ElectraConfig", "ElectraModel", tokens(), **_SMALL, embedding_size=32),
    _config(
        "DebertaV2Config",
        "DebertaV2Model",
        tokens(),
        **_SMALL,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=8,
    ),
    _config("MPNetConfig", "MPNetModel", tokens(), **_SMALL),
    _config(
        "ModernBertConfig",
        "ModernBertModel",
        tokens(),
        **_SMALL,
        **_ENDS,
        local_attention=8,
        cls_token_id=1,
        sep_token_id=2,
    ),
    _config("FNetConfig", "FNetModel", tokens(), **_SMALL),
    _config("SqueezeBertConfig", "SqueezeBertModel", tokens(), **_SMALL, embedding_size=64),
    _config("LongformerConfig", "LongformerModel", tokens(), **_SMALL, attention_window=8, **_ENDS),
    _config(
        "BigBirdConfig", "BigBirdModel", tokens(), **_SMALL, attention_type="original_full", **_ENDS
    ),
    _config(
        "GPT2Config",
        "GPT2LMHeadModel",
        tokens(),
        vocab_size=100,
        n_embd=64,
        n_layer=2,
        n_head=4,
        use_cache=False,
        **_ENDS,
    ),
    _config("GPTNeoXConfig", "GPTNeoXForCausalLM", tokens(), **_CACHELESS),
    _config(
        "OPTConfig",
        "OPTForCausalLM",
        tokens(),
        vocab_size=100,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        ffn_dim=128,
        word_embed_proj_dim=64,
        use_cache=False,
        **_ENDS,
    ),
    _config(
        "BloomConfig",
        "BloomForCausalLM",
        tokens(),
        vocab_size=100,
        hidden_size=64,
        n_layer=2,
        n_head=4,
        use_cache=False,
        **_ENDS,
    ),
    _config(
        "FalconConfig",
        "FalconForCausalLM",
        tokens(),
        vocab_size=100,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        use_cache=False,
        **_ENDS,
    ),
    _config("LlamaConfig", "LlamaForCausalLM", tokens(), **_GROUPED),
    _config("MistralConfig", "MistralForCausalLM", tokens(), **_GROUPED, sliding_window=8),
    _config("Qwen2Config", "Qwen2ForCausalLM", tokens(), **_GROUPED),
    _config("Qwen3Config", "Qwen3ForCausalLM", tokens(), **_GROUPED, head_dim=16),
    _config("GemmaConfig", "GemmaForCausalLM", tokens(), **_GROUPED, head_dim=16),
    _config("Gemma2Config", "Gemma2ForCausalLM", tokens(), **_GROUPED, head_dim=16),
    _config("PhiConfig", "PhiForCausalLM", tokens(), **_GROUPED),
    _config("Phi3Config", "Phi3ForCausalLM", tokens(), **_GROUPED),
    _config("StableLmConfig", "StableLmForCausalLM", tokens(), **_GROUPED),
    _config("CohereConfig", "CohereForCausalLM", tokens(), **_GROUPED),
    _config("OlmoConfig", "OlmoForCausalLM", tokens(), **_GROUPED),
    _config(
        "MixtralConfig",
        "MixtralForCausalLM",
        tokens(),
        **_GROUPED,
        num_local_experts=4,
        num_experts_per_tok=2,
    ),
    _config(
        "Qwen2MoeConfig",
        "Qwen2MoeForCausalLM",
        tokens(),
        **_EXPERTS,
        num_experts=4,
        shared_expert_intermediate_size=64,
    ),
    _config(
        "MambaConfig",
        "MambaForCausalLM",
        tokens(),
        vocab_size=100,
        hidden_size=64,
        num_hidden_layers=2,
        state_size=8,
        use_cache=False,
        **_ENDS,
    ),
    _config(
        "T5Config",
        "T5ForConditionalGeneration",
        tokens(**_TARGET),
        vocab_size=100,
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        use_cache=False,
        decoder_start_token_id=0,
    ),
    _config("BartConfig", "BartForConditionalGeneration", tokens(**_TARGET), **_BART),
    _config("MarianConfig", "MarianMTModel", tokens(**_TARGET), **_BART, decoder_start_token_id=0),
    _config("PegasusConfig", "PegasusForConditionalGeneration", tokens(**_TARGET), **_BART),
]
OTHERS = [
    _config("ViTConfig", "ViTForImageClassification", given(pixel_values=picture), **_PICTURE),
    _config("DeiTConfig", "DeiTModel", given(pixel_values=picture), **_PICTURE),
    _config(
        "BeitConfig",
        "BeitModel",
        given(pixel_values=picture),
        **_PICTURE,
        use_relative_position_bias=True,
    ),
    _config("Dinov2Config", "Dinov2Model", given(pixel_values=picture), **_PICTURE),
    _config(
        "SwinConfig",
        "SwinModel",
        given(pixel_values=picture),
        image_size=64,
        patch_size=4,
        embed_dim=32,
        depths=[2, 2],
        num_heads=[2, 4],
        window_size=4,
    ),
    _config(
        "ConvNextConfig",
        "ConvNextModel",
        given(pixel_values=picture),
        hidden_sizes=[16, 32, 64, 128],
        depths=[1, 1, 2, 1],
    ),
    _config(
        "ResNetConfig",
        "ResNetModel",
        given(pixel_values=picture),
        hidden_sizes=[32, 64, 128, 256],
        depths=[1, 1, 1, 1],
        embedding_size=16,
    ),
    _config(
        "SegformerConfig",
        "SegformerForSemanticSegmentation",
        given(pixel_values=picture),
        hidden_sizes=[16, 32, 64, 128],
        depths=[1, 1, 1, 1],
        decoder_hidden_size=32,
    ),
    _config("MobileViTConfig", "MobileViTModel", given(pixel_values=picture), image_size=64),
    _config(
        "CLIPConfig",
        "CLIPModel",
        tokens(8, pixel_values=picture),
        text_config={**_SMALL, **_ENDS},
        vision_config=_PICTURE,
        projection_dim=32,
    ),
    _config(
        "WhisperConfig",
        "WhisperModel",
        given(input_features=lambda: torch.randn(1, 80, 200), **_TARGET),
        **_BART,
        max_source_positions=100,
        decoder_start_token_id=0,
    ),
    _config("Wav2Vec2Config", "Wav2Vec2ForCTC", given(input_values=wave), **_SPEECH),
    _config("HubertConfig", "HubertModel", given(input_values=wave), **_SPEECH),
    _config(
        "ASTConfig",
        "ASTModel",
        given(input_values=lambda: torch.randn(1, 128, 64)),
        **{k: v for k, v in _SMALL.items() if k != "vocab_size"},
        max_length=128,
        num_mel_bins=64,
    ),
    _config(
        "DetrConfig",
        "DetrModel",
        given(pixel_values=picture),
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        num_queries=10,
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config={
            "model_type": "resnet",
            "hidden_sizes": [32, 64, 128, 256],
            "depths": [1, 1, 1, 1],
            "embedding_size": 16,
            "out_features": ["stage4"],
        },
    ),
]
LANGUAGE = [*TEXT, *OTHERS]
