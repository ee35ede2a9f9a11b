"""Which kind each torch function is, and how its arguments become operands: the table."""

from __future__ import annotations

from dataclasses import dataclass

from talaria_widget.frontends.torch.table import forms, layers, settings
from talaria_widget.frontends.torch.table.forms import Builder
from talaria_widget.frontends.torch.table.words import BY_KIND
from talaria_widget.graph import Kind


@dataclass(frozen=True, slots=True)
class Entry:
    """A function's kind, its builder, and the names of its positional arguments."""

    kind: Kind
    builder: Builder
    names: str = "input"


_CONV = "input weight bias stride padding dilation groups"
_CONV_TRANSPOSE = "input weight bias stride padding output_padding groups dilation"
_MHA = (
    "query key value embed_dim_to_check num_heads in_proj_weight in_proj_bias bias_k bias_v "
    "add_zero_attn dropout_p out_proj_weight out_proj_bias training key_padding_mask "
    "need_weights attn_mask use_separate_proj_weight q_proj_weight k_proj_weight v_proj_weight "
    "static_k static_v average_attn_weights is_causal"
)
_ATTENTION = "query key value attn_mask dropout_p is_causal scale"
_NATIVE_MHA = (
    "query key value embed_dim num_head qkv_weight qkv_bias proj_weight proj_bias mask need_weights"
)
_ROI = "input boxes spatial_scale pooled_height pooled_width sampling_ratio"
_DEFORMABLE = (
    "input weight offset mask bias stride_h stride_w pad_h pad_w dil_h dil_w groups offset_groups "
    "use_mask"
)
_STFT = (
    "input n_fft hop_length win_length window center pad_mode normalized onesided return_complex"
)
_ISTFT = "input n_fft hop_length win_length window center normalized onesided"
_BY_FORM: tuple[tuple[str, Entry], ...] = (
    ("conv1d conv2d conv3d", Entry("conv", layers.conv, _CONV)),
    (
        "conv_transpose1d conv_transpose2d conv_transpose3d",
        Entry("conv_transpose", layers.conv, _CONV_TRANSPOSE),
    ),
    (
        "convolution",
        Entry(
            "conv",
            settings.convolution,
            "input weight bias stride padding dilation transposed output_padding groups",
        ),
    ),
    ("deform_conv2d", Entry("conv", settings.deformable, _DEFORMABLE)),
    ("linear", Entry("linear", layers.linear, "input weight bias")),
    ("matmul mm bmm mv dot vdot inner vecdot", Entry("matmul", layers.matmul, "input other")),
    ("addmm baddbmm addbmm addmv", Entry("matmul", layers.matmul, "bias input other")),
    ("bilinear", Entry("linear", layers.bilinear, "input1 input2 weight bias")),
    ("tensordot", Entry("matmul", layers.matmul)),
    ("einsum", Entry("matmul", layers.einsum)),
    ("multi_dot chain_matmul", Entry("matmul", layers.chain)),
    ("matrix_power", Entry("matmul", settings.settings(power=1), "input power")),
    (
        """
        cholesky cholesky_ex cholesky_inverse cholesky_solve cond corrcoef cov det eig eigh
        eigvals eigvalsh geqrf householder_product inv inv_ex inverse ldl_factor ldl_factor_ex
        ldl_solve logdet lstsq lu lu_factor lu_factor_ex lu_solve matrix_exp matrix_rank
        nuclear_norm orgqr ormqr pinv pinverse qr slogdet solve solve_ex solve_triangular svd
        svdvals tensorinv tensorsolve triangular_solve
        """,
        Entry("matmul", forms.plain),
    ),
    (
        "grouped_mm scaled_grouped_mm grouped_mm_fallback",
        Entry("matmul", settings.grouped, "input mat2 offs"),
    ),
    ("scaled_dot_product_attention", Entry("attention", layers.attention, _ATTENTION)),
    ("flex_attention", Entry("attention", layers.attention, "query key value")),
    ("multi_head_attention_forward", Entry("attention", layers.multi_head, _MHA)),
    ("native_multi_head_attention", Entry("attention", layers.native_multi_head, _NATIVE_MHA)),
    ("lstm gru rnn_tanh rnn_relu", Entry("recurrent", layers.recurrent)),
    (
        "lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
        Entry("recurrent", layers.cell, "input hx w_ih w_hh b_ih b_hh"),
    ),
    (
        "pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d "
        "replication_pad1d replication_pad2d replication_pad3d",
        Entry("movement", forms.pad, "input pad mode value"),
    ),
    ("embedding", Entry("embedding", layers.embedding, "input weight")),
    ("embedding_bag", Entry("embedding", layers.embedding, "input weight offsets")),
    (
        "batch_norm instance_norm",
        Entry(
            "norm",
            layers.batch_norm,
            "input running_mean running_var weight bias training",
        ),
    ),
    (
        "layer_norm rms_norm fused_rms_norm",
        Entry("norm", layers.norm, "input normalized_shape weight bias eps"),
    ),
    ("group_norm", Entry("norm", layers.norm, "input num_groups weight bias eps")),
    ("weight_norm weight_norm_interface normalize renorm", Entry("norm", forms.plain)),
    ("local_response_norm", Entry("norm", settings.settings(size=1), "input size")),
    (
        """
        max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d
        max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices
        adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
        adaptive_max_pool2d adaptive_max_pool3d adaptive_max_pool1d_with_indices
        adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices fractional_max_pool2d
        fractional_max_pool3d fractional_max_pool2d_with_indices
        fractional_max_pool3d_with_indices
        """,
        Entry("pool", layers.pool, "input kernel_size stride padding"),
    ),
    ("lp_pool1d lp_pool2d lp_pool3d", Entry("pool", layers.pool, "input norm_type kernel_size")),
    (
        "gelu",
        Entry("activation", settings.settings(approximate="none"), "input approximate"),
    ),
    (
        "interpolate upsample",
        Entry("resize", settings.settings(mode="nearest"), "input size scale_factor mode"),
    ),
    ("upsample_nearest", Entry("resize", settings.constant(mode="nearest"))),
    ("upsample_bilinear", Entry("resize", settings.constant(mode="bilinear"))),
    ("grid_sample", Entry("resize", settings.settings(mode="bilinear"), "input grid mode")),
    (
        "grid_sampler grid_sampler_2d grid_sampler_3d",
        Entry("resize", settings.constant(mode="bilinear")),
    ),
    ("affine_grid affine_grid_generator", Entry("resize", forms.plain)),
    (
        "roi_align ps_roi_align roi_pool ps_roi_pool",
        Entry("resize", settings.regions, _ROI),
    ),
    ("max min", Entry("reduction", forms.extreme, "input other")),
    ("sort argsort mode", Entry("reduction", settings.sorting(-1), "input dim")),
    ("topk kthvalue", Entry("reduction", settings.sorting(-1), "input k dim")),
    ("msort", Entry("reduction", settings.sorting(0))),
    ("median nanmedian", Entry("reduction", settings.sorting(None), "input dim")),
    ("quantile nanquantile", Entry("reduction", settings.sorting(None), "input q dim")),
    (
        "unique unique_consecutive",
        Entry("reduction", settings.sorting(None)),
    ),
    ("nms", Entry("reduction", forms.plain)),
    (
        "cross_entropy nll_loss",
        Entry("reduction", settings.classes, "input target weight size_average ignore_index"),
    ),
    ("stft", Entry("reduction", settings.frames, _STFT)),
    ("istft", Entry("reduction", settings.frames, _ISTFT)),
    (
        "fft ifft rfft irfft hfft ihfft",
        Entry("reduction", settings.fourier, "input n dim norm"),
    ),
    (
        "fft2 fftn ifft2 ifftn rfft2 rfftn irfft2 irfftn hfft2 hfftn ihfft2 ihfftn",
        Entry("reduction", settings.fourier, "input s dim norm"),
    ),
    (
        "to type type_as float half double bfloat16 int long short char byte bool cfloat cdouble "
        "chalf",
        Entry("cast", forms.cast),
    ),
)
_FORM_OF_KIND: dict[Kind, Builder] = {"movement": forms.movement}
TABLE: dict[str, Entry] = {
    **{
        word: Entry(kind, _FORM_OF_KIND.get(kind, forms.plain))
        for kind, words in BY_KIND.items()
        for word in words.lower().split()
    },
    **{word: entry for words, entry in _BY_FORM for word in words.split()},
}
NOISE = frozenset(
    [
        "detach",
        "alias",
        "data",
        "requires_grad",
        "identity",
        "lift_fresh",
        "pin_memory",
        "share_memory",
        "retain_grad",
        "register_hook",
        "resolve_conj",
        "resolve_neg",
    ]
)
DROPOUTS = frozenset(
    [
        "dropout",
        "dropout1d",
        "dropout2d",
        "dropout3d",
        "alpha_dropout",
        "feature_dropout",
        "feature_alpha_dropout",
    ]
)
UNKNOWN = Entry("unknown", forms.plain)
# `torch.batch_norm` and its like take their arguments in the order of the operator below.
_OPERATOR_ORDER: dict[str, Entry] = {
    "batch_norm": Entry(
        "norm", layers.batch_norm, "input weight bias running_mean running_var training"
    ),
    "instance_norm": Entry(
        "norm", layers.batch_norm, "input weight bias running_mean running_var use_input_stats"
    ),
    "embedding": Entry("embedding", layers.embedding, "weight input"),
    "embedding_bag": Entry("embedding", layers.embedding, "weight input offsets"),
}
# Of eager mode's quantized operators, those without packed weights.
_QUANTIZED = frozenset({"add", "add_relu", "mul", "mul_relu", "cat"})
_SPACES = (
    "torch.Tensor",
    "torch.nn.functional",
    "torch",
    "torch.special",
    "torch.linalg",
    "torch.fft",
    "torch.functional",
    "torch.nn",
    "torch.nn.attention.flex_attention",
    "torch.ops.aten",
    "torch.ops.higher_order",
    "torchvision",
    "transformers",
    "higher_order",
    "aten",
)


def look_up(target: str) -> Entry:
    """The entry of a torch function by its public name; `UNKNOWN` where the table has none."""
    space, _, word = target.rpartition(".")
    word = word.strip("_").lower()
    if space not in _SPACES and not (space == "quantized" and word in _QUANTIZED):
        return UNKNOWN
    if space == "torch" and word in _OPERATOR_ORDER:
        return _OPERATOR_ORDER[word]
    return TABLE.get(word) or TABLE.get(word.removesuffix("_copy"), UNKNOWN)
