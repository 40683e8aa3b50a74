"""Rows without loss: which ones a filter takes out, and what is left of them in training."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from align.sparse import SparseDistributions, one_hot, taken
from specialize.config.row_filter import RowFilter
from specialize.config.training import Optimization, Training
from specialize.config.yaml_files import build_recipe
from specialize.errors import ConfigurationError, NothingPassedError
from specialize.records import Example
from specialize.rows import Row, RowSet, build_rows, plan_steps
from specialize.rows.filtering import filtered, least_entropy
from specialize.rows.targets import Target
from specialize.store import Store
from specialize.students.student import Shape
from specialize.train.collate import make_batch
from tests.support import toys

EXAMPLE = Example("e/0", "How many?", "1")


@st.composite
def drawn_targets(draw):
    """Targets with rows of 0 to 3 entries of 6 tokens, some of them certain."""
    seed = draw(st.integers(0, 2**32 - 1))
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    rng = np.random.default_rng(seed)
    targets = []
    for number, length in enumerate(lengths):
        ids = rng.integers(0, 6, length).astype(np.int32)
        counts = rng.integers(0, 4, length)
        entries = [rng.permutation(6)[:count] for count in counts]
        masses = [rng.dirichlet(np.full(count + 1, 0.4)) for count in counts]
        rows = SparseDistributions(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.concatenate([np.zeros(0), *entries]).astype(np.int32),
            np.log(np.concatenate([np.zeros(0), *(m[:-1] for m in masses)]) + 1e-30).astype(
                np.float32
            ),
            np.log([m[-1] for m in masses]).astype(np.float32),
        )
        learned = rng.random(length) < 0.7 if rng.random() < 0.5 else None
        hard = rng.random() < 0.2
        targets.append(Target(EXAMPLE, number, ids, one_hot(ids) if hard else rows, learned))
    return targets


def slow(target: Target, wanted: RowFilter) -> list[bool]:
    """One row at a time, as the documentation says it."""
    carries = [True] * len(target.ids) if target.learned is None else target.learned.tolist()
    passing, place = [], 0
    for row, token in enumerate(target.ids.tolist()):
        one = target.distributions[row : row + 1]
        p = [math.exp(value) for value in one.logprobs.tolist()]
        tail = math.exp(one.tail[0])
        entropy = -sum(q * math.log(q) for q in [*p, tail] if q > 0)
        own = dict(zip(one.ids.tolist(), p, strict=True)).get(token, tail)
        fits = carries[row]
        if wanted.first_share is not None:
            fits &= place / max(1, sum(carries)) < wanted.first_share
        if wanted.min_entropy is not None:
            fits &= entropy > wanted.min_entropy
        if wanted.max_probability is not None:
            fits &= own < wanted.max_probability
        place += carries[row]
        passing.append(bool(fits))
    return passing


@given(
    drawn_targets(),
    st.sampled_from([None, 0.1, 0.5, 1.0]),
    st.sampled_from([None, 0.05, 0.4]),
    st.sampled_from([None, 0.3, 0.9]),
)
def test_filters_equal_a_slow_reference(targets, share, entropy, probability):
    wanted = RowFilter(first_share=share, min_entropy=entropy, max_probability=probability)
    kept, lost = filtered(targets, wanted)
    expected = {target.sample: slow(target, wanted) for target in targets}
    left = {number: mask for number, mask in expected.items() if any(mask)}
    if wanted.passes_all:
        assert kept == targets
        assert not lost
        return
    assert {target.sample: target.carries_loss().tolist() for target in kept} == left
    assert lost["no_row_passes"] == len(targets) - len(left)
    before = sum(int(target.carries_loss().sum()) for target in targets)
    assert lost["rows_filtered"] == before - sum(map(sum, expected.values()))


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_the_entropy_of_the_whole_row_is_within_its_bounds(seed, k):
    rng = np.random.default_rng(seed)
    whole = np.sort(rng.dirichlet(np.full(20, 0.2)))[::-1]
    entries = SparseDistributions(
        np.array([0, k]), np.arange(k, dtype=np.int32),
        np.log(whole[:k] + 1e-300).astype(np.float32),
        np.log([whole[k:].sum() + 1e-300]).astype(np.float32),
    )  # fmt: skip
    truth = -sum(p * math.log(p) for p in whole if p > 0)
    bound = least_entropy(entries)[0]
    assert bound <= truth + 1e-5
    assert truth <= bound + whole[k:].sum() * math.log(20 - k) + 1e-5


def test_a_token_outside_the_entries_has_at_most_the_tail():
    rows = SparseDistributions(
        np.array([0, 1]), np.array([3], np.int32),
        np.log([0.8]).astype(np.float32), np.log([0.2]).astype(np.float32),
    )  # fmt: skip
    target = Target(EXAMPLE, 0, np.array([5], np.int32), rows)
    assert filtered([target], RowFilter(max_probability=0.25))[0]
    assert not filtered([target], RowFilter(max_probability=0.15))[0]


def world(folder):
    tokenizer = toys.write_tokenizer(folder / "student")
    found = toys.examples(10)
    toys.write_targets(folder / "targets", found, tokenizer)
    return found, {"toy": Store.open(folder / "targets")}, tokenizer


def recipe_of(target="distribution", **row_filter):
    return build_recipe(
        {
            "student": "student",
            "train_on": {"set": "jsonl"},
            "teachers": {"toy": {}},
            "objectives": [
                {"name": "cot", "format": "zero-shot-cot", "target": target, "teacher": "toy",
                 "row_filter": row_filter},
            ],
        }
    )  # fmt: skip


@pytest.mark.parametrize("target", ["distribution", "rationale"])
def test_a_recipe_filters_and_counts(tmp_path, target):
    found, stores, tokenizer = world(tmp_path)
    made = {
        share: build_rows(
            recipe_of(target, **({"first_share": share} if share else {})),
            found, stores, tokenizer, encoder_decoder=True,
        )
        for share in (None, 0.5)
    }  # fmt: skip
    whole, half = (made[share].counts()["cot"] for share in (None, 0.5))
    assert "learned_tokens" not in whole
    assert "rows_filtered" not in whole
    assert half["rows"] == whole["rows"]
    assert half["target_tokens"] == whole["target_tokens"]
    assert half["learned_tokens"] == half["target_tokens"] - half["rows_filtered"]
    expected = sum(-(-len(row.target_ids) // 2) for row in made[None].rows)
    assert half["learned_tokens"] == expected
    assert made[None].digest != made[0.5].digest
    plan = plan_steps(made[0.5], Training(), Optimization(batch_rows=4, accumulation=1), 0)
    step = sum(made[0.5].rows[i].learned_count for i in plan.rows_of(0))
    assert plan.tokens_of(0).tolist() == [step]
    assert plan.padded_tokens(plan.rows_of(0)) >= step


def test_a_filter_that_nothing_passes_is_refused_with_its_counts(tmp_path):
    found, stores, tokenizer = world(tmp_path)
    with pytest.raises(NothingPassedError, match=r"no row to train on \(.*16 no_row_passes"):
        build_rows(recipe_of(min_entropy=50), found, stores, tokenizer, encoder_decoder=True)


def test_a_filter_without_a_teachers_rows_is_refused():
    with pytest.raises(ConfigurationError, match="row_filter needs a teacher's rows"):
        recipe_of("solution", first_share=0.5)
    with pytest.raises(ConfigurationError, match="max_probability"):
        recipe_of(max_probability=1.5)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("decoder", [True, False])
@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_a_batch_has_the_learned_tokens_alone(packed, decoder, seed):
    if packed and decoder:
        return
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(3):
        target = rng.integers(1, 30, rng.integers(2, 6)).astype(np.int32)
        learned = np.arange(len(target)) == rng.integers(len(target))
        prompt = rng.integers(1, 30, rng.integers(1, 4)).astype(np.int32)
        rows.append(Row((f"e/{number}", 0), 0, prompt, target, one_hot(target), learned))
    shape = Shape(encoder_decoder=decoder, pad=0, start=31, vocabulary=40)
    every = [Row(r.key, 0, r.prompt_ids, r.target_ids, r.distributions) for r in rows]
    some, whole = (
        make_batch(each, shape, objectives=1, tail="bucket", packed=packed)
        for each in (rows, every)
    )
    learned = torch.from_numpy(np.concatenate([row.carries_loss() for row in rows]))
    assert torch.equal(some.input_ids, whole.input_ids)
    assert torch.equal(some.positions, whole.positions[learned])
    assert torch.equal(some.labels, whole.labels[learned])
    assert torch.equal(some.ids, whole.ids[learned])
    assert some.seen[0, 0] == len(some.objective) == int(learned.sum())
    assert (some.padding, some.size) == (whole.padding, whole.size)


def test_rows_that_do_not_fit_are_refused():
    ids = np.array([1, 2], np.int32)
    with pytest.raises(ValueError, match="2 target tokens but says of 1"):
        Row(("a", 0), 0, ids, ids, one_hot(ids), np.array([True]))


@given(drawn_targets(), st.randoms())
def test_taken_rows_are_those_one_by_one(targets, random):
    rows = targets[0].distributions
    wanted = np.array([random.random() < 0.5 for _ in range(len(rows))])
    found = taken(rows, wanted)
    expected = [rows[i : i + 1] for i in np.flatnonzero(wanted).tolist()]
    assert len(found) == len(expected)
    for i, one in enumerate(expected):
        assert found[i : i + 1].ids.tolist() == one.ids.tolist()
        assert found.tail[i] == one.tail[0]


def test_lengths_with_loss_are_kept_beside_all():
    ids = np.array([1, 2, 3], np.int32)
    rows = (
        Row(("a", 0), 0, ids, ids, one_hot(ids)),
        Row(("a", 1), 0, ids, ids, one_hot(ids), np.array([True, False, False])),
    )
    made = RowSet(("cot",), ("zero-shot-cot",), rows, {})
    assert made.lengths.target.tolist() == [3, 3]
    assert made.lengths.learned.tolist() == [3, 1]
