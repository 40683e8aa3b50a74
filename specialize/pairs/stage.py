"""A pair judged before anything is spent: what is kept of a row, and how true it is.

judge(assume(teacher, texts), student, responses=300_000)
{"advised_k": 20, "soft_share": {"5": .999, ...}, "total_variation": {"5": .186, ...}, ...}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from specialize.pairs.cautions import UNKNOWN_WIDTHS, Widths, cautions
from specialize.pairs.evidence import Evidence
from specialize.pairs.forecast import SizeForecast, forecast
from specialize.pairs.specials import Special, student_ends
from specialize.store import StoreDescription
from specialize.store.sealed import Json
from specialize.tokens import Tokenizer

_FEW = 100  # texts: of no more of them X02 has distributions ahead of text, checked or not


def judge(
    evidence: Evidence, student: Tokenizer, *, responses: int, widths: Widths = UNKNOWN_WIDTHS
) -> dict[str, Json]:
    """The forecast as plain values.

    Args:
        responses: how many texts the costs are for.
        widths: of the outputs of both models, where they are known.
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
        **_advised_target(responses),
        "scoring_hours": scoring,
        "ends": {**student_ends(student)},
        "specials": [_special(special) for special in found.specials],
        "warnings": [*cautions(evidence, student, found.tokens, widths)],
    }


def _advised_target(responses: int) -> dict[str, Json]:
    """What a student should learn of that number of texts, and why."""
    if responses <= _FEW:
        target, reason = (
            "distribution",
            "a student reads so few texts many times, and learns more of their distributions than "
            "of the texts alone, at a lower learning rate than many; not so of right texts of a "
            "teacher that is unsure",
        )
    else:
        target, reason = (
            "rationale",
            "where answers can be checked, right texts alone are no worse than their "
            "distributions; where they cannot, take target: distribution",
        )
    return {"advised_target": target, "target_reason": f"{reason} (docs/experiments/X02.md)"}


def table(judged: Mapping[str, Json]) -> str:
    """What ``judge`` found, a line for each k and class of tokens."""
    lines = [f"{'k':>4} {'class':12} {'rows':>7} {'soft':>6} {'stored':>6} {'distance':>16}"]
    sizes = judged["k"]
    for k, size in sizes.items() if isinstance(sizes, dict) else ():
        classes = size["by_class"] if isinstance(size, dict) else None
        for name, part in {"all": size, **(classes if isinstance(classes, dict) else {})}.items():
            if isinstance(part, dict):
                known, error = part["total_variation"], part["error"]
                distance = f"{known:.3f}" if isinstance(known, float) else "-"
                distance += f" ± {error:.3f}" if isinstance(error, float) else 8 * " "
                lines.append(
                    f"{k:>4} {name:12} {part['rows']:>7} {part['soft_share']:6.3f} "
                    f"{part['stored']:6.3f} {distance:>16}"
                )
    return "\n".join(lines)


def specials_table(judged: Mapping[str, Json]) -> str:
    """The teacher's special ids, a line for each: what it is for, and what it becomes."""
    listed = judged["specials"]
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    shown = [
        (
            str(row["name"]),
            special_use(row),
            "; ".join(filter(None, (str(row["becomes"]), str(row["note"])))),
        )
        for row in rows
    ]
    heads = ("teacher", "is", "becomes")
    wide = [max(len(row[i]) for row in (heads, *shown)) for i in range(2)]
    return "\n".join(
        f"{name:{wide[0]}}  {use:{wide[1]}}  {becomes}" for name, use, becomes in (heads, *shown)
    )


def special_use(row: Mapping[str, Json]) -> str:
    """What a special id is for; of several without a role how many they are."""
    roles, ids = row["roles"], row["ids"]
    if isinstance(roles, list) and roles:
        return ", ".join(map(str, roles))
    return f"{len(ids) if isinstance(ids, list) else 0} without a role"


def _special(special: Special) -> dict[str, Json]:
    return {**asdict(special), "ids": [*special.ids], "roles": [*special.roles]}


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
