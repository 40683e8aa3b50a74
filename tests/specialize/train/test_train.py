"""The trainer: one loss however a step is split, what a run writes, what it refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from filelock import FileLock
from transformers import AutoModelForSeq2SeqLM

from specialize.config.training import Optimization, Training
from specialize.errors import ConfigurationError, DiskFullError, LockedError, StoreError
from specialize.rows import plan_steps
from specialize.students import checkpoints
from specialize.students.student import load_student
from specialize.tokens import load_tokenizer
from specialize.train import train
from specialize.train.loader import StepLoader
from specialize.train.trainer import Setting, SparseTrainer, training_arguments
from tests.reference import training as oracles
from tests.support import toys

WEIGHTS = (1.0, 0.5)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    toys.write_world(folder)
    return folder


@pytest.fixture
def fresh(world, tmp_path):
    """A copy of the world with a run in which nothing was trained yet."""
    shutil.copytree(world / "run", tmp_path / "run")
    return tmp_path / "run"


def trainer_of(world, run, rows, batch_rows, accumulation, *, mixing="pooled", steps=8, start=0):
    tokenizer = load_tokenizer(world / "student")
    size = {"batch_rows": batch_rows, "accumulation": accumulation, "steps": steps}
    recipe = toys.toy_recipe(world, optimization=size)
    student = load_student(world / "student", tokenizer, dropout=0.0)
    plan = plan_steps(rows, Training(mixing=mixing), Optimization(**size), recipe.seed)
    arguments = training_arguments(recipe, run)
    loader = StepLoader(plan, student.shape, "bucket", stop=steps, start=start)
    return SparseTrainer(
        student, loader, Setting(recipe, run, tokenizer, arguments), lambda units: None
    )


def gradient_of(trainer, number):
    trainer.student.zero_grad()
    loss = trainer.training_step(trainer.student, trainer.steps.step(number))
    parts = [p.grad.flatten() for p in trainer.student.parameters() if p.grad is not None]
    return loss.item(), torch.cat(parts).double()


@pytest.mark.parametrize("mixing", ["pooled", "joint"])
def test_a_step_has_one_loss_and_gradient_however_it_is_split(world, tmp_path, mixing):
    rows = toys.random_rows(41, vocabulary=60)
    whole, *others = (
        trainer_of(world, tmp_path, rows, b, a, mixing=mixing)
        for b, a in ((16, 1), (4, 4), (2, 8), (1, 16))
    )
    for number in (0, 2):  # the third step begins in one epoch and ends in the next
        loss, gradient = gradient_of(whole, number)
        for other in others:
            assert len(other.steps.step(number).batches) > len(whole.steps.step(number).batches)
            other_loss, other_gradient = gradient_of(other, number)
            assert other_loss == pytest.approx(loss, rel=1e-5)
            assert (gradient - other_gradient).norm() <= 1e-5 * gradient.norm()


def test_a_process_without_rows_adds_nothing_and_takes_part(world, tmp_path):
    trainer = trainer_of(world, tmp_path, toys.random_rows(1, objectives=1), 1, 1)
    loaders = [replace(trainer.steps, process=i, processes=2) for i in (0, 1)]
    busy, idle = (loader.step(0) for loader in loaders)
    assert (busy.idle, idle.idle) == (0, 1)
    loss = trainer.training_step(trainer.student, idle)
    assert loss == 0
    assert (trainer.sums == 0).all()
    gradients = [p.grad for p in trainer.student.parameters()]
    assert all(g is not None and (g == 0).all() for g in gradients)


def test_processes_in_step_have_as_many_batches_and_add_the_same(world, tmp_path):
    """Where a micro-batch gathers weights from all, none may have one more than another."""
    trainer = trainer_of(world, tmp_path, toys.random_rows(7, vocabulary=60), 2, 4)
    apart = [replace(trainer.steps, process=i, processes=3) for i in range(3)]
    together = [replace(loader, in_step=True) for loader in apart]
    assert len({len(loader.step(0).batches) for loader in apart}) > 1
    steps = [loader.step(0) for loader in together]
    [count] = {len(step.batches) for step in steps}
    for loader, step, other in zip(together, steps, apart, strict=True):
        assert count - step.idle == len(other.step(0).batches)
        trainer.steps = loader
        loss, gradient = gradient_of(trainer, 0)
        sums = trainer.sums
        trainer.steps = replace(loader, in_step=False)
        assert gradient_of(trainer, 0)[0] == pytest.approx(loss)
        assert torch.equal(trainer.sums, sums)
        assert (gradient_of(trainer, 0)[1] - gradient).norm() <= 1e-6 * gradient.norm()


def test_steps_made_ahead_are_the_same_steps(world, tmp_path):
    steps = trainer_of(world, tmp_path, toys.random_rows(20), 3, 2).steps
    assert len(steps) == 8
    pairs = zip(steps, replace(steps, ahead=3), strict=True)
    assert [(a.number, a.keys) == (b.number, b.keys) for a, b in pairs] == [True] * 8
    assert [step.number for step in replace(steps, start=6, ahead=5)] == [6, 7]


@pytest.mark.parametrize(("precision", "error"), [("fp32", 1e-5), ("bf16", 0.05)])
def test_the_fused_form_has_the_same_loss_and_gradient(world, tmp_path, precision, error):
    rows = toys.random_rows(20, vocabulary=60)
    plain, fused = (trainer_of(world, tmp_path, rows, 4, 2) for _ in range(2))
    for trainer in (plain, fused):
        trainer.student.precision = precision
    fused.student.fused = True
    (loss, gradient), (other_loss, other) = gradient_of(plain, 1), gradient_of(fused, 1)
    assert other_loss == pytest.approx(loss, rel=error)
    assert (gradient - other).norm() <= error * gradient.norm()


def test_logits_that_would_be_too_large_are_never_made(world, tmp_path, monkeypatch):
    """A micro-batch of many target tokens takes the fused form, with the same gradient."""
    rows = toys.random_rows(20, vocabulary=60)
    plain, bounded = (trainer_of(world, tmp_path, rows, 4, 2) for _ in range(2))
    assert not plain.student.fuses(1000)
    loss, gradient = gradient_of(plain, 1)
    monkeypatch.setattr("specialize.students.student._HELD", plain.student.shape.vocabulary)
    assert bounded.student.fuses(2)
    assert not bounded.student.fuses(1)
    projected = []
    bounded.student.model.get_output_embeddings().register_forward_hook(
        lambda _, states, logits: projected.append(len(logits))
    )
    other_loss, other = gradient_of(bounded, 1)
    assert set(projected) == {0}
    assert other_loss == pytest.approx(loss, rel=1e-5)
    assert (gradient - other).norm() <= 1e-5 * gradient.norm()


def test_the_loss_is_the_weighted_sum_of_means_over_the_steps_tokens(world, tmp_path):
    rows = toys.random_rows(20, vocabulary=60)
    trainer = trainer_of(world, tmp_path, rows, 5, 2)
    loss, _ = gradient_of(trainer, 0)
    nats, tokens = np.zeros(2), np.zeros(2)
    trainer.student.eval()
    for batch in trainer.steps.step(0).batches:
        logits = trainer.student(
            batch.input_ids, batch.attention_mask, batch.decoder_input_ids, batch.positions
        )
        losses, _, _ = oracles.dense_kl(logits.detach(), batch.ids, batch.logprobs, batch.tail)
        np.add.at(nats, batch.objective.numpy(), losses.numpy())
        np.add.at(tokens, batch.objective.numpy(), 1)
    assert (tokens > 0).all()
    assert loss == pytest.approx((WEIGHTS * nats / tokens).sum(), rel=1e-5)


def lines_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_writes_checkpoints_and_metrics(world, fresh, capfd):
    recipe = toys.toy_recipe(world)
    summary = train(recipe, fresh)
    assert capfd.readouterr().out == ""
    names = ["step-000000", "step-000003", "step-000006", "step-000008"]
    assert summary.checkpoints == tuple(names)
    assert (summary.steps, summary.trained, summary.resumed_from) == (8, 8, None)
    assert summary.rows["cot"]["rows"] == 32
    assert summary.rows["cot"]["not_correct"] == 8
    assert summary.unknown_share == {"cot": 0.0, "answer": 0.0}
    assert json.loads(json.dumps(summary.as_json()))["rows"]["answer"]["rows"] == 20

    lines = lines_of(fresh)
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert lines[-1]["learning_rate"] < lines[2]["learning_rate"]  # the cosine really falls
    for line in lines:
        found = line["objectives"]
        loss = sum(
            WEIGHTS[i] * found[n]["nats"] for i, n in enumerate(("cot", "answer")) if n in found
        )
        assert line["loss"] == pytest.approx(loss, abs=2e-6)
        assert {"gradient_norm", "tokens_per_second", "padding", "epoch"} <= line.keys()
        for name, measured in found.items():
            assert 0 <= measured["agreement"] <= 1
            assert 0 < measured["student_mass"] < 1
            assert (measured["hard"] == 1) == (name == "answer")
            assert (measured["tail_mass"] > 0) == (name == "cot")

    student, tokenizer = world / "student", load_tokenizer(world / "student")
    before, after = (
        AutoModelForSeq2SeqLM.from_pretrained(fresh / "checkpoints" / name).state_dict()
        for name in (names[0], names[-1])
    )
    untrained = AutoModelForSeq2SeqLM.from_pretrained(student).state_dict()
    assert all(torch.equal(before[name], untrained[name]) for name in untrained)
    assert not any(torch.equal(after[name], before[name]) for name in ("shared.weight",))
    for name in names:
        folder = fresh / "checkpoints" / name
        checkpoints.check(checkpoints.Checkpoint(0, folder))
        assert load_tokenizer(folder).fingerprint == tokenizer.fingerprint

    again = train(recipe, fresh)
    assert (again.steps, again.trained, again.resumed_from) == (8, 0, 8)


def test_a_finished_or_begun_run_refuses_other_recipes_and_rows(world, fresh, tmp_path):
    shutil.copytree(world, tmp_path / "copy", ignore=shutil.ignore_patterns("run"))
    recipe = toys.toy_recipe(tmp_path / "copy", optimization={"steps": 2})
    train(recipe, fresh)
    other = toys.toy_recipe(
        tmp_path / "copy", optimization={"steps": 2, "learning_rate": 0.5}, seed=4
    )
    message = (
        r"begun with another recipe \(optimization.learning_rate: 0.001 in the run, 0.5 now; "
        r"seed: 0 in the run, 4 now\)"
    )
    with pytest.raises(ConfigurationError, match=message):
        train(other, fresh)
    # what does not touch the weights may change
    free = toys.toy_recipe(
        tmp_path / "copy", optimization={"steps": 2}, training={"checkpoint_every": 1},
        evaluation={"max_new_tokens": 5},
    )  # fmt: skip
    assert train(free, fresh).trained == 0
    shutil.rmtree(fresh / "checkpoints" / "step-000002")
    toys.write_examples(tmp_path / "copy" / "train.jsonl", toys.examples(9))
    with pytest.raises(ConfigurationError, match="begun with other rows"):
        train(recipe, fresh)


def test_held_out_examples_are_not_trained_on(world, fresh, tmp_path):
    shutil.copytree(world, tmp_path / "copy", ignore=shutil.ignore_patterns("run"))
    same = toys.examples(20)[:4]
    toys.write_examples(
        tmp_path / "copy" / "validation.jsonl",
        [type(e)(f"other/{i}", e.question, e.answer) for i, e in enumerate(same)],
    )
    recipe = toys.toy_recipe(tmp_path / "copy", optimization={"steps": 1})
    summary = train(recipe, fresh)
    assert summary.held_out == 4
    assert summary.rows["answer"]["rows"] == 16
    assert summary.rows["cot"]["not_a_training_example"] == 8
    toys.write_examples(tmp_path / "copy" / "test.jsonl", same)
    shutil.copytree(world / "run", tmp_path / "second")
    with pytest.raises(ConfigurationError, match="toy/00000"):
        train(recipe, tmp_path / "second")


def test_refusals_before_anything_is_trained(world, fresh, tmp_path, monkeypatch):
    recipe = toys.toy_recipe(world)
    shutil.copytree(world, tmp_path / "copy", ignore=shutil.ignore_patterns("run"))
    other = toys.write_tokenizer(tmp_path / "copy" / "student", ("▁zz",))
    student = rf"student \({other.fingerprint[:12]}\)"
    message = rf"aligned to tokenizer tokenizer \(\w{{12}}\), but the student has {student}"
    with pytest.raises(ConfigurationError, match=message):
        train(toys.toy_recipe(tmp_path / "copy"), fresh)
    with pytest.raises(
        StoreError, match=r"no targets of teacher .toy. at .*targets/toy; run specialize align"
    ):
        train(recipe, tmp_path / "nothing")
    (fresh / "checkpoints").mkdir(exist_ok=True)
    with (
        FileLock(fresh / "checkpoints" / ".lock"),
        pytest.raises(LockedError, match="another process trains in"),
    ):
        train(recipe, fresh)
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DiskFullError, match=r"need about [\d,]+ bytes, 1,000 are free"):
        train(recipe, fresh)
    assert checkpoints.complete(fresh) == []


def test_a_damaged_checkpoint_is_not_gone_on_from(world, fresh):
    train(toys.toy_recipe(world), fresh)
    shutil.rmtree(fresh / "checkpoints" / "step-000008")
    weights = fresh / "checkpoints" / "step-000006" / "optimizer.pt"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(StoreError, match=r"step-000006: optimizer.pt is damaged.*remove .*step"):
        train(toys.toy_recipe(world), fresh)


def test_a_loss_that_is_not_finite_stops_the_run_with_its_rows(world, fresh):
    recipe = toys.toy_recipe(
        world,
        optimization={"learning_rate": 1e30, "warmup_steps": 0},
        training={"checkpoint_every": 1},
    )
    with pytest.raises(ConfigurationError, match=r"of step \d is (nan|inf).*not_finite-step-"):
        train(recipe, fresh)
    saved = next(fresh.glob("not_finite-step-*.json"))
    record = json.loads(saved.read_text())
    assert len(record["rows"]) == 6
    assert checkpoints.last(fresh).step < record["step"]


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_training_lowers_the_loss(tmp_path, kind):
    toys.write_world(tmp_path, kind=kind, count=6)
    recipe = toys.toy_recipe(
        tmp_path,
        optimization={"steps": 60, "learning_rate": 1e-2, "batch_rows": 8, "accumulation": 1},
        training={"checkpoint_every": 100, "dropout": 0.0},
    )
    train(recipe, tmp_path / "run")
    lines = lines_of(tmp_path / "run")
    first, last = (np.mean([line["loss"] for line in part]) for part in (lines[:5], lines[-5:]))
    assert last < 0.6 * first
    agree = [
        line["objectives"]["answer"]["agreement"]
        for line in lines
        if "answer" in line["objectives"]
    ]
    assert np.mean(agree[-5:]) > np.mean(agree[:5]) + 0.2


def test_bf16_trains(world, fresh):
    summary = train(toys.toy_recipe(world, optimization={"precision": "bf16", "steps": 2}), fresh)
    assert summary.trained == 2
    assert all(np.isfinite(line["loss"]) for line in lines_of(fresh))
