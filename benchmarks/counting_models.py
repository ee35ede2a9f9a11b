"""The models whose counts are checked: torchvision's constructors and timm's."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
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


def _timm(name: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        models()  # timm imports torchvision
        built: nn.Module = importlib.import_module("timm").create_model(name)
        return built

    return make


_TIMM = """
vit_tiny_patch16_224 deit3_small_patch16_224 swin_tiny_patch4_window7_224 convnextv2_atto
efficientnet_lite0 mobilenetv4_conv_small edgenext_xx_small efficientformerv2_s0
eva02_tiny_patch14_224 cait_xxs24_224 coat_lite_tiny davit_tiny ghostnet_100 gmlp_s16_224
mixer_s16_224 hrnet_w18_small levit_128s nfnet_l0 poolformer_s12 pvt_v2_b0 rexnet_100 regnety_002
sequencer2d_s volo_d1_224 xcit_nano_12_p16_224 res2net50_26w_4s dla34 dpn68 fastvit_t8
focalnet_tiny_srf hiera_tiny_224 repvit_m0_9 tiny_vit_5m_224 tresnet_m nest_tiny mvitv2_tiny
gcvit_xxtiny convit_tiny mambaout_femto efficientvit_b0
"""
TIMM = [Case("timm", name, _timm(name), image(224)) for name in _TIMM.split()]
