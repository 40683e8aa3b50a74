"""Splits: drawn the same everywhere, pinned, disjoint; and the guard around them."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specialize import datasets
from specialize.config.recipe import EvaluationSet
from specialize.datasets import splits
from specialize.datasets.recipe_sets import RecipeSets
from specialize.errors import ConfigurationError, InputError
from specialize.recipes.specialization import specialization
from specialize.records import Example, question_key


def examples(count: int, prefix: str = "svamp/chal-") -> list[Example]:
    return [Example(f"{prefix}{i}", f"Question {i}?", str(i)) for i in range(count)]


def test_paper_split_is_a_partition_in_order() -> None:
    given_ = examples(700)
    parts = datasets.paper_split("svamp", given_)
    assert (len(parts["validation"]), len(parts["test"])) == (500, 200)
    assert sorted(e.id for part in parts.values() for e in part) == sorted(e.id for e in given_)
    for part in parts.values():
        assert part == sorted(part, key=given_.index)


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_draw_ignores_the_order(random: Random, seed: int) -> None:
    given_ = examples(210)
    drawn = datasets.paper_split("multiarith", given_, seed=seed)["validation"]
    shuffled = datasets.paper_split("multiarith", random.sample(given_, 210), seed=seed)
    assert {e.id for e in shuffled["validation"]} == {e.id for e in drawn}


def test_the_draw_is_the_documented_one() -> None:
    given_ = examples(210)
    ranked = sorted((hashlib.sha256(f"7 {e.id}".encode()).hexdigest(), e.id) for e in given_)
    drawn = datasets.paper_split("multiarith", given_, seed=7)["validation"]
    assert {e.id for e in drawn} == {id_ for _, id_ in ranked[:200]}


def test_another_set_than_the_published_one_is_said(caplog: pytest.LogCaptureFixture) -> None:
    splits._say_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        datasets.paper_split("svamp", examples(600))
        datasets.paper_split("svamp", examples(600))
    assert [record.message for record in caplog.records] == [
        "SVAMP: these 600 examples are not the 1000 published ones by id, so the split is drawn by "
        "the same rule but is not the pinned one"
    ]
    assert "with seed 3" in (datasets.split_note("svamp", examples(600), seed=3) or "")


def test_the_paper_protocol_says_what_it_covers() -> None:
    with pytest.raises(
        ConfigurationError, match="covers gsm8k, svamp, asdiv, multiarith, not 'bbh'"
    ):
        datasets.paper_split("bbh", examples(10))
    with pytest.raises(ConfigurationError, match="500 of SVAMP for validation, but only 500 exam"):
        datasets.paper_split("svamp", examples(500))


def save(tmp_path: Path, positions: object) -> Path:
    path = tmp_path / "index.npy"
    np.save(path, np.asarray(positions))
    return path


def test_code_split_takes_positions(tmp_path: Path) -> None:
    given_ = examples(6)
    rest, held = datasets.code_split(given_, save(tmp_path, [4, 1]))
    assert held == [given_[1], given_[4]]
    assert rest == [given_[0], given_[2], given_[3], given_[5]]


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([1, 6], "names position 6, but only 6 examples were given"),
        ([1, -2], "names position -2"),
        ([1, 1], "names a position twice"),
        ([1.0], "must hold one row of whole numbers"),
        ([[1]], "must hold one row of whole numbers"),
        (np.array([{}], dtype=object), "is not a .npy array"),
    ],
)
def test_other_index_files_are_refused(tmp_path: Path, positions: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        datasets.code_split(examples(6), save(tmp_path, positions))


def test_unreadable_index_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no index file .*none\.npy; expected there: positions"):
        datasets.code_split(examples(6), tmp_path / "none.npy")
    path = tmp_path / "text.npy"
    for content in (b"", b"hello", b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"text\.npy is not a \.npy array"):
            datasets.code_split(examples(6), path)


def test_held_out_examples_are_refused_by_id_and_by_question() -> None:
    train = examples(6)
    copy = Example("other/1", " QUESTION 2", "2")
    held = {"validation": [train[1]], "test": [copy]}
    with pytest.raises(ConfigurationError) as caught:
        datasets.check_disjoint(train, held)
    assert str(caught.value) == (
        "2 of 6 training examples are held out for evaluation: svamp/chal-1 (in validation); "
        "svamp/chal-2 (same question as other/1 in test); train on another split, or drop them"
    )
    kept, dropped = datasets.drop_overlaps(train, held)
    assert [e.id for e in kept] == [f"svamp/chal-{i}" for i in (0, 3, 4, 5)]
    assert [(o.example.id, o.split, o.by) for o in dropped] == [
        ("svamp/chal-1", "validation", "id"),
        ("svamp/chal-2", "test", "question"),
    ]
    datasets.check_disjoint(kept, held)
    with pytest.raises(
        ConfigurationError, match=r"^1 of 6 .*svamp/chal-1 \(in validation\); train"
    ):
        datasets.check_disjoint_ids(train, held)
    datasets.check_disjoint_ids(train, {"test": [copy]})


def test_many_held_out_examples_are_counted() -> None:
    train = examples(9)
    with pytest.raises(ConfigurationError, match=r"9 of 9 .*chal-2 \(in test\); and 6 more; train"):
        datasets.check_disjoint(train, {"test": train})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Jane has 3 apples.\nHow many?", "  jane has 3 apples. How   many", True),
        ("Jane's 3 apples", "Janes 3 apples", True),
        ("Jane has 3 apples", "Jane has 4 apples", False),
        ("It costs 3.5", "It costs 35", False),
        ("( ( True ) and", "( True ) and", False),
        ("-1 + 2 =", "1 + 2 =", False),
        ("Close: [ <", "Close: [ {", False),
    ],
)
def test_same_questions(one: str, other: str, same: bool) -> None:
    assert (question_key(one) == question_key(other)) is same


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "split", "validation", "test"),
    [("gsm8k", "test", 500, 819), ("asdiv", None, 500, 1805), ("svamp", None, 500, 500),
     ("multiarith", None, 200, 400)],
)  # fmt: skip
def test_published_sets_are_pinned(
    data_dir: Path, name: str, split: str | None, validation: int, test: int
) -> None:
    given_ = datasets.load(name, data_dir / name, split=split)
    assert datasets.split_note(name, given_) is None
    parts = datasets.paper_split(name, given_)
    assert (len(parts["validation"]), len(parts["test"])) == (validation, test)
    pinned = datasets.SETS[name].pinned
    assert datasets.ids_digest([e.id for e in parts["validation"]]) == pinned.drawn_ids
    assert (pinned.validation, pinned.total) == (validation, validation + test)
    assert datasets.split_note(name, given_[1:]) is not None


@pytest.mark.realdata
def test_published_index_files(data_dir: Path) -> None:
    train = datasets.load("gsm8k", data_dir / "gsm8k", split="train")
    rest, held = datasets.code_split(train, data_dir / "prompts" / "validation_index.npy")
    assert (len(rest), len(held), held[0].id) == (7273, 200, "gsm8k/train/00009")
    multiarith = datasets.load("multiarith", data_dir / "multiarith")
    rest, held = datasets.code_split(multiarith, data_dir / "multiarith" / "validation_index.npy")
    assert (len(rest), len(held)) == (400, 200)


@pytest.mark.realdata
def test_overlaps_of_the_published_sets(data_dir: Path) -> None:
    """GSM8K train repeats no evaluation question; ASDiv and MultiArith share 60 (64)."""
    sets = {name: datasets.load(name, data_dir / name) for name in ("svamp", "asdiv", "multiarith")}
    sets["gsm8k"] = datasets.load("gsm8k", data_dir / "gsm8k", split="test")
    datasets.check_disjoint(datasets.load("gsm8k", data_dir / "gsm8k", split="train"), sets)
    shared = {}
    for name, given_ in sets.items():
        others = {other: sets[other] for other in sets if other != name}
        _, dropped = datasets.drop_overlaps(given_, others)
        shared[name] = len(dropped)
    assert shared == {"svamp": 0, "asdiv": 60, "multiarith": 64, "gsm8k": 0}


def test_the_same_id_for_another_question_is_not_held_out() -> None:
    """Two files that one reader reads give the same ids, by position, to different questions."""
    train, other = examples(6), [
        Example(example.id, f"Something else, number {at}?", "1")
        for at, example in enumerate(examples(6))
    ]  # fmt: skip
    datasets.check_disjoint(train, {"other/test": other})
    datasets.check_disjoint_ids(train, {"other/test": other})
    assert datasets.drop_overlaps(train, {"other/test": other}) == (train, [])
    moved = [Example("svamp/chal-99", train[2].question, "2"), *other]
    kept, dropped = datasets.drop_overlaps(train, {"other/test": moved})
    assert [(o.example.id, o.held_out_id, o.by) for o in dropped] == [
        ("svamp/chal-2", "svamp/chal-99", "question")
    ]
    assert len(kept) == 5


def multiarith(path: Path, *, offset: int) -> Path:
    numbers = range(offset, offset + 8)
    records = [{"sQuestion": f"How many are {i}?", "lSolutions": [i]} for i in numbers]
    path.write_text(json.dumps(records))
    return path


def test_two_files_of_one_reader_have_ids_of_their_own(tmp_path: Path) -> None:
    one = multiarith(tmp_path / "one.json", offset=0)
    two = multiarith(tmp_path / "two.json", offset=100)
    spec = EvaluationSet(
        set="multiarith", name="hundreds", role="general", path=str(two), protocol="first", limit=4
    )
    sets = RecipeSets(specialization())
    held_out = sets.evaluation(spec, "validation")
    assert [e.id for e in held_out] == [f"hundreds/0000{i}" for i in range(4)]
    train = datasets.load("multiarith", one)
    assert [e.id for e in train[:2]] == ["multiarith/00000", "multiarith/00001"]
    assert datasets.drop_overlaps(train, {"hundreds/validation": held_out}) == (train, [])
    unnamed = sets.evaluation(spec.model_copy(update={"name": None}), "validation")
    assert [e.id for e in unnamed] == [e.id for e in train[:4]]
    datasets.check_disjoint_ids(train, {"multiarith/validation": unnamed})
