"""Torch functions whose tensors are all operands, by kind: the words of their names."""

from __future__ import annotations

from collections.abc import Mapping

from talaria_widget.graph import Kind

BY_KIND: Mapping[Kind, str] = {
    "activation": """
        relu relu6 silu mish hardswish hardsigmoid hardtanh sigmoid logsigmoid log_sigmoid tanh
        elu selu celu leaky_relu prelu rrelu softplus softsign tanhshrink softshrink hardshrink
        threshold glu expit
    """,
    "elementwise": """
        add add_relu sub subtract mul mul_relu multiply div divide true_divide floordiv
        floor_divide pow float_power rsub neg negative positive pos abs absolute exp exp2 expm1 log
        log2 log10 log1p sqrt rsqrt square reciprocal sin cos tan asin acos atan atan2 arctan2 sinh
        cosh asinh acosh atanh arcsin arccos arctan arccosh arcsinh arctanh erf erfc erfcx erfinv
        lgamma digamma floor ceil round trunc frac fix sign sgn signbit clamp clip clamp_min
        clamp_max maximum minimum fmax fmin fmod remainder mod imod rmod lerp addcmul addcdiv where
        masked_fill masked_scatter eq ne lt le gt ge greater less greater_equal less_equal
        not_equal logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor
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
        scaled_modified_bessel_k1 spherical_bessel_j0 chebyshev_polynomial_t chebyshev_polynomial_u
        chebyshev_polynomial_v chebyshev_polynomial_w hermite_polynomial_h hermite_polynomial_he
        laguerre_polynomial_l legendre_polynomial_p shifted_chebyshev_polynomial_t
        shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v
        shifted_chebyshev_polynomial_w quantize_per_tensor quantize_per_tensor_dynamic
        quantize_per_channel dequantize fake_quantize_per_tensor_affine
        fake_quantize_per_channel_affine
    """,
    "reduction": """
        sum mean prod amax amin argmax argmin all any std var std_mean var_mean norm vector_norm
        matrix_norm frobenius_norm norm_except_dim logsumexp nansum nanmean cumsum cumprod cummax
        cummin logcumsumexp count_nonzero is_all_true is_any_true
        aminmax trace diff gradient trapezoid trapz
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
