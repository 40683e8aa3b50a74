"""Joint steps: one pass for all objectives has their gradient; averaged rows; masked teachers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import AutoModelForSeq2SeqLM, T5Config

from align.sparse import SparseDistributions, one_hot
from specialize.artifacts.predictions import PredictionFile, Settings
from specialize.config.recipe import EvaluationSet, Optimization, Training
from specialize.config.yaml_files import build_recipe
from specialize.errors import NothingPassedError
from specialize.evaluate.asking import _fitting
from specialize.evaluate.planning import PromptedSet
from specialize.evaluate.sheets import AnswerSheet
from specialize.formats import by_name
from specialize.losses import measured_kl
from specialize.records import Example, Response
from specialize.rows import Row, RowSet, build_rows, plan_steps
from specialize.rows.averaging import average_rows, of_every_teacher
from specialize.rows.found import Found, FoundWriter
from specialize.rows.prompts import Question, fit
from specialize.store import Sample, Store, StoreDescription, StoreWriter, own_logprobs, stored_rows
from specialize.students.student import Shape, Student, load_model, load_student
from specialize.tokens import Tokenizer, load_tokenizer
from specialize.train.collate import make_batch
from specialize.train.overhead import pass_overhead
from tests.support import toys

WEIGHTS = (0.5, 0.3, 0.2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joint")
    toys.write_world(folder)
    return folder


def three_tasks(count: int = 6) -> RowSet:
    """A label and two rationales for each example, with prompts of their own."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(3):
        for example in range(count):
            prompt = rng.integers(3, 60, rng.integers(4, 12)).astype(np.int32)
            target = rng.integers(3, 60, 2 if number == 0 else rng.integers(6, 14)).astype(np.int32)
            target[-1] = toys.EOS
            soft = toys.soft_rows(target, 60, number + example) if number else one_hot(target)
            rows.append(Row((f"e/{example}", 0), number, prompt, target, soft))
    names = ("predict", "explain-a", "explain-b")
    return RowSet(names, names, tuple(rows), {})


def gradient_of(student: Student, rows: RowSet, parts: list[np.ndarray]) -> torch.Tensor:
    """Of sum over objectives of weight x nats / tokens, summed over the passes."""
    tokens = np.bincount(rows.lengths.objective, weights=rows.lengths.target)
    student.zero_grad()
    for part in parts:
        batch = make_batch([rows.rows[i] for i in part], student.shape, objectives=3, tail="bucket")
        scale = torch.tensor(np.array(WEIGHTS) / tokens, dtype=torch.float32)
        logits = student(
            batch.input_ids, batch.attention_mask, batch.decoder_input_ids, batch.positions
        )
        loss, _ = measured_kl(logits, batch.ids, batch.logprobs, batch.tail, scale[batch.objective])
        loss.backward()
    found = [p.grad.flatten() for p in student.parameters() if p.grad is not None]
    return torch.cat(found).double()


def test_one_fused_pass_has_the_gradient_of_separate_passes(world: Path) -> None:
    student = load_student(world / "student", load_tokenizer(world / "student"), dropout=0.0)
    rows = three_tasks()
    size = Optimization(batch_rows=len(rows), accumulation=1)
    plan = plan_steps(rows, Training(mixing="joint"), size, 0, overhead=10_000)
    fused = plan.micro_batches(0)
    assert [len(part) for part in fused] == [len(rows)]  # one pass holds all three objectives
    separate = [np.flatnonzero(rows.lengths.objective == number) for number in range(3)]
    one, other = gradient_of(student, rows, fused), gradient_of(student, rows, separate)
    assert (one - other).norm() <= 1e-5 * other.norm()
    # the planned parts where passes are cheap: still all rows, once
    parts = plan_steps(rows, Training(mixing="joint"), size, 0, overhead=0).micro_batches(0)
    assert len(parts) > 1
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(rows)))
    assert (gradient_of(student, rows, parts) - other).norm() <= 1e-5 * other.norm()


