"""Which kind each torch function is, and how its arguments become operands: the table."""

from __future__ import annotations

from dataclasses import dataclass

from talaria_widget.frontends.torch import forms, settings
from talaria_widget.frontends.torch.forms import Builder
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
    ("conv1d conv2d conv3d", Entry("conv", forms.conv, _CONV)),
    (
        "conv_transpose1d conv_transpose2d conv_transpose3d",
        Entry("conv_transpose", forms.conv, _CONV_TRANSPOSE),
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
    ("linear", Entry("linear", forms.linear, "input weight bias")),
    ("matmul mm bmm mv dot vdot inner vecdot", Entry("matmul", forms.matmul, "input other")),
    ("addmm baddbmm addbmm addmv", Entry("matmul", forms.matmul, "bias input other")),
    ("bilinear", Entry("linear", forms.bilinear, "input1 input2 weight bias")),
    ("tensordot", Entry("matmul", forms.matmul)),
    ("einsum", Entry("matmul", forms.einsum)),
    ("multi_dot chain_matmul", Entry("matmul", forms.chain)),
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
    ("scaled_dot_product_attention", Entry("attention", forms.attention, _ATTENTION)),
    ("flex_attention", Entry("attention", forms.attention, "query key value")),
    ("multi_head_attention_forward", Entry("attention", forms.multi_head, _MHA)),
    ("native_multi_head_attention", Entry("attention", forms.native_multi_head, _NATIVE_MHA)),
    ("lstm gru rnn_tanh rnn_relu", Entry("recurrent", forms.recurrent)),
    ("quantized_lstm quantized_gru", Entry("recurrent", settings.quantized_recurrent)),
    (
        "lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
        Entry("recurrent", forms.cell, "input hx w_ih w_hh b_ih b_hh"),
    ),
    (
        "pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d "
        "replication_pad1d replication_pad2d replication_pad3d",
        Entry("movement", forms.pad, "input pad mode value"),
    ),
    ("embedding", Entry("embedding", forms.embedding, "input weight")),
    ("embedding_bag", Entry("embedding", forms.embedding, "input weight offsets")),
    (
        "batch_norm instance_norm",
        Entry(
            "norm",
            forms.batch_norm,
            "input running_mean running_var weight bias training",
        ),
    ),
    (
        "layer_norm rms_norm fused_rms_norm",
        Entry("norm", forms.norm, "input normalized_shape weight bias eps"),
    ),
    ("group_norm", Entry("norm", forms.norm, "input num_groups weight bias eps")),
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
        Entry("pool", forms.pool, "input kernel_size stride padding"),
    ),
    ("lp_pool1d lp_pool2d lp_pool3d", Entry("pool", forms.pool, "input norm_type kernel_size")),
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
_BY_KIND: dict[Kind, str] = {
    "activation": """
        relu relu6 silu mish hardswish hardsigmoid hardtanh sigmoid logsigmoid log_sigmoid tanh
        elu selu celu leaky_relu prelu rrelu softplus softsign tanhshrink softshrink hardshrink
        threshold glu expit
    """,
    "elementwise": """
        add sub subtract mul multiply div divide true_divide floordiv floor_divide pow float_power
        rsub neg negative positive pos abs absolute exp exp2 expm1 log log2 log10 log1p sqrt rsqrt
        square reciprocal sin cos tan asin acos atan atan2 arctan2 sinh cosh asinh acosh atanh
        arcsin arccos arctan arccosh arcsinh arctanh erf erfc erfcx erfinv lgamma digamma floor
        ceil round trunc frac fix sign sgn signbit clamp clip clamp_min clamp_max maximum minimum
        fmax fmin fmod remainder mod imod rmod lerp addcmul addcdiv where masked_fill
        masked_scatter eq ne lt le gt ge greater less greater_equal less_equal not_equal
        logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor
        bitwise_not bitwise_left_shift bitwise_right_shift invert and or xor ixor ior iand rxor
        lshift rshift ilshift irshift rlshift rrshift isnan isinf isfinite isneginf isposinf isreal
        isclose heaviside hypot logaddexp logaddexp2 nan_to_num dropout dropout1d dropout2d
        dropout3d native_dropout alpha_dropout feature_dropout feature_alpha_dropout xlogy xlog1py
        logit sinc deg2rad outer ger addr kron cross vander rad2deg copysign nextafter ldexp frexp
        gcd lcm polar complex conj_physical angle bernoulli cauchy exponential geometric log_normal
        normal poisson random uniform multinomial rand_like randn_like randint_like entr igamma
        igammac gammainc gammaincc gammaln mvlgamma multigammaln polygamma psi zeta i0 i0e i1 i1e
        ndtr ndtri log_ndtr airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 modified_bessel_i0
        modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 scaled_modified_bessel_k0
        scaled_modified_bessel_k1 spherical_bessel_j0 chebyshev_polynomial_t
        chebyshev_polynomial_u chebyshev_polynomial_v chebyshev_polynomial_w
        hermite_polynomial_h hermite_polynomial_he laguerre_polynomial_l legendre_polynomial_p
        shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u
        shifted_chebyshev_polynomial_v shifted_chebyshev_polynomial_w quantize_per_tensor
        quantize_per_tensor_dynamic quantize_per_channel dequantize
        fake_quantize_per_tensor_affine fake_quantize_per_channel_affine
    """,
    "reduction": """
        sum mean prod amax amin argmax argmin all any std var std_mean var_mean norm vector_norm
        matrix_norm frobenius_norm norm_except_dim logsumexp nansum nanmean cumsum cumprod cummax
        cummin logcumsumexp count_nonzero aminmax trace diff gradient trapezoid trapz
        cumulative_trapezoid sum_to_size searchsorted bucketize isin bincount histc histogram
        segment_reduce dist cosine_similarity pairwise_distance cdist pdist linear_cross_entropy
        mse_loss l1_loss smooth_l1_loss huber_loss kl_div binary_cross_entropy
        binary_cross_entropy_with_logits soft_margin_loss multilabel_soft_margin_loss
        hinge_embedding_loss margin_ranking_loss cosine_embedding_loss triplet_margin_loss
        triplet_margin_with_distance_loss poisson_nll_loss gaussian_nll_loss multi_margin_loss
        multilabel_margin_loss ctc_loss
    """,
    "softmax": "softmax log_softmax softmin gumbel_softmax safe_softmax",
    "movement": """
        view reshape view_as reshape_as transpose swapaxes swapdims t T mT H mH permute movedim
        moveaxis expand expand_as broadcast_to broadcast_tensors squeeze unsqueeze flatten ravel
        unflatten chunk split split_with_sizes tensor_split unsafe_chunk unsafe_split hsplit
        unsafe_split_with_sizes vsplit dsplit unbind select narrow slice getitem as_strided
        diagonal data real imag detach alias view_as_real view_as_complex adjoint chunk_cat
        contiguous clone cat concat concatenate stack hstack vstack dstack column_stack row_stack
        roll flip fliplr flipud rot90 tile repeat repeat_interleave index_select index gather
        take take_along_dim scatter scatter_add scatter_reduce index_add index_reduce index_copy
        index_fill put index_put setitem copy fill zero fill_diagonal masked_select nonzero
        nonzero_static argwhere pixel_shuffle pixel_unshuffle channel_shuffle unfold fold im2col
        col2im tril triu diag diagflat diag_embed block_diag meshgrid one_hot atleast_1d
        atleast_2d atleast_3d combinations cartesian_prod conj resolve_conj resolve_neg
        select_scatter slice_scatter as_strided_scatter diagonal_scatter native_channel_shuffle
        max_unpool1d max_unpool2d max_unpool3d unravel_index lu_unpack fftshift ifftshift
        zeros_like ones_like empty_like full_like new_zeros new_ones new_empty new_full cpu cuda
        set set_data resize resize_as zeros ones full empty arange eye linspace tril_indices
        triu_indices scalar_tensor pack_padded_sequence pad_packed_sequence pad_sequence
        to_dense to_sparse to_mkldnn coalesce int_repr values indices reversed
    """,
}
_FORM_OF_KIND: dict[Kind, Builder] = {"movement": forms.movement}
TABLE: dict[str, Entry] = {
    **{
        word: Entry(kind, _FORM_OF_KIND.get(kind, forms.plain))
        for kind, words in _BY_KIND.items()
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
        "norm", forms.batch_norm, "input weight bias running_mean running_var training"
    ),
    "instance_norm": Entry(
        "norm", forms.batch_norm, "input weight bias running_mean running_var use_input_stats"
    ),
    "embedding": Entry("embedding", forms.embedding, "weight input"),
    "embedding_bag": Entry("embedding", forms.embedding, "weight input offsets"),
}
# Layers quantized by torch's eager mode: their weights are packed, and no tensors.
_QUANTIZED: dict[str, Entry] = {
    **dict.fromkeys(
        [
            "linear",
            "linear_relu",
            "linear_dynamic",
            "linear_relu_dynamic",
            "linear_dynamic_fp16",
            "linear_relu_dynamic_fp16",
        ],
        Entry("linear", settings.quantized_linear),
    ),
    **dict.fromkeys(
        ["conv1d", "conv1d_relu", "conv2d", "conv2d_relu", "conv3d", "conv3d_relu"],
        Entry("conv", settings.quantized_conv, "input packed"),
    ),
    **dict.fromkeys(["add", "add_relu", "mul"], Entry("elementwise", forms.plain)),
    "cat": Entry("movement", forms.movement),
}
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
    if space == "quantized":
        return _QUANTIZED.get(word, UNKNOWN)
    if space not in _SPACES:
        return UNKNOWN
    if space == "torch" and word in _OPERATOR_ORDER:
        return _OPERATOR_ORDER[word]
    return TABLE.get(word) or TABLE.get(word.removesuffix("_copy"), UNKNOWN)
