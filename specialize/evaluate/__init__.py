"""Evaluation: checkpoints answer sets; predictions are kept, scores follow from them.

``planning`` says what is asked, ``subjects`` which models are asked, ``sheets`` what they have
answered already, ``generation`` decodes (a T5 by ``t5_decoding``), ``asking`` adds the answers as
they come, ``voting`` takes the majority of several, ``grading`` makes scores, ``stage`` runs it,
``shards`` lets several jobs share it.

Only what generates needs torch: ``asking``, ``generation`` and ``t5_decoding`` are imported when a
model has to be asked.
"""

from specialize.evaluate.stage import evaluate, evaluate_model

__all__ = ["evaluate", "evaluate_model"]
