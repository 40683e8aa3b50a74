"""What a recipe may add: adapters, retention, an early end, trackers, other losses, packing."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM, TrainerCallback

from specialize.config.training import Lora
from specialize.errors import ConfigurationError, StoreError
from specialize.students import checkpoints
from specialize.students.averaging import average_checkpoints
from specialize.students.lora import FILE, add_adapters, merged_state
from specialize.students.student import load_student
from specialize.tokens import load_tokenizer
from specialize.train import metrics, train
from specialize.train.stopping import listening, never
from specialize.train.trainer import SparseTrainer
from tests.support import toys

SHORT = {"steps": 6, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("options")
    toys.write_world(folder, count=8)
    return folder


@pytest.fixture
def fresh(world, tmp_path):
    shutil.copytree(world / "run", tmp_path / "run")
    return tmp_path / "run"


def lines_of(run):
    return [json.loads(line) for line in (run / metrics.FILE).read_text().splitlines()]


def steps_of(run):
    return [found.step for found in checkpoints.complete(run)]


# ---- adapters ----------------------------------------------------------------------------------


def test_adapters_alone_are_trained_and_checkpoints_are_whole_models(world, fresh):
    recipe = toys.toy_recipe(world, lora={"rank": 2}, optimization=SHORT)
    train(recipe, fresh)
    assert steps_of(fresh) == [0, 3, 6]
    before, after = checkpoints.complete(fresh)[0].path, checkpoints.last(fresh).path
    untrained = load_file(world / "student" / "model.safetensors")
    trained = load_file(after / "model.safetensors")
    assert untrained.keys() == trained.keys() == load_file(before / "model.safetensors").keys()
    changed = {name for name in untrained if not torch.equal(untrained[name], trained[name])}
    assert changed
    assert all(name.endswith((".q.weight", ".v.weight")) for name in changed)
    AutoModelForSeq2SeqLM.from_pretrained(after)  # without peft
    # the adapters of the last checkpoint, put into the first student, are the same model
    tokenizer = load_tokenizer(after)
    student = load_student(world / "student", tokenizer, lora=Lora(rank=2))
    student.model.load_state_dict(load_file(after / FILE), strict=False)
    for name, weight in merged_state(student.model).items():
        if name in trained:
            np.testing.assert_allclose(weight, trained[name], atol=1e-7)


def test_a_run_with_adapters_goes_on_as_if_it_had_not_stopped(world, fresh, tmp_path):
    recipe = toys.toy_recipe(world, lora={"rank": 2, "dropout": 0.1}, optimization=SHORT)
    train(recipe, fresh)
    other = tmp_path / "other"
    shutil.copytree(fresh, other)
    shutil.rmtree(other / "checkpoints" / "step-000006")
    train(recipe, other)
    for file in ("model.safetensors", FILE):
        one, two = (checkpoints.last(run).path / file for run in (fresh, other))
        assert one.read_bytes() == two.read_bytes()
    (other / "checkpoints" / "step-000003" / FILE).unlink()
    shutil.rmtree(other / "checkpoints" / "step-000006")
    with pytest.raises(StoreError, match=r"\['lora.safetensors'\] are missing"):
        train(recipe, other)


def test_adapters_of_a_causal_student_merge_too(tmp_path):
    tokenizer = toys.write_world(tmp_path, kind="gpt2", count=4)
    student = load_student(tmp_path / "student", tokenizer, lora=Lora(rank=2), dropout=0.0).eval()
    for name, parameter in student.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    (tmp_path / "saved").mkdir()
    student.save(tmp_path / "saved")
    merged = load_student(tmp_path / "saved", tokenizer, dropout=0.0).eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    inputs = (ids, torch.ones_like(ids), None, torch.arange(4))
    np.testing.assert_allclose(merged(*inputs).detach(), student(*inputs).detach(), atol=1e-5)


def test_refusals_of_adapters(world, tmp_path, monkeypatch):
    tokenizer = load_tokenizer(world / "student")
    with pytest.raises(ConfigurationError, match=r"lora.modules \['nowhere'\]: "):
        load_student(world / "student", tokenizer, lora=Lora(modules=("nowhere",)))
    (tmp_path / FILE).write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'specialize\[lora\]'"):
        add_adapters(torch.nn.Linear(2, 2), Lora(), seed=0)


# ---- retention ---------------------------------------------------------------------------------


def test_old_checkpoints_go_but_never_the_first_or_the_selected_one(world, fresh, monkeypatch):
    chosen = SimpleNamespace(step=2)
    monkeypatch.setattr(checkpoints, "read_selection", lambda run: chosen)
    keep = {"checkpoint_every": 1, "keep_checkpoints": 2}
    recipe = toys.toy_recipe(world, optimization=SHORT, training=keep)
    train(recipe, fresh)
    assert steps_of(fresh) == [0, 2, 5, 6]
    assert not list(fresh.glob("checkpoints/*.partial"))
    checkpoints.retain(fresh, None)
    assert steps_of(fresh) == [0, 2, 5, 6]
    checkpoints.retain(fresh, 9)
    assert steps_of(fresh) == [0, 2, 5, 6]
    monkeypatch.setattr(checkpoints, "read_selection", lambda run: None)
    checkpoints.retain(fresh, 1)
    assert steps_of(fresh) == [0, 6]


def test_a_checkpoint_of_an_interruption_takes_no_place_and_goes_with_the_next(tmp_path):
    def write(step, *, interrupted=False):
        with checkpoints.writing(tmp_path, step) as folder:
            if interrupted:
                checkpoints.mark_interrupted(folder)

    for step in (0, 3, 6):
        write(step)
    write(7, interrupted=True)
    checkpoints.retain(tmp_path, 2)
    assert steps_of(tmp_path) == [0, 3, 6, 7], "the last is there for resuming"
    write(9)
    checkpoints.retain(tmp_path, 2)
    assert steps_of(tmp_path) == [0, 6, 9]


# ---- an early end ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGINT]
)
def test_a_signal_ends_the_run_after_the_step_and_saves(
    world, fresh, tmp_path, number, monkeypatch
):
    recipe = toys.toy_recipe(world, optimization=SHORT)
    whole = tmp_path / "whole"
    shutil.copytree(world / "run", whole)
    train(recipe, whole)
    write = metrics.append

    def signal_in_step_4(path, line):
        write(path, line)
        if line["step"] == 4:
            os.kill(os.getpid(), number)

    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    with monkeypatch.context() as patched:
        patched.setattr(metrics, "append", signal_in_step_4)
        with pytest.raises(KeyboardInterrupt, match="saved after step 5"):
            train(recipe, fresh)
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert steps_of(fresh) == [0, 3, 5]
    train(recipe, fresh)
    assert [c.step for c in checkpoints.candidates(fresh)] == steps_of(whole)
    checkpoints.check(checkpoints.complete(fresh)[2])
    weights = [(checkpoints.last(run).path / "model.safetensors").read_bytes()
               for run in (whole, fresh)]  # fmt: skip
    assert weights[0] == weights[1]


def test_a_second_signal_is_not_held_back():
    def twice():
        with listening() as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert asked()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        twice()


def test_outside_of_the_main_thread_no_signal_is_heard():
    heard = []

    def listen():
        with listening() as asked:
            heard.append(asked is never and not asked())

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert heard == [True]


# ---- trackers ----------------------------------------------------------------------------------


def test_trackers_get_every_figure(world, fresh, monkeypatch):
    seen = []

    class Tracker(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **_):
            seen.append(logs)

    begin = SparseTrainer.__init__

    def with_tracker(self, *given, **named):
        begin(self, *given, **named)
        self.add_callback(Tracker())

    monkeypatch.setattr(SparseTrainer, "__init__", with_tracker)
    train(toys.toy_recipe(world, optimization={"steps": 2}), fresh)
    assert [logs["step"] for logs in seen] == [1, 2]
    last = lines_of(fresh)[-1]
    assert seen[-1]["loss"] == last["loss"]
    for name, measured in last["objectives"].items():
        assert seen[-1][f"objectives/{name}/nats"] == measured["nats"]


def test_a_tracker_that_is_not_installed_is_refused(world, fresh, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    recipe = toys.toy_recipe(world, running={"report_to": ["trackio"]})
    with pytest.raises(ConfigurationError, match="names trackio, which is not installed"):
        train(recipe, fresh)


# ---- measures ----------------------------------------------------------------------------------


def test_bits_a_byte_are_the_nats_over_the_bytes_of_the_targets(world, fresh):
    train(toys.toy_recipe(world, optimization={"steps": 2}), fresh)
    line = lines_of(fresh)[-1]
    assert line["memory_mib"] > 10
    answer = line["objectives"]["answer"]
    # every target is the marker of a blank, digits, and an end that spells nothing
    bytes_ = answer["nats"] * answer["tokens"] / np.log(2) / answer["bits_per_byte"]
    assert bytes_ == pytest.approx(round(bytes_), rel=1e-4)
    assert 1 < bytes_ < 4 * answer["tokens"]


# ---- other ways to train -----------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["reverse_kl", pytest.param("jsd", marks=pytest.mark.slow)])
def test_other_divergences_train(world, fresh, loss):
    recipe = toys.toy_recipe(
        world, optimization={"steps": 25, "learning_rate": 1e-2, "batch_rows": 6},
        training={"loss": loss, "dropout": 0.0},
    )  # fmt: skip
    train(recipe, fresh)
    nats = [line["objectives"]["cot"]["nats"] for line in lines_of(fresh)]
    assert np.mean(nats[-3:]) < 0.8 * np.mean(nats[:3])


def test_an_objective_may_have_a_divergence_of_its_own(world, fresh):
    """Only its own rows are measured by it; the others keep that of the training."""
    found = []
    for loss in (None, "reverse_kl"):
        run = fresh.with_name(f"loss-{loss}")
        shutil.copytree(world / "run", run)
        recipe = toys.toy_recipe(world, optimization={"steps": 1}, training={"dropout": 0.0})
        objectives = [
            o.model_copy(update={"loss": loss}) if o.name == "cot" else o for o in recipe.objectives
        ]
        train(recipe.model_copy(update={"objectives": tuple(objectives)}), run)
        found.append({name: m["nats"] for name, m in lines_of(run)[0]["objectives"].items()})
    plain, mixed = found
    assert plain.pop("cot") != mixed.pop("cot")
    assert plain == mixed


@pytest.mark.parametrize(
    "tail",
    ["renormalize", *(pytest.param(t, marks=pytest.mark.slow) for t in ("to_label", "drop"))],
)
def test_every_rule_for_the_tail_reaches_the_trainer(world, fresh, tail):
    recipe = toys.toy_recipe(world, training={"tail": tail}, optimization=SHORT)
    assert train(recipe, fresh).trained == 6
    other = fresh.with_name("bucket")
    shutil.copytree(world / "run", other)
    train(toys.toy_recipe(world, optimization=SHORT), other)
    nats = [[line["objectives"]["cot"]["nats"] for line in lines_of(run)] for run in (fresh, other)]
    assert nats[0] != nats[1]


def test_gradient_checkpointing_packing_and_a_label_share_reach_the_trainer(tmp_path):
    found = {}
    toys.write_world(tmp_path, kind="gpt2", count=8)
    ways = {
        "plain": {},
        "leaner": {"running": {"gradient_checkpointing": True, "packing": True}},
        "mixed": {"training": {"hard_label_weight": 0.5}},
    }
    for name, changes in ways.items():
        run = tmp_path / name
        shutil.copytree(tmp_path / "run", run)
        training = {"dropout": 0.0, **changes.get("training", {})}
        train(
            toys.toy_recipe(tmp_path, optimization=SHORT, **changes | {"training": training}), run
        )
        found[name] = lines_of(run)
    for plain, leaner in zip(found["plain"], found["leaner"], strict=True):
        assert leaner["loss"] == pytest.approx(plain["loss"], rel=1e-4)
        assert leaner["padding"] <= plain["padding"]
    soft = [lines[0]["objectives"]["cot"]["nats"] for lines in (found["plain"], found["mixed"])]
    hard = [lines[0]["objectives"]["answer"]["nats"] for lines in (found["plain"], found["mixed"])]
    assert hard[0] == pytest.approx(hard[1], rel=1e-6)
    assert soft[0] != pytest.approx(soft[1], rel=1e-3)


def test_wrong_responses_become_unlikely(world, fresh):
    recipe = toys.toy_recipe(
        world,
        objectives=[
            {"name": "cot", "format": "zero-shot-cot", "target": "distribution", "teacher": "toy"},
            {"name": "wrong", "format": "zero-shot-cot", "target": "unlikelihood", "keep": "wrong",
             "teacher": "toy", "weight": 5.0},
        ],
        optimization={"steps": 30, "learning_rate": 1e-2},
        training={"dropout": 0.0, "checkpoint_every": 100},
    )  # fmt: skip
    summary = train(recipe, fresh)
    assert summary.rows["wrong"]["rows"] + summary.rows["cot"]["rows"] == 16
    assert summary.rows["wrong"]["not_wrong"] == summary.rows["cot"]["rows"]
    found = [
        line["objectives"]["wrong"] for line in lines_of(fresh) if "wrong" in line["objectives"]
    ]
    assert all(measured["tail_mass"] == 1 for measured in found)
    # the student's mass on the excluded tokens stays low although the right ones are alike
    assert np.mean([measured["nats"] for measured in found[-5:]]) < 0.5


def test_unlikelihood_is_for_wrong_responses(world):
    wrong = {"name": "w", "format": "zero-shot-cot", "target": "unlikelihood", "teacher": "toy"}
    with pytest.raises(ConfigurationError, match="unlikelihood and keep: wrong go together"):
        toys.toy_recipe(world, objectives=[wrong])


# ---- averages ----------------------------------------------------------------------------------


def test_the_mean_of_checkpoints_is_a_model(world, fresh, tmp_path):
    recipe = toys.toy_recipe(world, optimization=SHORT, training={"checkpoint_every": 2})
    train(recipe, fresh)
    assert average_checkpoints(fresh, [6, 2, 4], tmp_path / "mean") == [
        "step-000002", "step-000004", "step-000006",
    ]  # fmt: skip
    parts = [load_file(c.path / "model.safetensors") for c in checkpoints.complete(fresh)[1:]]
    for name, mean in load_file(tmp_path / "mean" / "model.safetensors").items():
        want = sum(part[name].double() for part in parts) / 3
        assert torch.equal(mean, want.float()), name
    tokenizer = load_tokenizer(tmp_path / "mean")
    load_student(tmp_path / "mean", tokenizer)
    assert not list((tmp_path / "mean").glob("optimizer*"))
    assert [path.name for path in tmp_path.glob("mean*")] == ["mean"]
    with pytest.raises(ConfigurationError, match="mean exists; name a new directory"):
        average_checkpoints(fresh, [2, 4], tmp_path / "mean")
    for steps in ([2], [2, 2], [2, 5]):
        with pytest.raises(ConfigurationError, match=r"two or more .* there are: 0, 2, 4, 6"):
            average_checkpoints(fresh, steps, tmp_path / "other")
