"""The tiny world: deterministic, disjoint splits, right arithmetic; and the bundled models."""

from __future__ import annotations

import re

import numpy as np
import pytest
from quickstart_world import BASICS, bundled, examples, split_of

from specialize.errors import ConfigurationError
from specialize.quickstart import world
from specialize.quickstart.run import MODELS
from specialize.quickstart.world import FAMILIES, GENERAL, OUT_OF_DISTRIBUTION

EVERYTHING = (*FAMILIES, *GENERAL, *BASICS)
SPLITS = ("train", "validation", "test")
EQUATION = re.compile(r"\$?(\d+) ([-+*/]) \$?(\d+) = \$?(\d+)")
VALUE = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": int.__floordiv__}


@pytest.mark.parametrize("name", EVERYTHING)
def test_the_same_arguments_give_the_same_examples(name):
    once = examples(name, "train", 30)
    assert once == examples(name, "train", 30)
    assert once[:10] == examples(name, "train", 10)
    assert once != examples(name, "train", 30, seed=1)
    assert once[7].id == f"{name}/train/00007"


def test_examples_do_not_depend_on_the_process():
    first = examples("shop", "validation", 1)[0]
    assert (first.question, first.rationale, first.answer) == (
        "Mia has 11 books. She gives 3 books to Ben. She gives 2 books to Ben. "
        "How many books does Mia have now?",
        "Then 11 - 3 = 8 books are left.\nWithout 2 of them, she has 8 - 2 = 6 books.",
        "6",
    )


@pytest.mark.parametrize("name", EVERYTHING)
def test_splits_share_no_question(name):
    seen: dict[str, str] = {}
    for split in SPLITS:
        for seed in (0, 1):
            for example in examples(name, split, 60, seed=seed):
                assert seen.setdefault(example.question, split) == split
                assert split_of(example.question) == split


@pytest.mark.parametrize("name", EVERYTHING)
def test_questions_differ_within_a_draw(name):
    drawn = examples(name, "test", 100)
    assert len({example.question for example in drawn}) == 100


@pytest.mark.parametrize("name", FAMILIES)
def test_every_rationale_is_right(name):
    for example in examples(name, "train", 400):
        amount = None
        for line in example.rationale.split("\n"):
            a, operation, b, c = EQUATION.search(line).groups()
            assert VALUE[operation](int(a), int(b)) == int(c), line
            assert amount is None or amount in (a, b), example.rationale
            assert re.findall(r"\d+", line)[-1] == c
            amount = c
        assert amount == example.answer


def test_arithmetic_facts_are_right():
    for example in examples("arithmetic_fact", "train", 300):
        a, operation, b, c = EQUATION.search(example.rationale).groups()
        assert VALUE[operation](int(a), int(b)) == int(c) == int(example.answer)


def test_boolean_expressions_are_right():
    for example in examples("evaluate_boolean", "train", 200):
        # the grammar is Python's own, brackets and all
        assert str(eval(example.question.removesuffix(" is"))) == example.answer


def test_word_tasks_are_right():
    for example in examples("sort_words", "train", 50):
        assert sorted(example.question.partition(": ")[2].split()) == example.answer.split()
    for example in examples("reverse_list", "train", 50):
        assert example.question.partition(": ")[2].split()[::-1] == example.answer.split()


def test_families_differ_in_one_thing_each():
    assert ("shop", *OUT_OF_DISTRIBUTION) == FAMILIES
    drawn = {name: examples(name, "train", 300) for name in FAMILIES}
    lines = {name: [e.rationale.count("\n") + 1 for e in drawn[name]] for name in FAMILIES}
    assert set(lines["shop"]) == set(lines["farm"]) == set(lines["depot"]) == {2, 3}
    assert set(lines["errands"]) == {4}
    largest = {
        name: max(int(n) for e in drawn[name] for n in re.findall(r"\d+", e.rationale))
        for name in FAMILIES
    }
    assert largest["depot"] > 50 > 24 >= max(largest[n] for n in ("shop", "farm", "errands"))
    assert all(re.match("How many|Find|How much", e.question) for e in drawn["farm"])
    assert not any(re.match("How|Find", e.question) for e in drawn["shop"])


def test_an_unknown_name_and_an_exhausted_set_are_refused():
    with pytest.raises(ValueError, match="no set 'bakery'; it has shop, farm"):
        examples("bakery", "train", 1)
    with pytest.raises(ValueError, match=r"arithmetic_fact/test has no more than \d+ different"):
        examples("arithmetic_fact", "test", 10_000)


@pytest.mark.parametrize(("name", "split", "count"), list(bundled()))
def test_the_bundled_files_are_what_the_generator_draws(name, split, count):
    found = world.examples(name, split, count)
    assert found[:30] == examples(name, split, 30)
    assert len({example.question for example in found}) == count


def test_a_set_that_is_not_bundled_and_too_many_examples_are_refused():
    with pytest.raises(ConfigurationError, match="the tiny world has no bakery/train"):
        world.examples("bakery", "train", 1)
    with pytest.raises(ConfigurationError, match="shop/train has 4000 examples, not 4001"):
        world.examples("shop", "train", 4001)


def test_bundled_tokenizers_differ_and_the_student_knows_no_newline():
    transformers = pytest.importorskip("transformers")
    teacher = transformers.AutoTokenizer.from_pretrained(MODELS / "teacher")
    student = transformers.AutoTokenizer.from_pretrained(MODELS / "student")
    text = "Tom has 12 pens.\n12 < 20, so"
    assert teacher.decode(teacher.encode(text)) == text
    pieces = student.convert_ids_to_tokens(student.encode(text))
    assert pieces[-1] == "</s>"
    assert "<unk>" in student.decode(student.encode(text))
    assert not any("\n" in piece or piece == "<" for piece in student.get_vocab())
    assert student.encode("a\nb") == student.encode("a b")
    assert (student.pad_token_id, student.eos_token_id, student.unk_token_id) == (0, 1, 2)
    assert "\u2581" + "12" not in pieces
    assert "\u0120" + "12" in teacher.get_vocab()


def test_bundled_models_load_and_answer():
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    teacher = transformers.AutoModelForCausalLM.from_pretrained(MODELS / "teacher")
    student = transformers.AutoModelForSeq2SeqLM.from_pretrained(MODELS / "student")
    ids = torch.arange(3, 13)[None]
    with torch.no_grad():
        scores = teacher(ids).logits, student(input_ids=ids, labels=ids).logits
    assert all(bool(torch.isfinite(score).all()) for score in scores)
    weights = [MODELS / part / "model.safetensors" for part in ("teacher", "student")]
    assert sum(path.stat().st_size for path in weights) <= 12 * 1024**2
    assert np.dtype("float32") == next(student.parameters()).detach().numpy().dtype
