"""A store of targets in a trainer that is not ours: dataset, collator and loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import datasets
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from align.sparse import one_hot
from specialize import TargetsCollator, TargetsDataset, sparse_kl, targets_loss
from specialize.config.yaml_files import record_recipe
from specialize.errors import ConfigurationError, NothingPassedError
from specialize.records import ChatPrompt, Message
from specialize.store import Store, StoreWriter
from specialize.students.student import load_student
from specialize.train import prepare_rows
from specialize.train.collate import make_batch
from tests.support import toys

LOADERS = {"t5": AutoModelForSeq2SeqLM, "gpt2": AutoModelForCausalLM}


@pytest.fixture(scope="module", params=["t5", "gpt2"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    toys.write_world(folder, kind=request.param, count=8)
    return folder


@pytest.fixture(scope="module")
def model(world: Path) -> torch.nn.Module:
    kind = "t5" if "t5" in world.name else "gpt2"
    return LOADERS[kind].from_pretrained(world / "student").eval()


def dataset(world: Path, **options: object) -> TargetsDataset:
    return TargetsDataset(world / "run" / "targets" / "toy", str(world / "student"), **options)


def test_the_loss_is_that_of_our_own_student(world: Path, model: torch.nn.Module) -> None:
    data = dataset(world)
    assert len(data) == 13  # of 16 responses every fifth is wrong
    assert len(dataset(world, keep="all")) == 16
    rows = [data[i] for i in (0, 3, 4, 7)]
    batch = TargetsCollator(model, data.tokenizer)(rows)
    targets, _ = batch.pop("targets"), batch.pop("labels")
    found = targets_loss(model(**batch).logits, targets)
    student = load_student(world / "student", data.tokenizer, dropout=0.0).eval()
    made = make_batch(rows, student.shape, objectives=1, tail="bucket")
    logits = student(made.input_ids, made.attention_mask, made.decoder_input_ids, made.positions)
    tokens = torch.ones(len(made.ids))
    nats, weight = sparse_kl(logits, made.ids, made.logprobs, made.tail, tokens)
    assert found.item() == pytest.approx((nats / weight).item(), rel=1e-5)
    assert targets_loss(model(**batch).logits, targets, 2 * len(tokens)).item() == pytest.approx(
        found.item() / 2
    )


def test_labels_are_those_of_transformers(world: Path, model: torch.nn.Module) -> None:
    """The model's own cross-entropy on them is our loss of hard rows."""
    data = dataset(world)
    rows = [replace(row, distributions=one_hot(row.target_ids)) for row in data.rows[:4]]
    batch = TargetsCollator(model, data.tokenizer)(rows)
    targets = batch.pop("targets")
    outputs = model(**batch)
    assert targets_loss(outputs.logits, targets).item() == pytest.approx(
        outputs.loss.item(), rel=1e-5
    )


class SparseTrainer(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        targets, _labels = inputs.pop("targets"), inputs.pop("labels")
        outputs = model(**inputs)
        loss = targets_loss(outputs.logits, targets, num_items_in_batch)
        return (loss, outputs) if return_outputs else loss


def numbers_of(data: TargetsDataset) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"row": list(range(len(data)))})


def by_number(
    data: TargetsDataset, collate: TargetsCollator
) -> Callable[[list[dict[str, int]]], dict[str, object]]:
    return lambda items: collate([data[item["row"]] for item in items])


