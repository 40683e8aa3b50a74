"""Losses on sparse rows: KL or JSD with the tail as a bucket, plain or fused with the projection.

``sparse_kl`` returns the weighted sum in nats and the sum of the weights; the trainer divides.
"""

from specialize.losses.divergences import Divergence, beta_of
from specialize.losses.fused import fused_kl
from specialize.losses.sparse import RowMeasures, measured_kl, sparse_kl
from specialize.losses.tails import Tail, apply_tail, mix_label

__all__ = [
    "Divergence",
    "RowMeasures",
    "Tail",
    "apply_tail",
    "beta_of",
    "fused_kl",
    "measured_kl",
    "mix_label",
    "sparse_kl",
]