def test_a_pass_is_dear_where_the_tables_are_large_and_the_body_is_small(world: Path) -> None:
    def t5(width: int, vocabulary: int) -> Student:
        config = T5Config(
            vocab_size=vocabulary, d_model=width, d_ff=2 * width, d_kv=width // 4, num_heads=4,
            num_layers=2,
        )  # fmt: skip
        shape = Shape(encoder_decoder=True, pad=0, start=0, vocabulary=vocabulary)
        return Student(AutoModelForSeq2SeqLM.from_config(config), shape, "fp32")

    small, words, wide = (pass_overhead(t5(*size), "cpu") for size in ((64, 100), (64, 32_128),
                                                                       (256, 32_128)))  # fmt: skip
    assert wide < small < words
    tokenizer = load_tokenizer(world / "student")
    found = {pass_overhead(load_student(world / "student", tokenizer), "cpu") for _ in range(2)}
    assert len(found) == 1  # of sizes alone: a resumed run parts its steps as before
    assert pass_overhead(t5(64, 100), "cuda") == 1024


def test_pooled_steps_keep_formats_apart() -> None:
    rows = three_tasks()
    size = Optimization(batch_rows=len(rows), accumulation=1)
    parts = plan_steps(rows, Training(), size, 0, overhead=10_000).micro_batches(0)
    assert all(len(set(rows.lengths.objective[part].tolist())) == 1 for part in parts)


# ---- averaging ---------------------------------------------------------------------------------

masses = st.lists(st.floats(0.01, 1), min_size=2, max_size=4)


@st.composite
def distributions(draw: st.DrawFn, count: int) -> SparseDistributions:
    rows = []
    for _ in range(count):
        shares = np.array(draw(masses))
        shares = -np.sort(-shares / shares.sum())
        ids = draw(st.permutations(range(6)))[: len(shares) - 1]
        rows.append((ids, shares[:-1], shares[-1]))
    return SparseDistributions(
        np.concatenate([[0], np.cumsum([len(ids) for ids, _, _ in rows])]).astype(np.int64),
        np.concatenate([ids for ids, _, _ in rows]).astype(np.int32),
        np.log(np.concatenate([shares for _, shares, _ in rows])).astype(np.float32),
        np.log([tail for _, _, tail in rows]).astype(np.float32),
    )


def dense(rows: SparseDistributions) -> np.ndarray:
    """(rows, 7): the mass of every id, and the tail last."""
    table = np.zeros((len(rows), 7))
    table[rows.row_of_entry(), rows.ids] = np.exp(rows.logprobs.astype(np.float64))
    table[:, 6] = np.exp(rows.tail.astype(np.float64))
    return table


@given(st.data(), st.integers(1, 4), st.floats(0.1, 0.9))
def test_averaged_rows_are_the_mean_of_dense_ones(data: st.DataObject, count: int, share: float):
    one, other = data.draw(distributions(count)), data.draw(distributions(count))
    found = average_rows([one, other], [share, 1 - share])
    wanted = share * dense(one) + (1 - share) * dense(other)
    np.testing.assert_allclose(dense(found), wanted, atol=1e-6)
    np.testing.assert_allclose(found.mass(), 1, atol=1e-5)
    for row in range(count):  # most probable first, as a store keeps them
        entries = found.logprobs[found.indptr[row] : found.indptr[row + 1]]
        assert (np.diff(entries) <= 0).all()


def test_averaging_a_row_with_itself_changes_nothing() -> None:
    hard = one_hot(np.array([4, 2, 1], np.int32))
    found = average_rows([hard, hard], [0.25, 0.75])
    assert found.is_hard.all()
    assert found.ids.tolist() == [4, 2, 1]


