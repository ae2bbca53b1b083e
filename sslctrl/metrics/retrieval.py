"""Whether an embedding finds the same object among others, and where it is (Grasp2Vec, 1811.06964, section 5.1)."""

from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import cosine_similarity

from sslctrl.errors import InputError


def retrieval_top1(
    queries: np.ndarray, query_labels: np.ndarray, keys: np.ndarray, key_labels: np.ndarray, rng: np.random.Generator
) -> float:
    """Return how often a query's nearest key, of one drawn for each label, has the query's label: a share of 1.

    queries (Q, D) and keys (K, D) are compared by their cosine; labels are (Q,) and (K,). Each query has a gallery of
    its own: one key of every label that the keys have. Of several that are equally near each counts its part: where all
    embeddings are one, the share is that of guessing. Raises InputError on shapes, values that are not finite, or where
    a query's label has no key.
    """
    queries, keys = np.asarray(queries, np.float64), np.asarray(keys, np.float64)
    query_labels, key_labels = np.asarray(query_labels), np.asarray(key_labels)
    if queries.shape[1:] != keys.shape[1:] or len(queries) != len(query_labels) or len(keys) != len(key_labels):
        raise InputError(
            f"queries are {queries.shape} with {query_labels.shape} labels, keys {keys.shape} with {key_labels.shape}; "
            "allowed are (Q, D), (Q,), (K, D), (K,)"
        )
    if not (np.isfinite(queries).all() and np.isfinite(keys).all()):
        raise InputError("queries or keys are not finite; allowed are finite numbers; see what went wrong in training")
    labels = np.unique(key_labels)
    if strangers := sorted(set(query_labels.tolist()) - set(labels.tolist())):
        raise InputError(f"no key has the label {strangers[0]!r}; allowed are labels of both; leave those queries out")
    similar = cosine_similarity(queries, keys)
    gallery = np.stack([rng.choice(np.flatnonzero(key_labels == label), size=len(queries)) for label in labels], axis=1)
    similar = np.take_along_axis(similar, gallery, axis=1)
    nearest = similar == similar.max(axis=1, keepdims=True)
    return float(((nearest & (labels == query_labels[:, None])).sum(1) / nearest.sum(1)).mean())


def localised(heat_maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return whether each heat map's (N, H, W) highest point lies on its mask, bool (N, H, W): bool (N,). Of several
    that are equally high all have to; a map that is not finite points nowhere.
    """
    if heat_maps.shape != masks.shape or heat_maps.ndim != 3:
        raise InputError(f"heat maps are {heat_maps.shape}, masks {masks.shape}; allowed is (N, H, W) of both")
    highest = heat_maps == heat_maps.max(axis=(1, 2), keepdims=True)
    return highest.any((1, 2)) & (masks | ~highest).all((1, 2))
