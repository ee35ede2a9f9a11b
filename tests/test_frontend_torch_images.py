"""timm and torchvision models come in with no arguments: sizes from what they say of themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import torchvision_cpu
from talaria_widget.frontends.torch import capture, prepare_inputs
from talaria_widget.graph import Graph

TIMM = {
    "resnet10t": (3, 176, 176),
    "vit_tiny_patch16_224": (3, 224, 224),
    "deit_tiny_patch16_224": (3, 224, 224),
    "vit_tiny_patch16_384": (3, 384, 384),
    "swin_tiny_patch4_window7_224": (3, 224, 224),
    "convnext_atto": (3, 224, 224),
    "mobilenetv3_small_050": (3, 224, 224),
    "mobilenetv4_conv_small": (3, 224, 224),
    "tf_efficientnet_lite0": (3, 224, 224),
    "regnetx_002": (3, 224, 224),
    "densenet121": (3, 224, 224),
    "ghostnet_100": (3, 224, 224),
    "resmlp_12_224": (3, 224, 224),
    "gmlp_ti16_224": (3, 224, 224),
    "levit_128s": (3, 224, 224),
    "mobilevit_xxs": (3, 256, 256),
    "mobilevitv2_050": (3, 256, 256),
    "edgenext_xx_small": (3, 256, 256),
    "fastvit_t8": (3, 256, 256),
    "poolformer_s12": (3, 224, 224),
    "pvt_v2_b0": (3, 224, 224),
    "xcit_nano_12_p16_224": (3, 224, 224),
    "crossvit_tiny_240": (3, 240, 240),
    "coat_lite_tiny": (3, 224, 224),
    "tinynet_e": (3, 106, 106),
    "lcnet_035": (3, 224, 224),
    "repvgg_a0": (3, 224, 224),
    "efficientvit_b0": (3, 224, 224),
    "maxvit_nano_rw_256": (3, 256, 256),
    "botnet26t_256": (3, 256, 256),
    "mambaout_femto": (3, 224, 224),
    "starnet_s1": (3, 224, 224),
}


def timm_model(name: str, **settings: Any) -> nn.Module:
    torchvision_cpu.models()
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        model: nn.Module = timm.create_model(name, pretrained=False, **settings)
    return model.eval()


@pytest.mark.parametrize("name", TIMM)
def test_a_timm_model_takes_the_image_that_its_settings_name(name: str) -> None:
    graph = capture(timm_model(name))
    assert graph.tensors[graph.inputs[0]].shape == (1, *TIMM[name])
    assert graph.tensors[graph.outputs[0]].shape == (1, 1000)
    size = "x".join(map(str, TIMM[name]))
    assert (
        graph.assumed[0].startswith(f"{size} from ") and "batch 1 is our guess" in graph.assumed[0]
    )
    assert len(graph.ops) > 40


@pytest.mark.parametrize(
    ("name", "settings", "shape", "whence"),
    [
        ("vit_tiny_patch16_224", {"img_size": 96}, (1, 3, 96, 96), "patch_embed.img_size"),
        ("resnet10t", {"in_chans": 4}, (1, 4, 176, 176), "pretrained_cfg's input_size"),
    ],
)
def test_what_a_timm_model_was_built_for_comes_first(
    name: str, settings: dict[str, Any], shape: tuple[int, ...], whence: str
) -> None:
    graph = capture(timm_model(name, **settings))
    assert graph.tensors["x"].shape == shape
    assert whence in graph.assumed[0]


def torchvision_model(name: str, folder: str = "") -> nn.Module:
    models = torchvision_cpu.models()
    settings = {} if folder in ("", "video") else {"weights_backbone": None}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: nn.Module = models.get_model(name, weights=None, **settings)
    return model.eval()


@pytest.mark.parametrize(
    ("name", "folder", "shape"),
    [
        ("mobilenet_v3_small", "", (1, 3, 224, 224)),
        ("squeezenet1_1", "", (1, 3, 224, 224)),
        ("googlenet", "", (1, 3, 224, 224)),
        ("vit_b_32", "", (1, 3, 224, 224)),
        ("lraspp_mobilenet_v3_large", "segmentation", (1, 3, 224, 224)),
        ("deeplabv3_mobilenet_v3_large", "segmentation", (1, 3, 224, 224)),
        ("r3d_18", "video", (1, 3, 16, 112, 112)),
        ("mc3_18", "video", (1, 3, 16, 112, 112)),
        ("mvit_v2_s", "video", (1, 3, 16, 224, 224)),
    ],
)
def test_a_torchvision_model_takes_what_its_first_layer_does(
    name: str, folder: str, shape: tuple[int, ...]
) -> None:
    graph = capture(torchvision_model(name, folder))
    assert graph.tensors[graph.inputs[0]].shape == shape
    assert graph.outputs and len(graph.assumed) == 1


def _nms(boxes: torch.Tensor, scores: torch.Tensor, _threshold: float) -> torch.Tensor:
    """The best box alone: torchvision's own suppression needs its compiled operators."""
    return scores.argsort(descending=True)[:1]


