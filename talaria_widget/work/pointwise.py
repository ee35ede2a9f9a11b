"""Arithmetic of elementwise ops, activations and softmax: FLOPs per output element, by word.

Convention: an add, subtraction, product, division, comparison, selection, logical or
bitwise operation is one FLOP, and so is an elementary function (exp, log, root, power, sine,
tanh, erf); a composite is the sum over its formula, written beside it. Hardware
differs by an order of magnitude on these; devices price them by bytes far more than by FLOPs.
"""

from __future__ import annotations

from talaria_widget.graph import Graph, Op
from talaria_widget.work.shapes import is_complex, output_size

_ONE = """
abs absolute acos acosh add and angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin
asinh atan atan2 atanh bernoulli bitshift bitwise_and bitwise_left_shift bitwise_not bitwise_or
bitwise_right_shift bitwise_xor bitwiseand bitwisenot bitwiseor bitwisexor ceil clamp_max clamp_min
conj conj_physical copysign cos cosh deg2rad digamma div divide eq equal erf erfc erfcx erfinv exp
exp2 expm1 fix float_power floor floor_divide floordiv fmax fmin fmod frexp ge ger greater
greater_equal greaterorequal gt iadd iand idiv ifloordiv ilshift imod imul invert ior ipow irshift
isfinite isinf isnan isneginf isposinf isreal isub itruediv ixor ldexp le less less_equal
lessorequal lgamma log log10 log1p log2 logical_and logical_not logical_or logical_xor lshift lt
masked_fill masked_scatter maximum minimum mod mul multiply mvlgamma nan_to_num ne neg negative
nextafter not not_equal or outer pos positive pow rad2deg radd rdiv reciprocal remainder rlshift
rmod rmul round rpow rrshift rshift rsqrt rsub rtruediv rxor sgn sign signbit sin sinh sqrt square
sub subtract tan tanh threshold true_divide truediv trunc where xor

cauchy exponential geometric log_normal multinomial normal poisson rand_like randint_like
randn_like random uniform

airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 chebyshev_polynomial_t chebyshev_polynomial_u
chebyshev_polynomial_v chebyshev_polynomial_w gammainc gammaincc gammaln hermite_polynomial_h
hermite_polynomial_he i0 i0e i1 i1e igamma igammac laguerre_polynomial_l legendre_polynomial_p
log_ndtr modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 multigammaln
ndtr ndtri polygamma psi scaled_modified_bessel_k0 scaled_modified_bessel_k1
shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v
shifted_chebyshev_polynomial_w spherical_bessel_j0 zeta
"""

_DROPOUT = 2  # draw and mask, scale; only in training

ELEMENTWISE: dict[str, int] = {
    **dict.fromkeys(_ONE.split(), 1),
    **dict.fromkeys(["complex", "equal_", "real_", "view_as_complex"], 0),
    **dict.fromkeys(["dropout", "dropout1d", "dropout2d", "dropout3d", "native_dropout"], _DROPOUT),
    **dict.fromkeys(("feature_dropout",), _DROPOUT),
    **dict.fromkeys(["alpha_dropout", "feature_alpha_dropout"], _DROPOUT + 2),
    "add_relu": 2,
    "mul_relu": 2,
    "addcmul": 3,  # a + value b c
    "addcdiv": 3,  # a + value b / c
    "clamp": 2,  # min(max(x, low), high)
    "clip": 2,
    "fake_quantize_per_channel_affine": 6,
    "fake_quantize_per_tensor_affine": 6,  # quantise, dequantise
    "addr": 2,  # x + a b
    "cross": 3,  # two products and a difference
    "dequantize": 2,  # (q - zero) scale
    "entr": 3,  # -x log(x)
    "frac": 2,  # x - trunc(x)
    "gcd": 10,  # Euclid: about 12 ln 2 / pi^2 ln(n) remainders (Knuth, 4.5.3), n below 2^16
    "heaviside": 2,  # x = 0 ? value : x > 0
    "hypot": 4,  # root(a a + b b)
    "isclose": 6,  # |a - b| <= atol + rtol |b|
    "kron": 1,
    "lcm": 12,  # a b / gcd(a, b)
    "lerp": 3,  # a + t (b - a)
    "logaddexp": 8,  # m + log(exp(a - m) + exp(b - m)), m = max(a, b)
    "logaddexp2": 8,
    "logit": 3,  # log(x / (1 - x))
    "polar": 4,  # r cos(a), r sin(a)
    "quantize_per_channel": 4,  # x / scale, round, + zero, saturate
    "quantize_per_tensor": 4,
    "quantize_per_tensor_dynamic": 6,  # min and max first
    "quick_gelu": 6,
    "rotaryembedding": 3,  # x cos + rotate(x) sin
    "rotary_embedding": 3,
    "sinc": 3,  # sin(pi x) / (pi x)
    "vander": 1,
    "xlog1py": 3,
    "xlogy": 2,  # x log(y)
}

