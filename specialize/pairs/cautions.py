"""What of a pair of vocabularies costs a student something that an average does not show."""

from __future__ import annotations

import numpy as np

from align import Ragged
from align.vocabulary import BYTE, UNKNOWN
from specialize.pairs.evidence import Evidence
from specialize.tokens import Tokenizer

_NUMBER = "She has 1234 and 56 left"


def cautions(evidence: Evidence, student: Tokenizer, tokens: Ragged) -> list[str]:
    """One sentence for each.

    Args:
        tokens: the student's, of the measured texts.
    """
    found = []
    if not any(b"\n" in piece for piece in student.pieces(student.encode("a\nb"))):
        found.append(f"{student.name} has no line break: a student cannot write one")
    if evidence.tokenizer is not None:
        counts = [len(one.encode(_NUMBER)) for one in (evidence.tokenizer, student)]
        if counts[0] != counts[1]:
            found.append(
                f"digits are split differently: {_NUMBER!r} takes the teacher {counts[0]} tokens, "
                f"the student {counts[1]}"
            )
    flags = student.vocabulary().flags[tokens.ids]
    for flag, what in ((UNKNOWN, "unknown to it"), (BYTE, "bytes of characters it lacks")):
        share = float(np.mean(flags & flag != 0)) if len(flags) else 0.0
        if share:
            found.append(f"{100 * share:.2f} % of the student's tokens are {what}")
    if evidence.tokenizer is not None and evidence.width > evidence.tokenizer.size:
        found.append(
            f"the teacher's rows have {evidence.width} ids, its tokenizer "
            f"{evidence.tokenizer.size}: what is beyond joins the tail"
        )
    return found
