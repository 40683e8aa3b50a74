"""A causal student is asked as its tokenizer asks it: with ``<s>`` before the prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specialize.evaluate import evaluate_model
from specialize.quickstart.run import MODELS, Size, quickstart_recipe, write_data
from specialize.rows.prompts import Question, encode
from specialize.tokens import load_tokenizer

LLAMA = MODELS / "second_teacher"


def test_the_bundled_llama_answers_as_a_student(tmp_path: Path) -> None:
    size = Size(questions=1, examples=60)
    write_data(tmp_path / "data", size)
    recipe = quickstart_recipe(tmp_path, size)
    sets = recipe.evaluation.sets[:1]
    recipe = recipe.model_copy(
        update={
            "student": str(LLAMA),
            "evaluation": recipe.evaluation.model_copy(update={"sets": sets}),
        }
    )
    (score,) = evaluate_model(
        recipe, tmp_path / "run", LLAMA, label="student", step=0, split="test"
    )
    assert (score.accuracy.correct, score.accuracy.total) == (58, 60)


@pytest.mark.parametrize(
    ("name", "eos", "front", "end"),
    [("student", True, [], [1]), ("teacher", False, [], []), ("second_teacher", False, [1], [])],
)
def test_prompts_of_rows_begin_and_end_as_the_model_reads_them(
    name: str, eos: bool, front: list[int], end: list[int]
) -> None:
    tokenizer = load_tokenizer(MODELS / name)
    words = "Mia has 3 red pens. " * 8
    text = f"Q: {words}How many?\nA:"
    (whole,) = encode([Question(text)], tokenizer, most=1000, eos=eos)
    assert whole.ids.tolist() == [*front, *tokenizer.encode(text), *end]
    # what is cut to fit counts the first ids, and keeps them
    most = len(whole.ids) - 5
    (cut,) = encode([Question(text, context=words)], tokenizer, most=most, eos=eos)
    assert cut.cut
    assert len(cut.ids) <= most
    assert np.array_equal(cut.ids[: len(front)], front)
