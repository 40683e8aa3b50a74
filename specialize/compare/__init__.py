"""Two evaluations of the same questions, whoever made them: what one model does better, how surely.

``answers`` is what every reader returns; ``own``, ``lm_eval`` and ``inspect_logs`` read our
predictions and the logs of two other harnesses; ``difference`` has the statistics; ``stage`` is
the command.
"""

from specialize.compare.stage import compare

__all__ = ["compare"]
