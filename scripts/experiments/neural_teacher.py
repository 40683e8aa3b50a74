"""The bundled teacher as one whose every distribution is known, however much is asked of it.

``after(tokens)`` is what it writes after a prompt and ``tokens``, at the temperature at which its
five most probable tokens hold as much mass as asked. One model call for each new prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from specialize.teacher.local.load import Loaded

Distribution = tuple[NDArray[np.int32], NDArray[np.float64]]  # ids, probabilities, falling


class NeuralTeacher:
    """A causal language model after a prompt; its distributions raised to ``power``."""

    def __init__(self, loaded: Loaded, prompt: Sequence[int], *, power: float = 1.0) -> None:
        self.power = power
        self._loaded, self._prompt = loaded, tuple(prompt)
        self._logits = lru_cache(maxsize=200_000)(self._ask)

    def after(self, tokens: Sequence[int]) -> Distribution:
        """The next token's distribution after ``tokens``, where it is above 1e-7."""
        logits = self._logits(tuple(tokens)) * self.power
        mass = np.exp(logits - logits.max())
        mass /= mass.sum()
        ids = np.flatnonzero(mass > 1e-7)
        order = ids[np.argsort(-mass[ids], kind="stable")]
        return order.astype(np.int32), mass[order]

    def _ask(self, tokens: tuple[int, ...]) -> NDArray[np.float64]:
        with torch.inference_mode():
            asked = torch.tensor([[*self._loaded.tokenizer.front, *self._prompt, *tokens]])
            logits = self._loaded.model(input_ids=asked).logits[0, -1]
        found: NDArray[np.float64] = logits[: self._loaded.tokenizer.size].double().numpy()
        return found
