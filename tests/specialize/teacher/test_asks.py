"""The list of asks is made as it is looked at: the same one, in the room of its first samples."""

from __future__ import annotations

import hashlib
import json
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from specialize.config.recipe import Teacher as TeacherSettings
from specialize.teacher.asks import Ask, Asks, build_asks, sample_seed
from specialize.teacher.dump import spread
from specialize.teacher.fitting import fitting
from specialize.teacher.planning import plan
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.scripted_teacher import ScriptedTeacher

EXAMPLES = toys.examples(5)
MANY = 10_000


def eager(asks: Asks, settings: TeacherSettings, seed: int) -> list[Ask]:
    """Every ask of every sample, all of them at once."""
    return [
        Ask(first.example, sample, first.prompt, sample_seed(seed, first.example.id, sample),
            first.text)
        for first in asks.firsts for sample in range(settings.samples)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        {"samples": 1},
        {"samples": 4},
        {"samples": 3, "format": "in-context-cot", "num_fewshot": 2},
        {"samples": 1, "mode": "score"},
        {"samples": 7, "mode": "rationale", "num_fewshot": 1},
    ],
)
def test_equals_the_list_of_all(values: dict[str, object]) -> None:
    settings = TeacherSettings.model_validate(values)
    asks = build_asks(EXAMPLES, settings, seed=3)
    all_of_them = eager(asks, settings, 3)
    assert list(asks.entries) == all_of_them
    assert len(asks.entries) == len(all_of_them) == 5 * settings.samples
    for part in (slice(None), slice(2, 9), slice(-3, None), slice(1, None, 3), slice(50, 60)):
        assert list(asks.entries[part]) == all_of_them[part]
    for index in (0, -1, len(all_of_them) - 1):
        assert asks.entries[index] == all_of_them[index]
    with pytest.raises(IndexError, match="out of range"):
        asks.entries[len(all_of_them)]
    for count in (1, 4, 64):
        assert list(spread(asks.entries, count)) == list(spread(all_of_them, count))
    told = [[a.example.id, a.sample, a.prompt, a.text] for a in all_of_them]
    digest = hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()
    assert asks.prompt_digest == digest


def test_a_plan_of_many_samples_makes_few(tmp_path: Path) -> None:
    """The counts of a dry run are those of one sample, times the samples; so are time and room."""
    teacher = ScriptedTeacher(load_tokenizer(toys.gpt2()), lambda prompt, turn: ("So.", "eos"))
    examples = toys.examples(100)
    few, many = (
        TeacherSettings.model_validate({"samples": count, "max_new_tokens": 30})
        for count in (1, MANY)
    )
    once = plan(teacher, examples, tmp_path, few, shard_samples=512)
    tracemalloc.start()
    started = time.process_time()
    planned = plan(teacher, examples, tmp_path, many, shard_samples=512)
    spent, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert spent < 2, f"{spent:.1f} s"
    assert peak < 20e6, f"{peak / 1e6:.0f} MB"
    assert (planned.questions, planned.rows) == (100, 100 * MANY)
    assert planned.shards == -(-100 * MANY // 512)
    assert planned.prompt_tokens == once.prompt_tokens
    assert planned.tokens_at_most == once.tokens_at_most * MANY


def test_what_does_not_fit_is_left_out_with_all_its_samples() -> None:
    teacher = ScriptedTeacher(
        load_tokenizer(toys.gpt2()), lambda prompt, turn: ("So.", "eos"), context=80
    )
    long = replace(EXAMPLES[1], question="apples " * 200)
    settings = TeacherSettings.model_validate({"samples": 3, "too_long": "skip"})
    asks = build_asks([EXAMPLES[0], long, EXAMPLES[2]], settings)
    kept = fitting(teacher, asks, "skip")
    assert kept.too_long == (long.id,)
    assert [(a.example.id, a.sample) for a in kept.entries] == [
        (EXAMPLES[i].id, sample) for i in (0, 2) for sample in range(3)
    ]