@pytest.mark.slow
@pytest.mark.skipif(find_spec("trl") is None, reason="needs TRL")
def test_trl_itself(tmp_path: Path) -> None:
    trl = import_module("trl")
    toys.write_world(tmp_path, kind="gpt2", count=8)
    data = dataset(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "student")
    arguments = trl.SFTConfig(
        output_dir=str(tmp_path), max_steps=20, per_device_train_batch_size=4, use_cpu=True,
        gradient_accumulation_steps=2, report_to="none", remove_unused_columns=False, bf16=False,
        dataset_kwargs={"skip_prepare_dataset": True}, learning_rate=1e-2, logging_steps=5,
        save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    collate = TargetsCollator(model, data.tokenizer)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path / "student")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    trainer = type("Sparse", (trl.SFTTrainer,), {"compute_loss": SparseTrainer.compute_loss})(
        model, arguments, train_dataset=numbers_of(data), processing_class=tokenizer,
        data_collator=by_number(data, collate),
    )  # fmt: skip
    trainer.train()
    losses = [told["loss"] for told in trainer.state.log_history if "loss" in told]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.85 * losses[0]


def test_accumulation_does_not_change_the_mean(tmp_path: Path) -> None:
    """Where transformers counts tokens: it does not for T5, which takes the mean of means.

    The second time in the way of TRL's ``SFTTrainer``, which takes nothing but a
    ``datasets.Dataset``: of the rows' numbers, and the collator fetches the rows.
    """
    toys.write_world(tmp_path, kind="gpt2", count=8)
    data, weights = dataset(tmp_path), []
    data.rows = data.rows[:4]
    for size, times in ((4, 1), (1, 4)):
        model = AutoModelForCausalLM.from_pretrained(
            tmp_path / "student", attn_pdrop=0.0, resid_pdrop=0.0, embd_pdrop=0.0
        )
        arguments = TrainingArguments(
            str(tmp_path), max_steps=1, per_device_train_batch_size=size, report_to="none",
            gradient_accumulation_steps=times, remove_unused_columns=False, use_cpu=True,
            optim="sgd", learning_rate=1.0, save_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        collate = TargetsCollator(model, data.tokenizer)
        if times == 1:
            SparseTrainer(model, arguments, train_dataset=data, data_collator=collate).train()
        else:
            SparseTrainer(
                model, arguments, train_dataset=numbers_of(data),
                data_collator=by_number(data, collate),
            ).train()  # fmt: skip
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert (weights[0] - weights[1]).abs().max() < 1e-5


def test_prompts_of_ones_own_and_the_rows_of_a_run(world: Path) -> None:
    names = {f"toy/{i:05d}" for i in range(8)}
    asked = dataset(world, prompts=dict.fromkeys(names, "Q : How many ?"))
    ids = asked.tokenizer.encode_prompts(["Q : How many ?"], eos="t5" in world.name)[0]
    assert all(row.prompt_ids.tolist() == ids for row in asked.rows)
    recipe = toys.toy_recipe(world)
    record_recipe(recipe, world / "run")
    of_run = TargetsDataset.of_run(world / "run")
    assert [r.key for r in of_run.rows] == [r.key for r in prepare_rows(recipe, world / "run").rows]
    assert {row.objective for row in of_run.rows} == {0, 1}


def test_what_is_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="prompts has nothing for example 'toy/00000'"):
        dataset(world, prompts={})
    other = toys.write_tokenizer(tmp_path / "other", ("extra",))
    toys.write_targets(tmp_path / "targets", toys.examples(2), other)
    with pytest.raises(ConfigurationError, match="was aligned to tokenizer"):
        TargetsDataset(tmp_path / "targets", str(world / "student"))
    own = Store.open(world / "run" / "targets" / "toy")
    chat = ChatPrompt((Message("user", "How many?"),))
    for name, change in (("chat", {"prompt": chat}), ("wrong", {"correct": False})):
        sample = own["toy/00000", 0]
        changed = replace(sample, response=replace(sample.response, **change))
        with StoreWriter(tmp_path / name, own.description, shard_samples=8) as writer:
            writer.write(0, [changed])
            writer.finish(own.vocabulary(), {})
    with pytest.raises(ConfigurationError, match="was asked in a chat"):
        TargetsDataset(tmp_path / "chat", str(world / "student"))
    with pytest.raises(NothingPassedError, match=r"no response of .* is left with keep='correct'"):
        TargetsDataset(tmp_path / "wrong", str(world / "student"))
