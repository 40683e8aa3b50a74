r"""PaLM 540B's continuations of Hsieh et al. 2023 (arXiv:2305.02301) -> a store of responses.

``llm/<split>_CoT_<i>.json`` are JSON lists of raw texts, in batches, in the order of the set's
records. A text runs on into an invented next question::

    "The answer must be ... need. So the answer is (c) wooded area.\n\nQ: What is the best way ..."
    -> rationale "The answer must be ... need.", answer "wooded area"

Every record is accounted for: right, wrong, or unparsed with its cause. A text that names several
choices ("either (a) aquarium or (e) pond") is unparsed, whatever letter is first or last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from specialize.answers import Kind, is_correct
from specialize.datasets.reading import clean_text, json_document
from specialize.errors import InputError
from specialize.formats.labels import read_label
from specialize.formats.quality import rationale_fault
from specialize.formats.rationales import read_rationale
from specialize.imports.text_store import write_texts
from specialize.records import Example, Response
from specialize.store.sealed import Json

TEACHER_NAME = "palm-540b"
SHOWN = 3  # unparsed records listed per cause


def import_palm(
    source: Path,
    out: Path,
    *,
    examples: Sequence[Example],
    kind: Kind,
    split: str,
    teacher: str = TEACHER_NAME,
    restart: bool = False,
) -> dict[str, Json]:
    """Write one rationale and label per example into the store ``out``.

    Args:
        teacher: its name, for the store; other teachers' texts are kept in this layout too.
        source: the directory of the ``<split>_CoT_<i>.json`` files.
        examples: the whole published split, in its order.
        kind: how answers of the set are compared.

    Returns:
        Records, right, wrong and unparsed by cause, some of the latter by id, and how many
        rationales have which fault.

    Raises:
        InputError: no such files, or not one text per example.
    """
    sources, texts = read_split(source, split, examples)
    read = [_read(text, example, kind) for text, example in zip(texts, examples, strict=True)]
    made = [response for response, _ in read]
    summary: dict[str, Json] = {
        **account(made, [cause for _, cause in read]),
        "faults": faults(made, examples, kind),
    }
    write_texts(
        out, made, teacher=teacher, asked=asked_of(examples), sources=sources, summary=summary,
        restart=restart,
    )  # fmt: skip
    return summary


def asked_of(examples: Sequence[Example]) -> str:
    """What the texts of a split answer, by which their store knows its data."""
    return repr([(e.id, e.text, e.answer) for e in examples])


def read_split(
    source: Path, split: str, examples: Sequence[Example]
) -> tuple[list[Path], list[str]]:
    """The batches of a split in their order, and one text for each of its examples.

    Raises:
        InputError: no such files, or not one text per example.
    """
    sources = batch_files(source, split)
    texts = [text for path in sources for text in read_texts(path)]
    check_count(texts, examples, source, split)
    return sources, texts


def batch_files(folder: Path, split: str) -> list[Path]:
    """``<split>_CoT_0.json``, ``<split>_CoT_1.json`` ... without a gap.

    Raises:
        InputError: none there, or a batch is missing.
    """
    found = {int(path.stem.rpartition("_")[2]): path for path in folder.glob(f"{split}_CoT_*.json")
             if path.stem.rpartition("_")[2].isdecimal()}  # fmt: skip
    if not found:
        raise InputError(f"{folder} holds no {split}_CoT_0.json; name the directory of the batches")
    missing = sorted(set(range(max(found) + 1)) - found.keys())
    if missing:
        raise InputError(f"{folder} lacks {split}_CoT_{missing[0]}.json; the order would be lost")
    return [found[number] for number in sorted(found)]


def read_texts(path: Path) -> list[str]:
    """The texts of one batch.

    Raises:
        InputError: the file is no JSON list of texts.
    """
    values = json_document(path, "a JSON list of texts")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InputError(f"{path} is not a JSON list of texts")
    return [clean_text(value, f"{path}, record {at}") for at, value in enumerate(values)]


def check_count(
    texts: Sequence[str], examples: Sequence[Example], source: Path, split: str
) -> None:
    """Refuse texts of which nothing says which example they answer."""
    if len(texts) != len(examples):
        raise InputError(
            f"{source} holds {len(texts)} texts of split {split!r}, but the set has "
            f"{len(examples)} examples; texts are matched by position, so give the whole file of "
            f"the split"
        )


def _read(text: str, example: Example, kind: Kind) -> tuple[Response, str | None]:
    reading = read_rationale(text)
    label, cause = read_label(reading.answer, example, kind)
    right = label is not None and is_correct(
        label, example.answer, kind=kind, choices=example.choices
    )
    return Response(example.id, 0, "", reading.rationale, answer=label, correct=right), cause


def account(made: Sequence[Response], causes: Sequence[str | None]) -> dict[str, Json]:
    """Every record once: right, wrong, or unparsed by cause; the ids of some of these."""
    unparsed = Counter(cause for cause in causes if cause is not None)
    right = sum(response.correct is True for response in made)
    listed: dict[str, list[Json]] = {
        cause: [r.example_id for r, why in zip(made, causes, strict=True) if why == cause]
        for cause in sorted(unparsed)
    }
    return {
        "records": len(made),
        "right": right,
        "wrong": len(made) - right - sum(unparsed.values()),
        "unparsed": dict(sorted(unparsed.items())),
        "unparsed_ids": {cause: ids[:SHOWN] for cause, ids in listed.items()},
        "accuracy": round(right / len(made), 4) if made else None,
    }


def faults(made: Sequence[Response], examples: Sequence[Example], kind: Kind) -> dict[str, Json]:
    """How many rationales have which fault; "none" for sound ones.

    Args:
        examples: which each answers, in their order.
    """
    pairs = zip(made, examples, strict=True)
    found = Counter(rationale_fault(r.text, example, kind) or "none" for r, example in pairs)
    return dict(sorted(found.items()))
