"""Every family of rules: what a file of them gives is what torch gives, on two inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lowered import disagreements, feeds, lowered, outputs
from talaria_widget.rewrite.child import run

Cases = Mapping[str, Callable[[Tensor], Tensor]]
TOLERANCE = 1e-3


class Many(nn.Module):
    """Many functions of one input, each an output by its name."""

    def __init__(self, cases: Cases) -> None:
        super().__init__()
        self.cases = dict(cases)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {name: case(x) for name, case in self.cases.items()}


def whole(x: Tensor) -> Tensor:
    return (x * 7).to(torch.int64)


ELEMENTWISE: Cases = {
    "add": lambda x: x + 2 * x,
    "add alpha": lambda x: torch.add(x, x, alpha=3),
    "sub alpha": lambda x: torch.sub(x, x * x, alpha=2),
    "rsub": lambda x: 1 - x,
    "int and float": lambda x: whole(x) * x,
    "int division": lambda x: whole(x) / 3,
    "floor of ints": lambda x: whole(x) // 4,
    "floor of floats": lambda x: torch.div(x, 0.3, rounding_mode="floor"),
    "trunc": lambda x: torch.div(x, 0.3, rounding_mode="trunc"),
    "trunc of ints": lambda x: torch.div(whole(x), 4, rounding_mode="trunc"),
    "remainder": lambda x: x % 0.7,
    "remainder of ints": lambda x: whole(x) % 5,
    "fmod": lambda x: torch.fmod(x, 0.7),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "root": lambda x: x.abs() ** 0.5,
    "power of a number": lambda x: 2**x,
    "rsqrt": lambda x: torch.rsqrt(x.abs() + 1),
    "logs": lambda x: torch.log2(x.abs() + 1) + torch.log10(x.abs() + 1) + torch.log1p(x.abs()),
    "expm1": lambda x: torch.expm1(x) + torch.exp2(x),
    "round": lambda x: torch.round(3 * x),
    "half rounds to even": lambda x: torch.round(whole(x) / 2),
    "trunc of floats": lambda x: torch.trunc(3 * x),
    "compare": lambda x: (x > 0) & (x <= 0.5) | ~(x != x),
    "compare ints": lambda x: whole(x) >= 2.5,
    "where": lambda x: torch.where(x > 0, x, 0.5),
    "masked fill": lambda x: x.masked_fill(x < 0, float("-inf")),
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "clamp ints": lambda x: whole(x).clamp(min=-2),
    "clamp tensors": lambda x: torch.clamp(x, x.mean(), x.max()),
    "maximum": lambda x: torch.maximum(x, x.flip(0)),
    "isnan": lambda x: torch.isnan(x / 0) | torch.isinf(x) | ~torch.isfinite(x),
    "bits": lambda x: (whole(x) & 3) | (whole(x) ^ 5),
    "not bits": lambda x: ~whole(x),
    "addcmul": lambda x: torch.addcmul(x, x, x, value=0.3),
    "lerp": lambda x: torch.lerp(x, x * x, 0.3),
    "erf": lambda x: torch.erf(x) + torch.erfc(x) * 2,
    "to half and back": lambda x: x.half().float(),
    "to bool": lambda x: x.to(torch.bool),
    "sign": lambda x: torch.sign(x) + torch.sin(x) + torch.atan(x),
    "logical": lambda x: torch.logical_and(x, whole(x)),
}
ACTIVATIONS: Cases = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "gelu": functional.gelu,
    "gelu tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "hardswish": lambda x: functional.hardswish(5 * x),
    "hardsigmoid": lambda x: functional.hardsigmoid(5 * x),
    "hardtanh": lambda x: functional.hardtanh(x, -0.3, 0.4),
    "leaky": lambda x: functional.leaky_relu(x, 0.2),
    "elu": lambda x: functional.elu(x, 0.7),
    "celu": lambda x: functional.celu(x, 0.7),
    "selu": functional.selu,
    "softplus": lambda x: functional.softplus(x, beta=2),
    "mish": functional.mish,
    "logsigmoid": functional.logsigmoid,
    "softsign": functional.softsign,
    "threshold": lambda x: functional.threshold(x, 0.1, 0.7),
    "hardshrink": functional.hardshrink,
    "softshrink": functional.softshrink,
    "tanhshrink": functional.tanhshrink,
    "glu": lambda x: functional.glu(x, 1),
    "softmax": lambda x: functional.softmax(x, 1),
    "log softmax": lambda x: functional.log_softmax(x, -1),
    "softmin": lambda x: functional.softmin(x, 0),
    "dropout": lambda x: functional.dropout(x, 0.5, training=False),
}
SHAPES: Cases = {
    "view": lambda x: x.view(2, -1),
    "flatten": lambda x: x.flatten(1).unflatten(1, (2, -1)),
    "transpose": lambda x: x.transpose(1, 2).reshape(2, -1),
    "permute": lambda x: x.permute(2, 0, 1).contiguous(),
    "squeeze": lambda x: x[:, None].squeeze(1).unsqueeze(-1).squeeze(),
    "expand": lambda x: x[:, :1].expand(-1, 3, -1),
    "slice": lambda x: x[:, 1:3, ::2],
    "negative slice": lambda x: x[:, -2:, :-1],
    "select": lambda x: x[:, -1],
    "ellipsis": lambda x: x[..., None, 1],
    "split": lambda x: x.split([1, 3], 1)[1] + x.chunk(2, 1)[0][:, :1],
    "unbind": lambda x: x.unbind(1)[2],
    "cat": lambda x: torch.cat([x, x * 2, whole(x)], 1),
    "stack": lambda x: torch.stack([x, x + 1], -1),
    "pad": lambda x: functional.pad(x, (1, 2, 0, 1), value=3.0),
    "pad reflect": lambda x: functional.pad(x, (1, 2), mode="reflect"),
    "pad replicate": lambda x: functional.pad(x, (1, 2), mode="replicate"),
    "pad circular": lambda x: functional.pad(x, (1, 2), mode="circular"),
    "crop": lambda x: functional.pad(x, (-1, 0)),
    "repeat": lambda x: x.repeat(2, 1, 1, 3),
    "tile": lambda x: x.tile((2, 1)),
    "flip": lambda x: x.flip(0, 2),
    "roll": lambda x: x.roll((1, -2), (1, 2)),
    "roll flat": lambda x: x.roll(3),
    "as strided": lambda x: x.as_strided((2, 3, 2), (24, 3, 1), 1),
    "as strided of turned": lambda x: x.transpose(0, 2).as_strided((3, 4), (4, 2)),
    "unfold": lambda x: x.unfold(2, 3, 2),
    "shuffle": lambda x: functional.pixel_shuffle(x.reshape(1, 4, 2, 6), 2),
    "unshuffle": lambda x: functional.pixel_unshuffle(x[:, None], 2),
    "tril": lambda x: x.tril(-1) + x.triu(1),
    "meshgrid": lambda x: torch.meshgrid(x[0, 0], x[1, 0], indexing="ij")[0],
    "movedim": lambda x: x.movedim(0, 2),
    "diagonal": lambda x: x.diagonal(dim1=1, dim2=2),
}
INDICES: Cases = {
    "list": lambda x: x[[1, 0]],
    "tensor": lambda x: x[:, torch.tensor([2, 0, 1])],
    "two": lambda x: x[torch.tensor([0, 1]), torch.tensor([2, 3])],
    "two with a gap": lambda x: x[torch.tensor([0, 1]), :, torch.tensor([2, 3])],
    "behind": lambda x: x[:, torch.tensor([[0], [1]]), torch.tensor([2, 3])],
    "mask known": lambda x: x[:, torch.tensor([True, False, True, False])],
    "by value": lambda x: x[0, 0][whole(x).abs() % 6],
    "select": lambda x: x.index_select(1, torch.tensor([3, 1])),
    "gather": lambda x: x.gather(1, whole(x).abs() % 4),
    "scatter": lambda x: torch.zeros_like(x).scatter(1, whole(x)[:, :1].abs() % 4, x[:, :1]),
    "scatter number": lambda x: x.scatter(2, whole(x)[..., :1].abs() % 6, 9.0),
    "scatter add": lambda x: x.scatter_add(1, whole(x).abs() % 4, x),
    "index add": lambda x: x.index_add(1, torch.tensor([0, 0]), x[:, :2], alpha=2),
    "index copy": lambda x: x.index_copy(1, torch.tensor([2, 0]), x[:, :2]),
    "index put": lambda x: x.index_put((torch.tensor([0, 1]), torch.tensor([2, 3])), x[:, 0]),
    "accumulate": lambda x: x.index_put((torch.tensor([0, 0]),), x, accumulate=True),
    "masked where": lambda x: torch.where(x > 0, x, -x),
    "take along": lambda x: torch.take_along_dim(x, whole(x).abs() % 4, 1),
    "top": lambda x: x.topk(2, 1).values + x.topk(2, 1).indices,
    "sort": lambda x: x.sort(-1, descending=True)[0],
    "argsort": lambda x: x.argsort(1),
    "one hot": lambda x: functional.one_hot(whole(x).abs() % 5, 5),
    "repeat interleave": lambda x: x.repeat_interleave(3, 1),
    "masked select": lambda x: x.masked_select(x > 0).sum(),
    "embedding": lambda x: functional.embedding(whole(x).abs() % 4, x[0]),
    "bag": lambda x: functional.embedding_bag(whole(x[:, 0]).abs() % 4, x[0], mode="mean"),
}
REDUCTIONS: Cases = {
    "sum": lambda x: x.sum() + whole(x).sum(),
    "sum of axes": lambda x: x.sum((0, 2), keepdim=True),
    "mean": lambda x: x.mean(1) + x.mean(),
    "bools": lambda x: (x > 0).sum(1),
    "any": lambda x: (x > 2).any(1) | (x > -9).all(),
    "extremes": lambda x: x.amax((0, 1)) + x.amin(0)[0] + x.max(),
    "extreme of axis": lambda x: x.max(1)[0] + x.min(1).indices,
    "argmax": lambda x: x.argmax() + x.argmin(1),
    "prod": lambda x: x.prod(1),
    "variance": lambda x: x.var(1) + x.std(1, correction=0),
    "variance of all": lambda x: torch.var_mean(x)[0] + torch.std_mean(x)[1],
    "norms": lambda x: x.norm(dim=1) + x.norm(p=1, dim=1) + x.norm(p=3, dim=1),
    "maximum norm": lambda x: torch.linalg.vector_norm(x, float("inf"), 1),
    "normalize": lambda x: functional.normalize(x, dim=1),
    "cosine": lambda x: functional.cosine_similarity(x, x.flip(0), dim=1),
    "logsumexp": lambda x: x.logsumexp(1),
    "cumsum": lambda x: x.cumsum(1) + (x > 0).cumsum(2),
    "distances": lambda x: torch.cdist(x, x.flip(0)) + torch.cdist(x, x + 1, p=1),
    "count": lambda x: torch.count_nonzero(x > 0, 1),
}
MATMULS: Cases = {
    "matmul": lambda x: x @ x.transpose(1, 2),
    "vector": lambda x: x @ x[0, 0],
    "dot": lambda x: torch.dot(x[0, 0], x[1, 0]),
    "mm": lambda x: torch.mm(x[0], x[1].t()),
    "addmm": lambda x: torch.addmm(x[0, :, :4], x[0], x[1].t(), beta=0.5, alpha=2),
    "baddbmm": lambda x: torch.baddbmm(x[..., :4], x, x.mT, beta=0.5),
    "outer": lambda x: torch.outer(x[0, 0], x[1, 1]),
    "einsum": lambda x: torch.einsum("bij, bkj -> bik", x, x),
    "einsum of one": lambda x: torch.einsum("b...j->b...", x),
    "attention": lambda x: functional.scaled_dot_product_attention(x, x, x),
    "causal": lambda x: functional.scaled_dot_product_attention(x, x, x, is_causal=True, scale=0.3),
    "mask": lambda x: functional.scaled_dot_product_attention(x, x, x, attn_mask=x @ x.mT > 0),
    "added": lambda x: functional.scaled_dot_product_attention(x, x, x, attn_mask=x @ x.mT),
    "grouped": lambda x: functional.scaled_dot_product_attention(
        x.view(1, 4, 2, 6), x.view(1, 2, 4, 6), x.view(1, 2, 4, 6), enable_gqa=True
    ),
}
IMAGES: Cases = {
    "conv1d": lambda x: functional.conv1d(x[0], torch.ones(2, 7, 3), padding=1),
    "conv same": lambda x: functional.conv2d(x, torch.ones(2, 4, 4, 3), padding="same"),
    "conv strided": lambda x: functional.conv2d(
        x, torch.ones(8, 1, 3, 3), torch.ones(8), stride=2, padding=(1, 2), groups=4
    ),
    "conv unbatched": lambda x: functional.conv2d(x[0], torch.ones(2, 4, 3, 3), dilation=2),
    "conv3d": lambda x: functional.conv3d(x[None], torch.ones(3, 2, 2, 3, 3)),
    "transposed": lambda x: functional.conv_transpose2d(
        x, torch.ones(4, 2, 3, 3), stride=2, padding=1, output_padding=1, groups=2
    ),
    "max": lambda x: functional.max_pool2d(x, 3, 2, 1),
    "max dilated": lambda x: functional.max_pool2d(x, 2, dilation=2),
    "max ceil": lambda x: functional.max_pool2d(x, 2, 2, ceil_mode=True),
    "max indices": lambda x: functional.max_pool2d(x, 2, return_indices=True)[1],
    "mean": lambda x: functional.avg_pool2d(x, 3, 2, 1),
    "mean of inside": lambda x: functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "mean ceil": lambda x: functional.avg_pool2d(x, 2, 2, ceil_mode=True),
    "mean divided": lambda x: functional.avg_pool2d(x, 2, divisor_override=3),
    "mean 1d": lambda x: functional.avg_pool1d(x[0], 3, 1, 1),
    "adaptive one": lambda x: functional.adaptive_avg_pool2d(x, 1),
    "adaptive even": lambda x: functional.adaptive_avg_pool2d(x[..., :6, :8], (3, 4)),
    "adaptive odd": lambda x: functional.adaptive_avg_pool2d(x, (3, None)),
    "adaptive max": lambda x: functional.adaptive_max_pool2d(x, (2, 4)),
    "nearest": lambda x: functional.interpolate(x, scale_factor=1.7),
    "nearest to size": lambda x: functional.interpolate(x, (5, 13)),
    "nearest exact": lambda x: functional.interpolate(x, (5, 13), mode="nearest-exact"),
    "bilinear": lambda x: functional.interpolate(x, (5, 13), mode="bilinear"),
    "bilinear scaled": lambda x: functional.interpolate(x, scale_factor=1.7, mode="bilinear"),
    "corners": lambda x: functional.interpolate(x, (5, 13), mode="bilinear", align_corners=True),
    "bicubic": lambda x: functional.interpolate(x, (5, 13), mode="bicubic"),
    "antialiased": lambda x: functional.interpolate(x, (3, 4), mode="bilinear", antialias=True),
    "linear": lambda x: functional.interpolate(x[0], 11, mode="linear"),
    "grid": lambda x: functional.grid_sample(
        x, x[:, :2, :5, :5].permute(0, 2, 3, 1), align_corners=False
    ),
    "norm of groups": lambda x: functional.group_norm(x, 2, torch.ones(4) * 2, torch.ones(4)),
    "norm of instances": lambda x: functional.instance_norm(x),
    "norm of layers": lambda x: functional.layer_norm(x, (7, 9), torch.ones(7, 9) * 2),
    "norm of mean squares": lambda x: functional.rms_norm(x, (9,), torch.ones(9) * 2, 1e-6),
    "local response": lambda x: functional.local_response_norm(x, 3),
    "channels": lambda x: functional.channel_shuffle(x, 2),
}
FOURIER: Cases = {
    "there and back": lambda x: torch.fft.irfft(torch.fft.rfft(x) * 2, n=9),
    "size": lambda x: torch.fft.rfft(x, norm="ortho").abs(),
    "plane": lambda x: torch.fft.irfft2(torch.fft.rfft2(x), s=(7, 9)),
    "real": lambda x: torch.fft.fft(x, dim=2).real,
    "parts": lambda x: torch.view_as_real(torch.complex(x, 2 * x) * torch.complex(x, x)),
    "turned": lambda x: torch.view_as_real(torch.polar(x.abs(), x).transpose(0, 1)),
    "added": lambda x: torch.view_as_real(torch.fft.fft(x).conj() + 1j * torch.fft.fft(x)),
}
RARE: Cases = {
    "grid": lambda x: functional.affine_grid(x[:, :2, :3], [2, 4, 5, 6], False),
    "bilinear": lambda x: functional.bilinear(x, x, torch.ones(3, 6, 6)),
    "windows": lambda x: functional.unfold(x[None], 2, padding=1),
    "folded": lambda x: functional.fold(functional.unfold(x[None], 2), (4, 6), 2),
    "shifts": lambda x: whole(x) << 1,
    "histogram": lambda x: torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0])),
}
FAMILIES: Mapping[str, tuple[tuple[int, ...], Cases]] = {
    "elementwise": ((3, 5), ELEMENTWISE),
    "activations": ((4, 6), ACTIVATIONS),
    "shapes": ((2, 4, 6), SHAPES),
    "indices": ((2, 4, 6), INDICES),
    "reductions": ((2, 4, 6), REDUCTIONS),
    "matmuls": ((2, 4, 6), MATMULS),
    "images": ((2, 4, 7, 9), IMAGES),
    "fourier": ((2, 3, 7, 9), FOURIER),
    "rare": ((2, 4, 6), RARE),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_gives_what_torch_gives(family: str) -> None:
    shape, cases = FAMILIES[family]
    torch.manual_seed(0)
    model = Many(cases).eval()
    recording, source = lowered(model, torch.randn(shape))
    given = feeds(recording)
    for feed, results in zip(given, run(source.fill(), given, family), strict=True):
        expected = outputs(model, recording, feed)
        for case, wanted, got in zip(cases, expected, results.values(), strict=True):
            assert wanted.shape == got.shape, case
            assert wanted.dtype == got.dtype, case
            scale = max(1e-6, float(np.abs(np.nan_to_num(wanted, posinf=0, neginf=0)).max()))
            np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE * scale, err_msg=case)


@pytest.mark.parametrize("family", ["matmuls", "images"])
def test_a_family_is_read_back_with_the_same_work(family: str) -> None:
    shape, cases = FAMILIES[family]
    torch.manual_seed(0)
    recording, source = lowered(Many(cases).eval(), torch.randn(shape))
    assert disagreements(recording, source) == {}