def detector(name: str, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    model = torchvision_model(name, "detection")
    from torchvision.ops import boxes

    monkeypatch.setattr(boxes, "nms", _nms)
    return model


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("ssdlite320_mobilenet_v3_large", (3, 320, 320)),
        ("fasterrcnn_mobilenet_v3_large_320_fpn", (3, 320, 320)),
        ("retinanet_resnet50_fpn", (3, 800, 800)),
    ],
)
def test_a_detector_takes_a_list_of_images(name: str, shape: tuple[int, ...]) -> None:
    prepared = prepare_inputs(torchvision_model(name, "detection"))
    images = prepared.args[0]
    assert isinstance(images, list)
    assert [tuple(image.shape) for image in images] == [shape]
    size = "x".join(map(str, shape))
    assert prepared.assumed == (f"a list of one image of {size}, which the model resizes to",)


def test_a_detector_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    graph: Graph = capture(detector("ssdlite320_mobilenet_v3_large", monkeypatch))
    assert graph.tensors["images.0"].shape == (3, 320, 320)
    assert sum(op.kind == "conv" for op in graph.ops) > 80
    shapes = [graph.tensors[name].shape for name in graph.outputs]
    assert sorted(len(shape or ()) for shape in shapes) == [1, 1, 2]
    assert [shape[1] for shape in shapes if shape and len(shape) == 2] == [4]


class Flow(nn.Module):
    """Two images of one shape, as optical flow takes them."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, image1: torch.Tensor, image2: torch.Tensor) -> torch.Tensor:
        return self.encoder(image1) * self.encoder(image2)


class Texts(nn.Module):
    """Ids and a mask, as most classifiers of text are written."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 8)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return (self.embed(input_ids) * attention_mask.unsqueeze(-1)).mean(1)


def test_several_arguments_are_made_where_their_names_say_what_they_are() -> None:
    flow = capture(Flow())
    assert flow.inputs == ("image1", "image2")
    assert flow.tensors["image2"].shape == (1, 3, 224, 224)
    assert flow.assumed[-1] == "image1 and image2 have the same shape"
    texts = capture(Texts())
    assert texts.tensors["attention_mask"].shape == texts.tensors["input_ids"].shape == (1, 128)
    assert texts.assumed[-1] == "no token is masked"
    both = capture(nn.Transformer(16, 2, 1, 1, 16, batch_first=True).eval())
    assert [both.tensors[name].shape for name in both.inputs] == [(1, 128, 16)] * 2


def test_arguments_that_say_nothing_are_asked_for_by_name() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(2, 2)

        def forward(self, speed: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
            return self.fc(speed) * mass

    with pytest.raises(ValueError, match=r"\(speed, mass\); pass inputs=\(speed, mass\)"):
        capture(Odd())