# Of complex numbers: real operations per complex result; a word not listed takes twice its rate.
COMPLEX: dict[str, int] = {
    **dict.fromkeys(["mul", "multiply", "imul", "rmul", "square", "outer", "ger", "kron"], 6),
    **dict.fromkeys(
        ["div", "divide", "true_divide", "truediv", "itruediv", "idiv", "rdiv", "reciprocal"], 11
    ),
    **dict.fromkeys(["abs", "absolute"], 4),  # root(a a + b b)
    **dict.fromkeys(["conj", "conj_physical", "angle"], 1),
    "exp": 5,  # exp(a) cos(b), exp(a) sin(b)
    "polar": 4,
    "complex": 0,
}

ACTIVATION: dict[str, int] = {
    "relu": 1,  # max(x, 0)
    "relu6": 2,  # min(max(x, 0), 6)
    "hardtanh": 2,
    "clip": 2,
    "clamp": 2,
    "threshold": 1,
    "thresholdedrelu": 1,
    "leaky_relu": 2,  # x > 0 ? x : a x
    "leakyrelu": 2,
    "prelu": 2,
    "rrelu": 2,
    "expit": 4,
    "sigmoid": 4,  # 1 / (1 + exp(-x)): negate, exp, add, divide
    "logsigmoid": 5,  # -log(1 + exp(-x))
    "log_sigmoid": 5,
    "tanh": 1,
    "silu": 5,  # x sigmoid(x)
    "swish": 5,
    "quick_gelu": 6,  # x sigmoid(1.702 x)
    "quickgelu": 6,
    "gelu": 5,  # x / 2 (1 + erf(x / root 2)): two products at the ends, divide, erf, add
    "biasgelu": 6,  # after one add
    "fastgelu": 9,  # x / 2 (1 + tanh(c (x + 0.044715 x^3))): 2 for the cube, 7 more
    "gelu_tanh": 9,
    "mish": 6,  # x tanh(log(1 + exp(x))), and one comparison for large x
    "elu": 4,  # x > 0 ? x : a (exp(x) - 1)
    "celu": 5,
    "selu": 5,
    "softplus": 3,  # log(1 + exp(x))
    "softsign": 3,  # x / (1 + |x|)
    "hardshrink": 2,
    "softshrink": 3,
    "shrink": 3,
    "tanhshrink": 2,
    "hardsigmoid": 4,  # min(max(x + 3, 0), 6) / 6
    "hardswish": 5,  # x hardsigmoid(x)
    "glu": 5,  # a sigmoid(b)
    "swiglu": 6,
    "dropout": 2,  # mask and scale; only in training
}

SOFTMAX: dict[str, int] = {
    "softmax": 5,  # max, subtract, exp, add, divide
    "log_softmax": 5,  # max, subtract, exp, add, subtract
    "logsoftmax": 5,
    "safe_softmax": 5,
    "softmin": 6,
    "gumbel_softmax": 9,  # -log(exponential draw), add, divide by the temperature, softmax
    "biassoftmax": 6,  # after one add
    "hardmax": 2,  # max, compare
}

CAST: dict[str, int] = {
    "quantizelinear": 4,  # x / scale, round, + zero, saturate
    "dynamicquantizelinear": 6,  # min and max over x, then the same
    "dequantizelinear": 2,  # (q - zero) scale
}

# One operation between each pair of operands (ONNX lets these take any number of them).
_VARIADIC = {"sum": 0, "max": 0, "min": 0, "mean": 1}


def count_elementwise(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = outputs x the word's rate."""
    if op.word in _VARIADIC:
        operands = len(op.inputs) + len(op.weights)
        return 0, output_size(graph, op) * (operands - 1 + _VARIADIC[op.word])
    rate = ELEMENTWISE[op.word]
    if rate and is_complex(graph, (*op.inputs, *op.weights, *op.outputs)):
        rate = COMPLEX.get(op.word, 2 * rate)
    return 0, output_size(graph, op) * rate


def count_activation(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = outputs x the word's rate (`gelu` with `approximate="tanh"` is the longer form)."""
    word = op.word
    if word == "gelu" and op.attrs.get("approximate") == "tanh":
        word = "gelu_tanh"
    return 0, output_size(graph, op) * ACTIVATION[word]


def count_softmax(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = outputs x the word's rate."""
    return 0, output_size(graph, op) * SOFTMAX[op.word]


def count_cast(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = outputs x the word's rate; a change between plain formats computes nothing."""
    rate = CAST.get(op.word, 0)
    return 0, output_size(graph, op) * rate if rate else 0
