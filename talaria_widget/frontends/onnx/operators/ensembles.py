"""Our attributes of classical models, from the arrays that their nodes hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from talaria_widget.frontends.onnx.operators.settings import Attributes, Shapes

_POST = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def _post(given: Mapping[str, Any]) -> str:
    post = given.get("post_transform", "NONE")
    return _POST[post] if isinstance(post, int) else post


def _classes(given: Mapping[str, Any]) -> int:
    labels = ("classlabels_ints", "classlabels_int64s", "classlabels_strings")
    return max(len(given.get(name, ())) for name in labels)


def _levels(roots: Iterable[Any], children: Mapping[Any, Sequence[Any]]) -> int:
    """The sum over trees of the longest way down, in comparisons."""
    total = 0
    for root in roots:
        seen, level, depth = set(), [root], 0
        while level:
            inner = [node for node in level if node in children and node not in seen]
            seen.update(inner)
            depth += bool(inner)
            level = [child for node in inner for child in children[node]]
        total += depth
    return total


def trees(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """TreeEnsembleClassifier and TreeEnsembleRegressor: nodes by tree, a leaf's numbers by node."""
    tree, node = given["nodes_treeids"], given["nodes_nodeids"]
    ways = zip(
        tree,
        node,
        given["nodes_truenodeids"],
        given["nodes_falsenodeids"],
        given["nodes_modes"],
        strict=True,
    )
    children = {(t, n): ((t, a), (t, b)) for t, n, a, b, mode in ways if mode != b"LEAF"}
    below = {child for pair in children.values() for child in pair}
    roots = [key for key in zip(tree, node, strict=True) if key not in below]
    side = "class" if "class_treeids" in given else "target"
    leaves = Counter(zip(given[f"{side}_treeids"], given[f"{side}_nodeids"], strict=True))
    most: dict[int, int] = defaultdict(int)
    for (t, _), count in leaves.items():
        most[t] = max(most[t], count)
    return {
        "trees": len(roots),
        "levels": _levels(roots, children),
        "added": sum(most.values()),
        "results": _classes(given) or int(given.get("n_targets", 1)),
        "post": _post(given),
    }


def newer_trees(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """TreeEnsemble: a node's children are nodes, or leaves of one number each."""
    ways = zip(
        given["nodes_truenodeids"],
        given["nodes_trueleafs"],
        given["nodes_falsenodeids"],
        given["nodes_falseleafs"],
        strict=True,
    )
    children = {
        i: [to for to, leaf in ((a, a_leaf), (b, b_leaf)) if not leaf]
        for i, (a, a_leaf, b, b_leaf) in enumerate(ways)
    }
    roots = list(given["tree_roots"])
    return {
        "trees": len(roots),
        "levels": _levels(roots, children),
        "added": len(roots),
        "results": int(given.get("n_targets", 1)),
        "post": _post(given),
    }


def linear_model(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """The numbers of a linear classifier or regressor."""
    return {
        "coefficients": len(given["coefficients"]),
        "intercepts": len(given.get("intercepts", ())),
        "results": _classes(given) or int(given.get("targets", 1)),
        "post": _post(given),
    }


def support_vectors(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """How many support vectors there are; a linear machine has one row per class instead."""
    results = _classes(given) or 1
    vectors = int(given.get("n_supports") or sum(given.get("vectors_per_class", ())))
    return {
        "vectors": vectors or results,
        "results": results if vectors else 1,
        "kernel_type": given.get("kernel_type", "LINEAR"),
        "post": _post(given),
    }


def word_counts(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """Which n-grams TfIdfVectorizer looks for."""
    return {
        "lengths": given["max_gram_length"] - given["min_gram_length"] + 1,
        "skips": given["max_skip_count"] + 1,
        "weighted": given["mode"] != "TF",
    }
