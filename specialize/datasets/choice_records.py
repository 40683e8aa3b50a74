r"""One published record of a question with choices, or of a pair of sentences -> one Example.

CQA, OBQA, ARC, PIQA, RiddleSense ... ::

    {"question": "Predators eat", "choices": ["lions", "bunnies"], "answer": "bunnies"}
    -> question "Predators eat\nAnswer Choices:\n(a) lions\n(b) bunnies", answer "bunnies"

The layouts of the sets' own releases and of the hub are read too: ``question.stem``, choices as
``{text, label}``, ``answerKey``; PIQA's ``goal``, ``sol1``, ``sol2``, ``label``; PubMedQA's
``context.contexts`` and ``final_decision``. PubMedQA and BioASQ have an abstract before the
question, which becomes ``context``: it may be cut where a prompt is too long, the question not.

ANLI, e-SNLI: question "Premise: ...\nHypothesis: ...", answer one of ``NLI_LABELS``.
SVAMP by equation: ``{"input": "<Body>\n<Question>", "label": "( 84.0 / 2.0 )"}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from specialize.datasets.reading import Record, clean_text, number_field, text_field
from specialize.errors import InputError
from specialize.records import Example

NLI_LABELS = ("entailment", "neutral", "contradiction")
_YES_NO_MAYBE = ("yes", "no", "maybe")
_RATIONALES = ("abstractive_explanation", "explanation_1", "reason", "explanation")


def with_choices(question: str, choices: Sequence[str]) -> str:
    """Question and lettered choices, as Hsieh et al. 2023 (arXiv:2305.02301, code) put them."""
    lettered = [f"({chr(ord('a') + i)}) {choice}" for i, choice in enumerate(choices)]
    return "\n".join([question, "Answer Choices:", *lettered])


def choice_question(record: Record, id_: str, where: str) -> Example:
    """A record of any of the layouts above.

    Raises:
        InputError: a field is missing, or the answer is none of the choices; names the place.
    """
    return _question(record, id_, where, *_stem(record, where))


def abstract_question(record: Record, id_: str, where: str) -> Example:
    """A record whose question follows an abstract, apart or in the lines before the question.

    Raises:
        InputError: as ``choice_question``.
    """
    context, stem = _stem(record, where)
    if not context:
        before, newline, last = stem.rpartition("\n")
        context, stem = (before.strip(), last) if newline and last.strip() else ("", stem)
    return _question(record, id_, where, context, stem)


def _question(record: Record, id_: str, where: str, context: str, stem: str) -> Example:
    choices = _choices(record, where)
    if not stem.strip():
        raise InputError(f"{where}: the question is empty")
    return Example(
        id_,
        with_choices(stem.strip(), choices),
        _answer(record, choices, where),
        _rationale(record, where),
        choices,
        context=context,
    )


def _stem(record: Record, where: str) -> tuple[str, str]:
    """Context, where the record keeps it apart, and question."""
    if isinstance(question := record.get("question"), dict):
        return "", text_field(question, "stem", where)
    key = next((key for key in ("question_stem", "goal") if key in record), "question")
    parts = record.get("context")
    texts = parts.get("contexts") if isinstance(parts, dict) else None
    context = "\n".join(map(str, texts)) if isinstance(texts, list) else ""
    return clean_text(context, where).strip(), text_field(record, key, where)


def _choices(record: Record, where: str) -> tuple[str, ...]:
    if "sol1" in record:
        found: object = [text_field(record, key, where) for key in ("sol1", "sol2")]
    elif "final_decision" in record:
        found = list(_YES_NO_MAYBE)
    else:
        found = _published_choices(record).get("choices")
    if isinstance(found, dict):
        found = found.get("text")
    elif isinstance(found, list) and all(isinstance(choice, dict) for choice in found):
        found = [choice.get("text") for choice in found]
    if not isinstance(found, list) or not all(isinstance(choice, str) for choice in found):
        raise InputError(f"{where}: 'choices' must be a list of texts, got {found!r:.60}")
    if not found:
        raise InputError(f"{where}: no choices")
    return tuple(clean_text(choice, where).strip() for choice in found)


def _published_choices(record: Record) -> Record:
    """Where the choices are: in the record, or in its question."""
    question = record.get("question")
    return question if isinstance(question, dict) else record


def _answer(record: Record, choices: Sequence[str], where: str) -> str:
    if "answerKey" in record:
        return choices[_position(record, where)]
    if "sol1" in record:
        at = int(number_field(record, "label", where))
        if at not in (0, 1):
            raise InputError(
                f"{where}: 'label' must be 0 or 1, got {at}; this split has no answers"
            )
        return choices[at]
    key = "final_decision" if "final_decision" in record else "answer"
    answer = text_field(record, key, where).strip()
    if answer not in choices:
        raise InputError(
            f"{where}: the answer {answer[:60]!r} is none of the choices {', '.join(choices):.80}"
        )
    return answer


def _position(record: Record, where: str) -> int:
    """Which choice ``answerKey`` names, by the labels that the record gives them."""
    listed = _published_choices(record).get("choices")
    labels: object = listed
    if isinstance(listed, dict):
        labels = listed.get("label")
    elif isinstance(listed, list):
        labels = [choice.get("label") if isinstance(choice, dict) else None for choice in listed]
    key = text_field(record, "answerKey", where).strip()
    if not isinstance(labels, list) or key not in labels:
        raise InputError(f"{where}: answerKey {key!r} is none of the labels {labels!r:.60}")
    return labels.index(key)


def _rationale(record: Record, where: str) -> str:
    """The explanation that people wrote, where the set has one."""
    for key in _RATIONALES:
        if isinstance(record.get(key), str):
            return text_field(record, key, where).strip()
    return ""


def nli(record: Record, id_: str, where: str) -> Example:
    """Premise and hypothesis; the label is a number (0 entailment, 1 neutral, 2) or a word.

    Raises:
        InputError: a missing field, an empty text, or a label that is none of them.
    """
    premise, hypothesis = (
        text_field(record, key, where).strip() for key in ("premise", "hypothesis")
    )
    if not premise or not hypothesis:
        raise InputError(f"{where}: the {'hypothesis' if premise else 'premise'} is empty")
    label = record.get("label")
    label = (
        label if isinstance(label, str) else _NLI_NUMBERS.get(number_field(record, "label", where))
    )
    if label not in NLI_LABELS:
        raise InputError(f"{where}: 'label' must be 0, 1, 2 or a word, got {label!r}")
    question = f"Premise: {premise}\nHypothesis: {hypothesis}"
    return Example(id_, question, label, _rationale(record, where), NLI_LABELS)


_NLI_NUMBERS: Mapping[str, str] = {str(i): label for i, label in enumerate(NLI_LABELS)}


def svamp_equation(record: Record, id_: str, where: str) -> Example:
    """Hsieh et al.'s own layout, or the published one with ``Body``, ``Question``, ``Equation``.

    Raises:
        InputError: a missing field, or no question or equation in it.
    """
    if "input" in record:
        question, label = (text_field(record, key, where).strip() for key in ("input", "label"))
    else:
        body, asked = (text_field(record, key, where).strip() for key in ("Body", "Question"))
        question, label = f"{body}\n{asked}", text_field(record, "Equation", where).strip()
    if not question or not label:
        raise InputError(f"{where}: no {'label' if question else 'question'}")
    return Example(id_, question, label)
