"""Whether a teacher's rationale is worth learning from; why not.

    rationale_fault("A marsh is wet, and wet air makes fog.", fog_example, "choice")     None
    rationale_fault("They decide the best way to save money is to", ...)     "cut in mid-sentence"

The rules look at one text alone and are cheap; each fault has its count in a report. They find what
is plainly wrong (a text that names another choice), not what is subtly so.
"""

from __future__ import annotations

import re
from collections import Counter

from specialize.answers import Kind, evaluate
from specialize.formats.labels import read_label
from specialize.formats.rationales import read_rationale
from specialize.records import Example

FAULTS = (
    "empty", "garbage", "cut in mid-sentence", "contradicts the answer", "does not name the answer",
)  # fmt: skip
_CUE = re.compile(r"\A\s*let's think step by step[.:]?\s*", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_SENTENCE = re.compile(r"[^.!?\n]+")
_CLOSED = tuple(".!?\"')]”’")
_LABELS = frozenset(
    {"yes", "no", "maybe", "true", "false", "entailment", "neutral", "contradiction"}
)
_LONG = 20  # words from which on repetition is judged
_FEWEST_DIFFERENT = 0.25  # of the words of a long text
_MOST_FOREIGN = 0.1  # share of letters beyond Latin
_MOST_REPEATED = 3  # times that one sentence may occur


def rationale_fault(text: str, example: Example, kind: Kind) -> str | None:
    """The first of ``FAULTS`` that ``text`` has as a rationale of the example's answer; else None.

    An example without a gold answer is judged by form alone. Labels that a rationale need not
    repeat (yes, entailment) are looked for only where the text announces one.
    """
    bare = _CUE.sub("", text).strip()
    words = _WORD.findall(bare.casefold())
    if not words:
        return "empty"
    if _is_garbage(bare, words):
        return "garbage"
    if not bare.endswith(_CLOSED):
        return "cut in mid-sentence"
    if not example.answer:
        return None
    announced = read_rationale(bare).answer
    label, _ = read_label(announced, example, kind)
    if label is not None:
        return None if _same(label, example.answer, kind) else "contradicts the answer"
    return _naming_fault(bare, words, example, kind)


def _is_garbage(text: str, words: list[str]) -> bool:
    if "\ufffd" in text:
        return True
    letters = [letter for letter in text if letter.isalpha()]
    foreign = sum(letter > "\u024f" for letter in letters)
    if foreign > _MOST_FOREIGN * max(1, len(letters)):
        return True
    if len(words) >= _LONG and len(set(words)) < _FEWEST_DIFFERENT * len(words):
        return True
    sentences = Counter(" ".join(s.casefold().split()) for s in _SENTENCE.findall(text))
    return any(count > _MOST_REPEATED for sentence, count in sentences.items() if len(sentence) > 8)


def _same(label: str, answer: str, kind: Kind) -> bool:
    if kind in ("equation", "number"):
        value = evaluate(answer)
        return label == answer or (value is not None and evaluate(label) == value)
    return label == answer


def _naming_fault(text: str, words: list[str], example: Example, kind: Kind) -> str | None:
    """A number must occur in the text, a choice must be named, and not only another one."""
    if kind in ("equation", "number"):
        value = evaluate(example.answer)
        stated = {evaluate(number) for number in _NUMBER.findall(text)}
        return None if value is None or value in stated else "does not name the answer"
    if not example.choices or example.answer.casefold() in _LABELS:
        return None
    if _names(words, example.answer):
        return None
    others = [choice for choice in example.choices if choice != example.answer]
    named = any(_names(words, other) for other in others)
    return "contradicts the answer" if named else "does not name the answer"


def _names(words: list[str], choice: str) -> bool:
    """Whether ``choice`` occurs word for word; the last may have an ending (club, clubs)."""
    wanted = _WORD.findall(choice.casefold())
    if not wanted:
        return False
    for start in range(len(words) - len(wanted) + 1):
        found = words[start : start + len(wanted)]
        if found[:-1] == wanted[:-1] and found[-1].startswith(wanted[-1]):
            return True
    return False
