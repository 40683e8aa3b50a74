"""Evaluation: checkpoints answer sets; predictions are kept, scores follow from them.

``planning`` says what is asked, ``subjects`` who is asked, ``generation`` decodes (a T5 by
``t5_decoding``), ``asking`` keeps the answers as they come, ``voting`` takes the majority of
several, ``grading`` makes scores, ``stage`` runs it, ``shards`` in several processes.
"""

from specialize.evaluate.generation import Generation, Limits, generate
from specialize.evaluate.shards import Shard, run_shards
from specialize.evaluate.stage import evaluate, evaluate_model, evaluate_teachers, refresh_scores

__all__ = [
    "Generation",
    "Limits",
    "Shard",
    "evaluate",
    "evaluate_model",
    "evaluate_teachers",
    "generate",
    "refresh_scores",
    "run_shards",
]
