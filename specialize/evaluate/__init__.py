"""Evaluation: checkpoints answer sets; predictions are kept, scores follow from them.

``planning`` says what is asked, ``subjects`` which models are asked, ``sheets`` what they have
answered already, ``generation`` decodes (a T5 by ``t5_decoding``), ``asking`` adds the answers as
they come, ``voting`` takes the majority of several, ``grading`` makes scores, ``stage`` runs it,
``processes`` runs it in several shards.

Only what generates needs torch: ``asking``, ``generation`` and ``t5_decoding`` are imported when a
model has to be asked.
"""

from specialize.evaluate.shards import Shard
from specialize.evaluate.stage import evaluate, evaluate_model

__all__ = ["Shard", "evaluate", "evaluate_model"]
