"""Two evaluations of the same questions, whoever made them, and two stores of the same texts.

``answers`` is what every reader returns; ``own``, ``lm_eval`` and ``inspect_logs`` read our
predictions and the logs of two other harnesses; ``difference`` has the statistics; ``stage`` is
the command. ``stores`` compares rows of a teacher by ``row_distances``, with the intervals of
``clustered``.
"""

from specialize.compare.stage import compare

__all__ = ["compare"]
