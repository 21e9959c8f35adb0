"""Equal features: what every baseline that reads prompts sees of them.

`features_of` is the one place where text becomes numbers for baselines: the product's own sketches.
Embeddings are sentence vectors from a file, when every row has one; no encoder runs here.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.preprocessing import normalize

from bench.routing.dataset import Array, Questions
from router.learning.features import BUCKETS, sketch_of

Matrix = csr_matrix | Array
Encoder = Callable[[Questions], Matrix]


def features_of(prompts: tuple[str, ...]) -> csr_matrix:
    """Return sketches as 1 + log(count) by bucket, n x 65,536, rows of length 1."""
    sketches = [sketch_of(prompt) for prompt in prompts]
    counts = np.concatenate([sketch.counts for sketch in sketches]).astype(np.float32)
    buckets = np.concatenate([sketch.buckets for sketch in sketches]).astype(np.int32)
    ends = np.cumsum([0, *(len(sketch.buckets) for sketch in sketches)])
    rows = csr_matrix((1 + np.log(counts), buckets, ends), shape=(len(prompts), BUCKETS))
    return csr_matrix(normalize(rows))


def hashed(asked: Questions) -> csr_matrix:
    """Encode by `features_of`, kept for as long as the same many prompts are asked for."""
    return _kept(asked.prompts) if len(asked) > 1 else features_of(asked.prompts)


def embedded(asked: Questions) -> Array:
    """Encode by the file's embeddings, rows of length 1."""
    if asked.embeddings is None:
        raise ValueError(
            "These questions have no embeddings; give --embeddings, or leave them out."
        )
    return np.asarray(normalize(asked.embeddings))


@lru_cache(maxsize=8)
def _kept(prompts: tuple[str, ...]) -> csr_matrix:
    return features_of(prompts)
