"""A pair judged before anything is spent: what is kept of a row, and how true it is.

judge(assume(teacher, texts), student, responses=300_000)
{"advised_k": 20, "soft_share": {"5": .999, ...}, "total_variation": {"5": .186, ...}, ...}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from specialize.pairs.cautions import cautions
from specialize.pairs.evidence import Evidence
from specialize.pairs.forecast import SizeForecast, forecast
from specialize.store import StoreDescription
from specialize.store.sealed import Json
from specialize.tokens import Tokenizer


def judge(evidence: Evidence, student: Tokenizer, *, responses: int) -> dict[str, Json]:
    """The forecast as plain values.

    Args:
        responses: how many texts the costs are for.
    """
    found = forecast(evidence, student)
    structure = found.structure
    factor = responses / structure.texts
    sizes: dict[str, Json] = {}
    for size in found.sizes:
        teacher = _bytes(evidence.width, size.k) * structure.teacher_tokens
        targets = _bytes(student.size, size.k) * structure.student_tokens
        sizes[str(size.k)] = {
            **_size(size),
            "response_bytes": round(factor * (teacher + structure.text_bytes)),
            "target_bytes": round(factor * (targets + structure.text_bytes)),
            "align_hours": factor * size.seconds / 3600,
        }
    scoring = None if evidence.seconds is None else factor * evidence.seconds / 3600
    return {
        "teacher": evidence.name,
        "student": student.name,
        "rows": evidence.known,
        "texts": structure.texts,
        "texts_too_long": evidence.too_long,
        "shared_boundaries": structure.shared_boundaries,
        "one_to_one": structure.one_to_one,
        "kinds": dict(structure.kinds),
        "teacher_mass": {str(k): mass for k, mass in found.mass.items()},
        "k": sizes,
        "advised_k": found.advised_k,
        "responses": responses,
        "scoring_hours": scoring,
        "warnings": [*cautions(evidence, student, found.tokens)],
    }


def table(judged: Mapping[str, Json]) -> str:
    """What ``judge`` found, a line for each k and class of tokens."""
    lines = [f"{'k':>4} {'class':12} {'rows':>7} {'soft':>6} {'stored':>6} {'distance':>8}"]
    sizes = judged["k"]
    for k, size in sizes.items() if isinstance(sizes, dict) else ():
        classes = size["by_class"] if isinstance(size, dict) else None
        for name, part in {"all": size, **(classes if isinstance(classes, dict) else {})}.items():
            if isinstance(part, dict):
                known = part["total_variation"]
                distance = f"{known:8.3f}" if isinstance(known, float) else f"{'-':>8}"
                lines.append(
                    f"{k:>4} {name:12} {part['rows']:>7} {part['soft_share']:6.3f} "
                    f"{part['stored']:6.3f} {distance}"
                )
    return "\n".join(lines)


def _size(size: SizeForecast) -> dict[str, Json]:
    return {
        **asdict(size.all),
        "kept": size.kept,
        "inconsistent": size.inconsistent,
        "by_class": {name: asdict(part) for name, part in size.by_class.items()},
    }


def _bytes(width: int, k: int) -> int:
    return StoreDescription(
        kind="responses", teacher="", tokenizer="", fingerprint="", vocabulary_size=width, k=k
    ).bytes_per_position
