"""What of a pair costs a student something that an average does not show, a sentence for each.

digits are split differently: in '1234' the teacher has 1|2|3|4, the student 12|34
3.10 % of the student's tokens are single bytes of characters that it lacks
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from huggingface_hub import try_to_load_from_cache

from align import Ragged
from align.vocabulary import BYTE, UNKNOWN, Vocabulary
from specialize.pairs.evidence import Evidence
from specialize.pairs.templates import template_cautions
from specialize.tokens import Tokenizer
from specialize.tokens.json_files import read_object

_NUMBERS = ("1234", "56", "700", "25000")
_FEW = 50  # texts: of fewer, rows are like one another
_LINES = "a\nb"


@dataclass(frozen=True, slots=True)
class Widths:
    """How many ids the outputs of both models have, as their configurations say; None: unknown."""

    teacher: int | None = None
    student: int | None = None


UNKNOWN_WIDTHS = Widths()


def width_of(model: str) -> int | None:
    """The width of a model's output as the ``config.json`` beside its tokenizer says.

    Args:
        model: directory, file, or a hub id whose tokenizer was read.
    """
    path = Path(model)
    if path.exists():
        file = (path if path.is_dir() else path.parent) / "config.json"
    elif isinstance(found := try_to_load_from_cache(model, "config.json"), str):
        file = Path(found)
    else:
        return None
    config = read_object(file)
    text = config.get("text_config")
    for part in (config, text if isinstance(text, dict) else {}):
        if isinstance(size := part.get("vocab_size"), int):
            return size
    return None


def cautions(
    evidence: Evidence, student: Tokenizer, tokens: Ragged, widths: Widths = UNKNOWN_WIDTHS
) -> list[str]:
    """One sentence for each.

    Args:
        tokens: the student's, of the measured texts.
        widths: what is known of the models beside their tokenizers.
    """
    teacher = evidence.tokenizer
    found = _too_few(evidence) + _line_breaks(teacher, student)
    if evidence.fingerprint == student.fingerprint:
        found.append(
            "teacher and student have one tokenizer: rows are carried over as they are, and the "
            "tail alone is missing"
        )
    found += [] if teacher is None else _digits(teacher, student)
    found += _spelled_badly("teacher", evidence.source, evidence.texts.tokens)
    found += _spelled_badly("student", student.vocabulary(), tokens)
    width = max(evidence.width, widths.teacher or 0)
    if teacher is not None and width > teacher.size:
        found.append(
            f"the teacher's rows have {width} ids, its tokenizer {teacher.size}: what is beyond "
            f"joins the tail"
        )
    if widths.student is not None and widths.student > student.size:
        found.append(
            f"the student's output has {widths.student} ids, its tokenizer {student.size}: no row "
            f"gives those beyond any mass, so it learns never to write them"
        )
    return found + template_cautions(teacher, student)


def _too_few(evidence: Evidence) -> list[str]:
    count = evidence.measured
    if count >= _FEW:
        return []
    texts = "1 text is" if count == 1 else f"{count} texts are"
    simulated = ", and the teacher is simulated by no other" if evidence.known == "assumed" else ""
    return [f"{texts} too few to judge a pair by{simulated}: give 200 or more"]


def _line_breaks(teacher: Tokenizer | None, student: Tokenizer) -> list[str]:
    found = []
    if not _writes_lines(student):
        found.append(f"{student.name} has no line break: a student cannot write one")
    if teacher is not None and not _writes_lines(teacher):
        found.append(
            f"{teacher.name} has no line break: its rows end no line, and a student learns none"
        )
    return found


def _writes_lines(tokenizer: Tokenizer) -> bool:
    return any(b"\n" in piece for piece in tokenizer.pieces(tokenizer.encode(_LINES)))


def _digits(teacher: Tokenizer, student: Tokenizer) -> list[str]:
    """The first number in which the two have other tokens."""
    for number in _NUMBERS:
        parts = [_parts(tokenizer, number) for tokenizer in (teacher, student)]
        if parts[0] != parts[1]:
            mine, its = ("|".join(one) for one in parts)
            return [
                f"digits are split differently: in {number!r} the teacher has {mine}, the student "
                f"{its}"
            ]
    return []


def _parts(tokenizer: Tokenizer, number: str) -> list[str]:
    """The digits of a number token by token, within a sentence."""
    pieces = tokenizer.pieces(tokenizer.encode(f"He has {number} left"))
    digits = ("".join(filter(str.isdigit, piece.decode(errors="replace"))) for piece in pieces)
    return [*filter(None, digits)]


def _spelled_badly(who: str, vocabulary: Vocabulary, tokens: Ragged) -> list[str]:
    """Shares of tokens that stand for text outside a vocabulary, or for single bytes of it."""
    flags = vocabulary.flags[tokens.ids]
    kinds = (UNKNOWN, "unknown to it"), (BYTE, "single bytes of characters that it lacks")
    shares = [(float(np.mean(flags & flag != 0)) if len(flags) else 0.0, what)
              for flag, what in kinds]  # fmt: skip
    return [
        f"{100 * share:.2f} % of the {who}'s tokens are {what}" for share, what in shares if share
    ]
