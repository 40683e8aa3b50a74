"""What becomes of special ids and ends: the table is what the align stage does, and says so."""

from __future__ import annotations

import numpy as np
import pytest

from specialize.pairs.evidence import Evidence, Given, assume
from specialize.pairs.forecast import forecast
from specialize.pairs.specials import Special, student_ends
from tests.support.chat_families import TEXTS, family_tokenizer

CASES = {
    ("qwen3", "gemma2", "<|im_end|>"): (("end", "end of turn"), "<eos>", "<end_of_turn> in a chat"),
    ("qwen3", "gemma2", "<think>"): (("thinking",), "tail", "the student has no such mark"),
    ("qwen3", "smollm3", "</think>"): (("thinking",), "tail", "around thinking: </think>"),
    ("gemma2", "qwen3", "<eos>"): (("end",), "<|im_end|>", ""),
    ("gemma2", "qwen3", "<end_of_turn>"): (("end", "end of turn"), "<|im_end|>", ""),
    ("gemma2", "qwen3", "<unk>"): (("unknown",), "tail", ""),
    ("deepseek_v3_1", "gemma2", "<｜User｜>"): (("control",), "tail", ""),
    ("deepseek_v3_1", "gemma2", "<｜begin▁of▁sentence｜>"): (("begin",), "tail", ""),
    ("qwen3", "qwen3", "<think>"): (("thinking",), "<think>", "around thinking: <think>"),
}  # fmt: skip


def _evidence(name: str) -> Evidence:
    return assume(family_tokenizer(name), [Given(text) for text in TEXTS])


def _table(teacher: str, student: str) -> dict[str, Special]:
    found = forecast(_evidence(teacher), family_tokenizer(student)).specials
    return {special.name: special for special in found}


@pytest.mark.parametrize(("teacher", "student"), sorted({(a, b) for a, b, _ in CASES}))
def test_each_becomes_what_the_stage_makes_of_it(teacher: str, student: str) -> None:
    found = _table(teacher, student)
    for (one, other, name), expected in CASES.items():
        if (one, other) == (teacher, student):
            special = found[name]
            assert (special.roles, special.becomes, special.note) == expected


def test_every_control_id_is_in_the_table_once() -> None:
    evidence = _evidence("deepseek_v3_1")
    found = forecast(evidence, family_tokenizer("gemma2")).specials
    ids = [token for special in found for token in special.ids]
    assert evidence.ends is not None
    assert evidence.ends.control is not None
    assert len(ids) == len(set(ids))
    assert set(ids) >= {*np.flatnonzero(evidence.ends.control).tolist(), *evidence.ends.ids}


def test_targets_end_as_the_form_of_the_prompt_has_it() -> None:
    assert student_ends(family_tokenizer("gemma2")) == {"plain": "<eos>", "chat": "<end_of_turn>"}