def test_only_what_every_teacher_has_is_averaged() -> None:
    texts = {"x": {0: [5, 1], 1: [6, 1], 2: [7, 1]}, "y": {2: [7, 1], 0: [5, 1], 1: [9, 1]}}

    def found(name: str) -> Found:
        writer = FoundWriter(2)
        for row, (example, ids) in enumerate(texts[name].items()):
            writer.add(example, 0, len(ids), len(ids), 0, 4, row)
        return writer.found()

    def ids_of(name: str) -> Callable[[int, Sequence[int]], NDArray[np.int32]]:
        def read(example: int, where: Sequence[int]) -> NDArray[np.int32]:
            assert list(texts[name])[where[1]] == example
            return np.array(texts[name][example], np.int32)

        return read

    both, missing = of_every_teacher([found("x"), found("y")], [ids_of("x"), ids_of("y")])
    assert both.example.tolist() == [0, 2]
    assert both.where.tolist() == [[4, 4], [0, 2], [4, 4], [1, 0]]  # shards and rows of both
    assert missing == 1
    alone, missing = of_every_teacher([found("x"), FoundWriter(2).found()], [ids_of("x")] * 2)
    assert (len(alone), missing) == (0, 3)


# ---- rows of several teachers ------------------------------------------------------------------


def text_store(path: Path, tokenizer: Tokenizer, said: dict[str, tuple[str, str | None]]) -> Store:
    """Targets from texts alone, ``said`` by example: rationale and label."""
    about = StoreDescription(
        kind="targets", teacher="t", tokenizer=tokenizer.name, fingerprint=tokenizer.fingerprint,
        vocabulary_size=tokenizer.size, k=1,
    )  # fmt: skip
    samples: list[Sample] = []
    for id_, (text, answer) in said.items():
        ids = np.array(tokenizer.encode(text, eos=True))
        response = Response(id_, 0, "", text, answer, answer is not None)
        rows = one_hot(ids)
        samples.append(Sample(response, ids, own_logprobs(ids, rows), stored_rows(rows, 1)))
    with StoreWriter(path, about, shard_samples=8) as writer:
        if samples:
            writer.write(0, samples)
        writer.finish(dict(enumerate(tokenizer.pieces(range(tokenizer.size)))), {})
    return Store.open(path)


def recipe_of(*objectives: dict[str, object], **more: object):
    return build_recipe(
        {
            "student": "s", "train_on": {"set": "jsonl"}, "teachers": {"a": {}, "b": {}},
            "objectives": list(objectives), **more,
        }
    )  # fmt: skip


PREDICT = {"name": "predict", "format": "predict", "target": "answer"}
EXPLAIN = {
    "name": "explain-b", "format": "explain-b", "target": "rationale", "teacher": "b",
    "keep": "all", "missing": "mask",
}  # fmt: skip


@pytest.fixture
def taught(tmp_path: Path):
    tokenizer = toys.write_tokenizer(tmp_path / "student")
    found = toys.examples(4)
    said = {
        found[0].id: (f"So {found[0].answer} apples.", found[0].answer),
        found[1].id: ("has apples.", None),
        found[2].id: (" ", "1"),
    }
    stores = {
        "a": text_store(tmp_path / "a", tokenizer, said),
        "b": text_store(tmp_path / "b", tokenizer, {}),
    }
    return found, stores, tokenizer


def rows_of(taught, *objectives, **more) -> RowSet:
    found, stores, tokenizer = taught
    return build_rows(
        recipe_of(*objectives), found, stores, tokenizer, encoder_decoder=True, **more
    )


def test_a_missing_rationale_has_no_row(taught) -> None:
    made = rows_of(taught, PREDICT, {**EXPLAIN, "teacher": "a"})
    counts = made.counts()
    assert counts["predict"]["rows"] == 4
    told = counts["explain-b"]
    assert (told["rows"], told["no_response"], told["empty"]) == (2, 1, 1)
    assert all(len(row.target_ids) > 1 for row in made.rows)  # none of an end alone


def test_a_teacher_that_said_nothing_is_masked_or_refused(taught) -> None:
    made = rows_of(taught, PREDICT, EXPLAIN)
    assert made.counts()["explain-b"]["rows"] == 0
    assert made.counts()["explain-b"]["no_response"] == 4
    plan = plan_steps(made, Training(mixing="joint"), Optimization(batch_rows=4), 0)
    assert plan.tokens_of(0)[1] == 0
    with pytest.raises(NothingPassedError, match="missing: mask goes on without it"):
        rows_of(taught, PREDICT, {**EXPLAIN, "missing": "refuse"})
    _, stores, tokenizer = taught
    others = toys.examples(3, name="other", seed=9)  # responses to none of these: a mistake
    with pytest.raises(NothingPassedError, match="3 not_a_training_example"):
        build_rows(
            recipe_of(PREDICT, {**EXPLAIN, "teacher": "a"}), others, stores, tokenizer,
            encoder_decoder=True,
        )  # fmt: skip


