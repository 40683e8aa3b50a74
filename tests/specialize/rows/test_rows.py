"""Rows from examples and stores; the order in which a run sees them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align.sparse import one_hot
from specialize.config.training import Optimization, Training
from specialize.config.yaml_files import build_recipe
from specialize.errors import ConfigurationError, NothingPassedError
from specialize.formats import by_name
from specialize.rows import Row, RowSet, build_rows, plan_steps
from specialize.rows.micro_batches import cheapest_parts
from specialize.store import Store, StoreWriter
from tests.reference import training as oracles
from tests.support import toys


def recipe_of(*objectives, training=None, seed=0):
    return build_recipe(
        {
            "student": "student",
            "train_on": {"set": "jsonl"},
            "teachers": {"toy": {}},
            "objectives": list(objectives),
            "training": training or {},
            "seed": seed,
        }
    )


COT = {"name": "cot", "format": "zero-shot-cot", "target": "distribution", "teacher": "toy"}
SHOWN = {**COT, "name": "shown", "format": "in-context-cot", "num_fewshot": 2}
HARD = {**COT, "name": "hard", "target": "rationale", "keep": "all"}
ANSWER = {"name": "answer", "format": "zero-shot-answer", "target": "answer"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    tokenizer = toys.write_tokenizer(folder / "student")
    found = toys.examples(10)
    toys.write_targets(folder / "targets", found, tokenizer)
    return found, {"toy": Store.open(folder / "targets")}, tokenizer


def test_rows_of_every_kind_of_objective(world):
    found, stores, tokenizer = world
    made = build_rows(
        recipe_of(COT, SHOWN, HARD, ANSWER), found, stores, tokenizer, encoder_decoder=True
    )
    counts = made.counts()
    assert {name: count["rows"] for name, count in counts.items()} == {
        "cot": 16, "shown": 16, "hard": 20, "answer": 10,
    }  # fmt: skip
    assert counts["cot"]["not_correct"] == 4
    for row in made.rows:
        sample = stores["toy"][row.key] if row.objective < 3 else None
        example = next(e for e in found if e.id == row.key[0])
        prompt = tokenizer.decode(row.prompt_ids)
        assert row.target_ids[-1] == row.prompt_ids[-1] == tokenizer.eos
        assert tokenizer.decode(tokenizer.encode(example.question)) in prompt
        if row.objective < 2:
            np.testing.assert_array_equal(row.target_ids, sample.token_id)
            np.testing.assert_allclose(row.distributions.mass(), 1, atol=1e-2)
            assert not row.distributions.is_hard[:-1].all()
        else:
            assert row.distributions.is_hard.all()
            np.testing.assert_array_equal(row.distributions.ids, row.target_ids)
    last = made.rows[-1]
    text = by_name("zero-shot-answer").target("", found[-1].answer)
    assert tokenizer.decode(last.target_ids) == text


def test_demonstrations_are_others_and_fixed_by_seed_and_key(world):
    found, stores, tokenizer = world
    first, again = (
        build_rows(recipe_of(SHOWN), found, stores, tokenizer, encoder_decoder=True)
        for _ in range(2)
    )
    fewer = build_rows(recipe_of(SHOWN), found, stores, tokenizer, encoder_decoder=True)
    other = build_rows(recipe_of(SHOWN, seed=1), found, stores, tokenizer, encoder_decoder=True)
    assert first.digest == again.digest == fewer.digest != other.digest
    questions = {tokenizer.decode(tokenizer.encode(e.question)): e.id for e in found}
    shown = set()
    for row in first.rows:
        prompt = tokenizer.decode(row.prompt_ids)
        present = {example for text, example in questions.items() if text in prompt}
        assert row.key[0] in present
        assert len(present) == 3
        shown |= present - {row.key[0]}
    assert len(shown) > 5


def test_a_causal_prompt_runs_on_into_its_target(world):
    found, stores, tokenizer = world
    made = build_rows(recipe_of(ANSWER), found, stores, tokenizer, encoder_decoder=False)
    row = made.rows[0]
    form = by_name("zero-shot-answer")
    text = form.prompt(found[0]) + form.separator + form.target("", found[0].answer)
    assert row.prompt_ids[-1] != tokenizer.eos
    assert tokenizer.decode([*row.prompt_ids, *row.target_ids]).split() == text.split()


def test_what_is_left_out_is_counted(world):
    found, stores, tokenizer = world
    whole = build_rows(recipe_of(COT), found[:8], stores, tokenizer, encoder_decoder=True)
    longest = {
        "max_prompt_tokens": int(whole.lengths.prompt.max()) - 1,
        "max_target_tokens": int(whole.lengths.target.max()) - 1,
    }
    made = build_rows(
        recipe_of(COT, training={"samples_per_question": 1, **longest}),
        found[:8], stores, tokenizer, encoder_decoder=True,
    )  # fmt: skip
    counts = made.counts()["cot"]
    reasons = ("rows", "not_a_training_example", "not_correct", "beyond_samples_per_question",
               "target_too_long", "prompt_too_long")  # fmt: skip
    assert sum(counts[reason] for reason in reasons) == 20
    assert counts["not_a_training_example"] == 4
    assert counts["target_too_long"] == (whole.lengths.target == whole.lengths.target.max()).sum()
    assert counts["prompt_too_long"] > 0
    assert counts["beyond_samples_per_question"] > 0
    assert max(Counter(row.key[0] for row in made.rows).values()) == 1
    assert made.lengths.prompt.max() <= longest["max_prompt_tokens"]
    assert made.lengths.target.max() <= longest["max_target_tokens"]


def test_an_end_of_sequence_is_added_where_the_store_lacks_it(world, tmp_path):
    found, stores, tokenizer = world
    key = (found[0].id, 0)
    whole = stores["toy"][key]

    cut = type(whole)(
        whole.response, whole.token_id[:-1], whole.token_logprob[:-1], whole.distributions[:-1]
    )
    with StoreWriter(tmp_path / "cut", stores["toy"].description, shard_samples=8) as writer:
        writer.write(0, [cut])
        writer.finish(stores["toy"].align_vocabulary(), {})
    short = {"toy": Store.open(tmp_path / "cut")}
    made = build_rows(recipe_of(COT), found, short, tokenizer, encoder_decoder=True)
    np.testing.assert_array_equal(made.rows[0].target_ids, whole.token_id)
    assert made.lengths.target.tolist() == [len(whole)]
    assert made.rows[0].distributions.is_hard[-1]


def test_an_objective_without_rows_is_refused(world):
    found, stores, tokenizer = world
    recipe = recipe_of(COT, training={"max_target_tokens": 2})
    with pytest.raises(NothingPassedError, match=r"'cot' has no row to train on \(.*16 target_too"):
        build_rows(recipe, found, stores, tokenizer, encoder_decoder=True)
    many = {**SHOWN, "num_fewshot": 10}
    with pytest.raises(ConfigurationError, match="10 demonstrations wanted"):
        build_rows(recipe_of(many), found, stores, tokenizer, encoder_decoder=True)


@pytest.mark.parametrize(
    ("prompt", "target", "rows", "message"),
    [
        ([], [1], 1, "empty prompt or target"),
        ([4], [], 0, "empty prompt or target"),
        ([4], [5, 1], 1, "2 target tokens but 1 distributions"),
    ],
)
def test_a_row_that_can_not_be(prompt, target, rows, message):
    with pytest.raises(ValueError, match=message):
        Row(("a", 0), 0, np.array(prompt), np.array(target), one_hot(np.ones(rows, np.int32)))


# ---- the plan ----------------------------------------------------------------------------------


def plan_of(rows, *, batch_rows=4, accumulation=2, mixing="pooled", tokens=None, seed=0):
    optimization = Optimization(
        batch_rows=batch_rows, accumulation=accumulation, batch_tokens=tokens
    )
    return plan_steps(rows, Training(mixing=mixing), optimization, seed)


@settings(max_examples=60)
@given(
    st.integers(1, 30), st.integers(1, 3), st.integers(1, 6), st.integers(1, 4),
    st.integers(1, 3), st.none() | st.integers(10, 120), st.integers(0, 5),
)  # fmt: skip
def test_every_row_once_an_epoch_in_homogeneous_micro_batches(
    count, objectives, batch_rows, accumulation, processes, tokens, first
):
    rows = toys.random_rows(count, objectives=min(objectives, count))
    plan = plan_of(rows, batch_rows=batch_rows, accumulation=accumulation, tokens=tokens)
    stream = np.concatenate([plan.rows_of(step) for step in range(3 * count)]).tolist()
    epochs = oracles.epoch_of_rows(stream[: 2 * count], count)
    assert epochs == [list(range(count))] * 2
    for step in range(first, first + 2):
        taken = plan.rows_of(step)
        parts = [
            part
            for process in range(processes)
            for part in plan.micro_batches(step, process=process, processes=processes)
        ]
        assert sorted(np.concatenate(parts).tolist()) == sorted(taken.tolist())
        for part in parts:
            assert 1 <= len(part) <= batch_rows
            assert len({rows.formats[rows.lengths.objective[i]] for i in part}) == 1
            assert tokens is None or len(part) == 1 or plan.padded_tokens(part) <= tokens
        expected = Counter()
        for i in taken.tolist():
            expected[rows.lengths.objective[i]] += rows.lengths.target[i]
        assert plan.tokens_of(step).tolist() == [expected[o] for o in range(len(rows.objectives))]


def test_the_rows_of_a_step_do_not_depend_on_how_it_is_split():
    rows = toys.random_rows(37)
    plans = [
        plan_of(rows, batch_rows=b, accumulation=a) for b, a in ((16, 1), (4, 4), (2, 8), (1, 16))
    ]
    for step in (0, 1, 2, 9):
        orders = {tuple(plan.rows_of(step).tolist()) for plan in plans}
        assert len(orders) == 1
    assert plans[0].rows_of(0).tolist() != plan_of(rows, batch_rows=16, seed=1).rows_of(0).tolist()
    # epochs differ from one another
    assert (
        plans[0].rows_of(0).tolist()
        != plan_of(rows, batch_rows=37, accumulation=1).rows_of(1).tolist()[:16]
    )


def test_joint_mixing_keeps_an_example_together():
    rows = toys.random_rows(40, objectives=2)
    plan = plan_of(rows, batch_rows=8, accumulation=1, mixing="joint")
    members: Counter[int] = Counter()
    for unit in range(plan.units):
        mine = plan.members[plan.starts[unit] : plan.starts[unit + 1]].tolist()
        members.update(mine)
        assert len({rows.rows[i].key[0] for i in mine}) == 1
        assert [rows.rows[i].objective for i in mine] == sorted(
            {rows.rows[i].objective for i in mine}
        )
    assert set(members) == set(range(40))
    step = plan.rows_of(0)
    assert len(step) == 8
    examples = [rows.rows[i].key[0] for i in step.tolist()]
    assert examples[::2] == examples[1::2]
    assert plan_of(rows, batch_rows=1, accumulation=1, mixing="joint").rows_of(3).size == 2


def test_similar_lengths_share_batches_and_formats_keep_their_share():
    rows = toys.random_rows(1200, objectives=3)
    plan = plan_of(rows, batch_rows=4, accumulation=12)
    parts = [part for step in range(10) for part in plan.micro_batches(step)]
    stream = np.random.default_rng(0).permutation(1200)
    lengths = rows.lengths.prompt, rows.lengths.target
    ours = oracles.padded_share(parts, *lengths)
    random = oracles.padded_share([stream[i : i + 4] for i in range(0, 480, 4)], *lengths)
    assert ours < 0.05
    assert random > 5 * ours
    expected = 48 * np.bincount(rows.format_of_row) / 1200
    for step in range(25):
        found = np.bincount(rows.format_of_row[plan.rows_of(step)], minlength=len(expected))
        assert (abs(found - expected) <= 8).all()  # a block more or less


def test_a_rare_format_is_in_as_many_steps_as_its_rows_allow():
    rows = toys.random_rows(400, objectives=2)
    few = [row for row in rows.rows if row.objective == 1][:20]
    rare = RowSet(rows.objectives, rows.formats, (*rows.rows[:200], *few), {})
    plan = plan_of(rare, batch_rows=11, accumulation=1)
    present = [(rare.lengths.objective[plan.rows_of(step)] == 1).sum() for step in range(20)]
    assert sum(present) == 20
    assert max(present) <= 2
    assert sum(count > 0 for count in present) >= 18


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=8),
    st.integers(1, 5), st.none() | st.integers(20, 150), st.integers(0, 60),
)  # fmt: skip
def test_parts_are_the_cheapest(lengths, limit, tokens, overhead):
    prompts, targets = (np.array(column) for column in zip(*lengths, strict=True))
    parts, cost = cheapest_parts(prompts, targets, limit=limit, tokens=tokens, overhead=overhead)
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(len(lengths)))
    assert cost == oracles.cheapest_cuts(lengths, limit, tokens, overhead)
    spent = [
        (part.stop - part.start) * int(prompts[part].max() + targets[part].max()) for part in parts
    ]
    assert sum(spent) + overhead * len(parts) == cost
