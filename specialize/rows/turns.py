"""Targets of a chat: they end as the student's template ends an assistant's turn.

    "The answer is 7" </s>                       ->  "The answer is 7" <|im_end|>
    the row there    </s> .9  "." .05  tail .05  ->  <|im_end|> .9  "." .05  tail .05

A store of targets has every end of the teacher on the end of sequence of the student's vocabulary;
which end that is in a chat, its template says. Rows of a teacher that writes the same turn's end
itself (it has the student's tokenizer) know it already and stay as they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from specialize.rows.targets import Target
from specialize.tokens import Tokenizer


def with_turn_end(target: Target, tokenizer: Tokenizer) -> Target:
    """``target`` with the turn's end of the student in place of its end of sequence."""
    eos, turn_end = tokenizer.eos, tokenizer.turn_end
    if eos is None or turn_end is None or eos == turn_end:
        return target
    ids, rows = target.ids.copy(), target.distributions
    if len(ids) and ids[-1] == eos:
        ids[-1] = turn_end
    if not (rows.ids == turn_end).any():
        rows = replace(rows, ids=np.where(rows.ids == eos, turn_end, rows.ids).astype(np.int32))
    return replace(target, ids=ids, distributions=rows)
