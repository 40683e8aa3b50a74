"""Whether an answer is right: by value, never by spelling, and never by running it.

One worked record: ``is_correct("... The answer is $1,000.00 (see step 2).", "1000")`` is True.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from specialize.answers.equations import evaluate
from specialize.answers.finding import Kind, Mode, candidate, last_legacy
from specialize.answers.forms import (
    plain_text,
    read_brackets,
    read_truth,
    same_text,
    verdict,
)
from specialize.answers.mathematics import same_mathematics
from specialize.answers.number_phrases import answer_core, numbers_of
from specialize.answers.options import read_choice, same_choice
from specialize.answers.own_text import REASONING, own_part
from specialize.answers.phrases import MAX_PHRASE, clean
from specialize.answers.quantities import Quantity, stated_quantities

_LETTER = re.compile(r"\([A-Z]\)")
_TO = re.compile(r"\s*+(\d{1,9})\s++(?:to|is to)\s++(\d{1,9})\b")


def is_correct(
    text: str,
    gold: str,
    *,
    kind: Kind = "number",
    mode: Mode = "flexible",
    choices: Sequence[str] = (),
    reasoning: Sequence[tuple[str, str]] = REASONING,
) -> bool:
    """Whether ``text``, a whole response or a bare answer, gives the answer ``gold``.

    Kinds: ``number`` compares exact values (a gold without one, as "Purple", as text); ``choice``
    letters, else texts; ``boolean`` yes / true against no / false; ``text`` words without case and
    punctuation; ``equation`` values of arithmetic; ``bbh`` the form that the target of a BIG-Bench
    Hard task has; ``math`` what math-verify finds equal (the extra ``math``).

    Mode ``strict`` wants the answer announced; for ``bbh`` it is the published rule, equality with
    what follows "the answer is". ``legacy`` is Fu et al.'s: equal last numbers as floats, or, for
    ``bbh``, the target anywhere after the first "the answer is"; other kinds compare exact texts.

    Args:
        text: a whole response, or a bare answer.
        gold: the right answer, as the set has it.
        kind: how answers are compared.
        mode: what counts as an answer.
        choices: texts of the options in order, if known.
        reasoning: opening and closing tags of blocks in which a model thinks aloud.

    Returns:
        False, too, where no answer is found.
    """
    gold = _bare_gold(gold)
    if not gold or not text.strip():
        return False
    if len(gold) > MAX_PHRASE:
        return text.strip() == gold
    if mode == "legacy":
        return _legacy_correct(text, gold, kind)
    if kind == "bbh" and mode == "strict":
        return _published_bbh_correct(text, gold)
    if text.strip() == gold:
        return True
    read_as: Kind = "choice" if kind == "bbh" and _LETTER.fullmatch(gold) else kind
    given = candidate(own_part(text, reasoning), kind=read_as, strict=mode == "strict")
    return given is not None and _same(given, gold, kind, choices)


def canonical(answer: str, *, kind: Kind = "number") -> str:
    """A text equal for equal answers, to count votes by: "1,000.00" and "1000" give "1000"."""
    answer = answer[:MAX_PHRASE]
    if kind in {"number", "bbh"}:
        found = numbers_of(answer_core(answer))
        if found:
            return "; ".join(quantity.key for quantity in found)
    if kind == "equation":
        value = evaluate(clean(answer))
        if value is not None:
            return str(value)
    if kind == "boolean" and (truth := read_truth(answer)) is not None:
        return "yes" if truth else "no"
    if kind in {"choice", "bbh"}:
        choice = read_choice(answer)
        if choice.letter:
            return f"({choice.letter})"
    return plain_text(answer)


def _bare_gold(gold: str) -> str:
    """A gold answer without the solution, ``####`` or ``A:`` before it."""
    bare = gold.rsplit("####", 1)[-1].strip()
    if "\n" in bare:
        bare = bare.rsplit("\n", 1)[-1].strip()
    return bare[2:].strip() if bare.startswith("A:") else bare


def _same(given: str, gold: str, kind: Kind, choices: Sequence[str]) -> bool:
    match kind:
        case "number":
            return _same_number(given, gold)
        case "choice":
            return same_choice(read_choice(given, choices), read_choice(gold, choices))
        case "boolean":
            truth = read_truth(gold)
            return truth is not None and read_truth(given) is truth
        case "text":
            return same_text(given, gold)
        case "equation":
            value = evaluate(clean(gold))
            return value is not None and evaluate(clean(given)) == value
        case "bbh":
            return _same_bbh(given, gold, choices)
        case "math":
            return _same_expression(clean(given), clean(gold))
    raise ValueError(f"unknown kind of answer {kind!r}; one of {', '.join(Kind.__args__)}")


def _same_expression(given: str, gold: str) -> bool:
    """Equal as written or as arithmetic, else by math-verify."""
    if given == gold:
        return True
    values = evaluate(given), evaluate(gold)
    if None not in values:
        return values[0] == values[1]
    return same_mathematics(given, gold)


def _same_number(given: str, gold: str) -> bool:
    wanted = stated_quantities(gold)
    if not wanted:
        read = verdict(given, gold)
        return read == gold.casefold() if read else same_text(given, gold)
    if same_quantities(stated_quantities(given), wanted):
        return True
    core = answer_core(given)
    if same_quantities(numbers_of(core), wanted):
        return True
    ratio = _TO.match(core) if len(wanted) == 1 and wanted[0].parts else None
    return ratio is not None and wanted[0].parts == (int(ratio[1]), int(ratio[2]))


def same_quantities(given: Sequence[Quantity], wanted: Sequence[Quantity]) -> bool:
    """Equal one by one and in order."""
    return len(given) == len(wanted) and all(
        one.equals(other) for one, other in zip(given, wanted, strict=True)
    )


def _same_bbh(given: str, gold: str, choices: Sequence[str]) -> bool:
    if clean(given) == gold:
        return True
    if (brackets := read_brackets(gold)) is not None:
        return read_brackets(given) == brackets
    if (read := verdict(given, gold)) is not None:
        return read == gold.casefold()
    wanted = read_choice(gold, choices)
    if wanted.letter:
        return same_choice(read_choice(given, choices), wanted)
    if numbers := stated_quantities(gold):
        return same_quantities(numbers_of(answer_core(given)), numbers)
    return same_text(given, gold)


def _published_bbh_correct(text: str, gold: str) -> bool:
    """Equality with what follows the first "the answer is ", the last period off."""
    _, announced, after = text.partition("the answer is ")
    return (after if announced else text).strip().removesuffix(".") == gold


def _legacy_correct(text: str, gold: str, kind: Kind) -> bool:
    if kind == "bbh":
        _, announced, after = text.partition("the answer is")
        return bool(announced) and gold in after.split("the answer is")[0]
    if kind != "number":
        return text.strip() == gold
    given, wanted = last_legacy(text), last_legacy(gold)
    if given is None or wanted is None:
        return False
    return float(given) == float(wanted)
