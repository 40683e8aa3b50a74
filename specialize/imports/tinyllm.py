r"""The glued rationales of two teachers (Tian et al. 2024, arXiv:2402.04616) -> one store each.

``llm/<split>_CoT_<i>.json`` hold one text a record, in the order of the set's records::

    "Marshes are wet. Thus, the answer is (a) a marsh\n\nQ: There is ... llama rationale: Fog ..."
    -> flan-t5: rationale "Marshes are wet.", answer "a marsh"
       llama-2: rationale "Fog ..."

Both teachers were given the answer, so a half that announces none has the given one. The second
half is absent from every record of PIQA: it is counted as absent and has no response, so that its
objective is masked there instead of trained on empty text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from specialize.answers import Kind, is_correct
from specialize.formats.labels import read_label
from specialize.formats.rationales import read_rationale
from specialize.imports.palm import asked_of, faults, read_split
from specialize.imports.text_store import write_texts
from specialize.records import Example, Response
from specialize.store.sealed import Json

FIRST, SECOND = "flan-t5", "llama-2"
_MARKER = "llama rationale:"


def import_tinyllm(
    source: Path,
    out: Path,
    *,
    examples: Sequence[Example],
    kind: Kind,
    split: str,
    restart: bool = False,
) -> dict[str, Json]:
    """Write the rationales of both teachers into ``out/flan-t5`` and ``out/llama-2``.

    Args:
        source: the directory of the ``<split>_CoT_<i>.json`` files.
        examples: the whole published split, in its order.
        kind: how answers of the set are compared.

    Returns:
        Per teacher: rationales, absent ones, what is announced (right, wrong, or nothing, with
        the cause), and how many rationales have which fault.

    Raises:
        InputError: no such files, or not one text per example.
    """
    sources, texts = read_split(source, split, examples)
    found: dict[str, Json] = {"records": len(texts)}
    halves = [split_halves(text) for text in texts]
    for number, teacher in enumerate((FIRST, SECOND)):
        own = [(pair[number], e) for pair, e in zip(halves, examples, strict=True)]
        made, answered, summary = _teacher(own, kind)
        summary["faults"] = faults(made, answered, kind)
        write_texts(
            out / teacher, made, teacher=teacher, asked=asked_of(answered), sources=sources,
            summary=summary, restart=restart,
        )  # fmt: skip
        found[teacher] = summary
    return found


def split_halves(text: str) -> tuple[str | None, str | None]:
    """What each teacher wrote; None where it wrote nothing.

    The question is repeated between the halves, and may hold any words but the marker.
    """
    first, marker, second = text.partition(_MARKER)
    first = first.partition("\n\nQ:")[0]
    return first.strip() or None, (second.strip() or None) if marker else None


def _teacher(
    own: Sequence[tuple[str | None, Example]], kind: Kind
) -> tuple[list[Response], list[Example], dict[str, Json]]:
    """The texts of one teacher, what they answer, and an account of all records."""
    made: list[Response] = []
    answered: list[Example] = []
    announced: Counter[str] = Counter()
    for text, example in own:
        reading = read_rationale(text or "")
        if not reading.rationale:
            continue
        label, cause = read_label(reading.answer, example, kind)
        verdict = cause or _verdict(label or "", example, kind)
        announced[verdict] += 1
        given = example.answer if reading.answer is None else label
        right = verdict not in _NOT_RIGHT
        made.append(Response(example.id, 0, "", reading.rationale, answer=given, correct=right))
        answered.append(example)
    account: dict[str, Json] = {
        "rationales": len(made),
        "absent": len(own) - len(made),
        "announced": dict(sorted(announced.items())),
    }
    return made, answered, account


_NOT_RIGHT = frozenset(
    {"wrong", "names several choices", "no such choice", "letter and text disagree",
     "none of the choices", "no value"}
)  # fmt: skip


def _verdict(label: str, example: Example, kind: Kind) -> str:
    right = is_correct(label, example.answer, kind=kind, choices=example.choices)
    return "right" if right else "wrong"
