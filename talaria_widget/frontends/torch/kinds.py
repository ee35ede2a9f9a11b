"""Which kind each torch function is, and how its arguments become operands: the table."""

from __future__ import annotations

from dataclasses import dataclass

from talaria_widget.frontends.torch import forms
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
_BY_FORM: tuple[tuple[str, Entry], ...] = (
    ("conv1d conv2d conv3d", Entry("conv", forms.conv, _CONV)),
    (
        "conv_transpose1d conv_transpose2d conv_transpose3d",
        Entry("conv_transpose", forms.conv, _CONV_TRANSPOSE),
    ),
    ("linear", Entry("linear", forms.linear, "input weight bias")),
    ("matmul mm bmm mv dot vdot inner", Entry("matmul", forms.matmul, "input other")),
    ("addmm baddbmm addbmm addmv", Entry("matmul", forms.matmul, "bias input other")),
    ("bilinear", Entry("linear", forms.bilinear, "input1 input2 weight bias")),
    ("tensordot", Entry("matmul", forms.matmul)),
    ("einsum", Entry("matmul", forms.einsum)),
    (
        "scaled_dot_product_attention",
        Entry("attention", forms.attention, "query key value attn_mask dropout_p is_causal scale"),
    ),
    ("multi_head_attention_forward", Entry("attention", forms.multi_head, _MHA)),
    ("lstm gru rnn_tanh rnn_relu", Entry("recurrent", forms.recurrent)),
    (
        "lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
        Entry("recurrent", forms.cell, "input hx w_ih w_hh b_ih b_hh"),
    ),
    ("pad", Entry("movement", forms.pad, "input pad mode value")),
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
    ("layer_norm rms_norm", Entry("norm", forms.norm, "input normalized_shape weight bias eps")),
    ("group_norm", Entry("norm", forms.norm, "input num_groups weight bias eps")),
    ("local_response_norm normalize", Entry("norm", forms.norm)),
    (
        """
        max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d lp_pool1d lp_pool2d
        max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices
        adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
        adaptive_max_pool2d adaptive_max_pool3d
        """,
        Entry("pool", forms.pool, "input kernel_size stride padding"),
    ),
    ("max min", Entry("reduction", forms.extreme, "input other")),
    (
        "to type type_as float half double bfloat16 int long short char byte bool cfloat cdouble",
        Entry("cast", forms.cast),
    ),
)
_BY_KIND: dict[Kind, str] = {
    "activation": """
        relu relu6 gelu silu mish hardswish hardsigmoid hardtanh sigmoid logsigmoid tanh elu selu
        celu leaky_relu prelu rrelu softplus softsign tanhshrink softshrink hardshrink threshold
        glu expit
    """,
    "elementwise": """
        add sub subtract mul multiply div divide true_divide floordiv floor_divide pow float_power
        rsub neg negative positive abs absolute exp exp2 expm1 log log2 log10 log1p sqrt rsqrt
        square reciprocal sin cos tan asin acos atan atan2 arctan2 sinh cosh asinh acosh atanh
        arcsin arccos arctan erf erfc erfinv lgamma digamma floor ceil round trunc frac fix sign
        sgn signbit sigmoid_ clamp clip clamp_min clamp_max maximum minimum fmax fmin fmod
        remainder mod lerp addcmul addcdiv where masked_fill masked_scatter eq ne lt le gt ge equal_
        greater less greater_equal less_equal not_equal logical_and logical_or logical_xor
        logical_not bitwise_and bitwise_or bitwise_xor bitwise_not invert and or xor lshift rshift
        isnan isinf isfinite isneginf isposinf isclose heaviside hypot logaddexp logaddexp2
        nan_to_num dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout
        feature_alpha_dropout xlogy logit sinc deg2rad outer ger
        rad2deg copysign nextafter ldexp gcd lcm real_ polar complex conj_physical angle bernoulli
        quantize_per_tensor fake_quantize_per_tensor_affine fake_quantize_per_channel_affine
    """,
    "reduction": """
        sum mean prod amax amin argmax argmin all any std var std_mean var_mean norm vector_norm
        matrix_norm logsumexp nansum nanmean median nanmedian mode cumsum cumprod cummax cummin
        logcumsumexp count_nonzero aminmax dist cosine_similarity pairwise_distance cdist
        cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss huber_loss kl_div
        binary_cross_entropy binary_cross_entropy_with_logits trace topk sort argsort kthvalue
        msort searchsorted bucketize quantile nanquantile bincount histc unique
        unique_consecutive diff
    """,
    "softmax": "softmax log_softmax softmin gumbel_softmax",
    "resize": "interpolate upsample upsample_nearest upsample_bilinear grid_sample affine_grid",
    "movement": """
        view reshape view_as reshape_as transpose swapaxes swapdims t T mT H mH permute movedim
        moveaxis expand expand_as broadcast_to broadcast_tensors squeeze unsqueeze flatten ravel
        unflatten chunk split split_with_sizes tensor_split unsafe_chunk unsafe_split hsplit
        vsplit dsplit unbind select narrow slice getitem as_strided diagonal unfold_ data real
        imag detach alias view_as_real view_as_complex adjoint
        contiguous clone cat concat concatenate stack hstack vstack dstack column_stack roll flip
        fliplr flipud rot90 tile repeat repeat_interleave index_select index gather
        take take_along_dim scatter scatter_add scatter_reduce index_add index_copy index_fill
        index_put setitem copy fill zero fill_diagonal masked_select nonzero argwhere
        pixel_shuffle pixel_unshuffle channel_shuffle unfold fold im2col col2im tril triu diag
        diag_embed block_diag meshgrid one_hot atleast_1d atleast_2d atleast_3d combinations
        cartesian_prod conj resolve_conj resolve_neg select_scatter slice_scatter
        diagonal_scatter native_channel_shuffle narrow_copy zeros_like ones_like empty_like
        full_like new_zeros new_ones new_empty new_full cpu cuda set_data
        zeros ones full empty arange eye linspace tril_indices triu_indices scalar_tensor
        pack_padded_sequence pad_packed_sequence pad_sequence
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
_SPACES = ("torch.Tensor", "torch.nn.functional", "torch", "torch.special", "torch.linalg")


def look_up(target: str) -> Entry:
    """The entry of a torch function by its public name; `UNKNOWN` where the table has none."""
    space, _, word = target.rpartition(".")
    if space not in _SPACES:
        return UNKNOWN
    return TABLE.get(word.strip("_").lower(), UNKNOWN)