def test_labels_and_whole_solutions_of_the_teacher(taught) -> None:
    found, _, tokenizer = taught
    label = {**PREDICT, "teacher": "a", "keep": "all"}
    made = rows_of(taught, label)
    assert [tokenizer.decode(row.target_ids) for row in made.rows] == [found[0].answer]
    assert made.counts()["predict"]["no_answer"] == 1
    solution = {**label, "format": "plain-solution", "target": "solution"}
    (row,) = rows_of(taught, solution).rows
    said = f"So {found[0].answer} apples. So the answer is {found[0].answer}"
    assert row.target_ids.tolist() == tokenizer.encode(said, eos=True)


def test_sound_rationales_alone(taught) -> None:
    made = rows_of(taught, PREDICT, {**EXPLAIN, "teacher": "a", "keep": "sound"})
    told = made.counts()["explain-b"]
    assert (told["rows"], told["does_not_name_the_answer"], told["empty"]) == (1, 1, 1)


def test_unlabelled_questions_have_the_teachers_words_alone(taught) -> None:
    found, stores, tokenizer = taught
    more = [replace(found[0], answer="", rationale="")]
    objectives = (
        PREDICT,
        {**PREDICT, "name": "more", "teacher": "a", "keep": "all", "examples": "unlabelled"},
        {**EXPLAIN, "teacher": "a"},
    )
    made = build_rows(
        recipe_of(*objectives), found[1:], stores, tokenizer, encoder_decoder=True, unlabelled=more
    )
    by_objective = [[r.key[0] for r in made.rows if r.objective == n] for n in range(3)]
    assert by_objective == [[e.id for e in found[1:]], [found[0].id], [found[1].id, found[0].id]]


def test_a_long_context_is_cut_and_the_question_is_not(taught) -> None:
    *_, tokenizer = taught
    context = "has apples plus " * 40
    asked = f"predict: {context}\nHow many?"
    question = Question(asked, context)
    whole = np.array(tokenizer.encode(asked, eos=True), np.int32)
    for most in (20, 40, len(whole)):
        fitted = fit(question, whole, tokenizer, most=most, eos=True)
        assert most - 2 <= len(fitted.ids) <= most
        assert fitted.cut == (most < len(whole))
        assert tokenizer.decode(fitted.ids).endswith("How many?")
    alone = Question("How many? " * 30)
    ids = np.array(tokenizer.encode("How many? " * 30), np.int32)
    assert fit(alone, ids, tokenizer, most=5, eos=True).ids is ids
    hopeless = fit(question, whole, tokenizer, most=3, eos=True)
    assert len(hopeless.ids) > 3
    assert not hopeless.cut


def test_evaluation_cuts_contexts_as_training_does(
    world: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, tokenizer = load_model(world / "student"), load_tokenizer(world / "student")
    context = "has apples plus " * 40
    asked = [Example("x/0", "How many?", "1", context=context), Example("x/1", "How many?", "1")]
    form = by_name("predict")
    spec = EvaluationSet(set="jsonl", role="general", protocol="published")
    prompted = PromptedSet(
        spec, "test", "predict", "number", tuple(asked), tuple(map(form.prompt, asked)), 30
    )
    settings = Settings(
        "step-000000", 0, "m", "jsonl", "test", "general", "predict", "number", 2, False, 9
    )
    sheet = AnswerSheet(prompted, settings, PredictionFile(tmp_path / "none.jsonl"), {})
    asking, (long, short) = _fitting(model, tokenizer, [sheet], lambda units: None)
    assert asking == [(sheet, 0), (sheet, 1)]
    assert 28 <= len(long) <= 30
    assert tokenizer.decode(long).endswith("How many?")
    assert short == tokenizer.encode("predict: How many?", eos=True)
    assert "1 prompts lost words of their context, to have 30 tokens" in caplog.text
