"""Targets for a trainer that is not ours: a ``Dataset``, a collator and a loss.

    dataset = TargetsDataset("runs/a/targets/qwen", "google/flan-t5-base")
    collate = TargetsCollator(model, dataset.tokenizer)
    batch = collate([dataset[0], dataset[1]])
    targets, _ = batch.pop("targets"), batch.pop("labels")
    targets_loss(model(**batch).logits, targets).backward()

``docs/python.md`` shows them in transformers' ``Trainer``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedModel

from specialize.config.yaml_files import recorded_recipe
from specialize.errors import ConfigurationError, NothingPassedError
from specialize.losses import Tail, sparse_kl
from specialize.records import Response
from specialize.rows import Row
from specialize.rows.targets import as_stored
from specialize.students.student import Shape, is_encoder_decoder, shape_of
from specialize.tokens import Tokenizer, load_tokenizer
from specialize.train.collate import make_batch
from specialize.train.preparation import open_targets
from specialize.train.session import prepare_rows

_IGNORED = -100  # the label of positions that no loss reads, as in transformers


class TargetsDataset(Dataset[Row]):
    """The responses of a store of targets as rows: prompt, target tokens, a distribution for each.

    Args:
        path: a finished store of targets.
        student: directory or hub id of the model that is trained, or of its tokenizer.
        prompts: what the student is asked, by example id; None: what the teacher was asked.
        keep: ``correct`` responses only, or ``all``.

    Raises:
        StoreError: the store is damaged or unfinished.
        ConfigurationError: it is not one of targets in the student's vocabulary, a prompt is
            missing, or the teacher's was a chat.
        NothingPassedError: no response is left.
    """

    def __init__(
        self,
        path: str | Path,
        student: str,
        *,
        prompts: Mapping[str, str] | None = None,
        keep: Literal["correct", "all"] = "correct",
    ) -> None:
        path, self.tokenizer = Path(path), load_tokenizer(student)
        store, eos = open_targets(path, path.name, self.tokenizer), self.tokenizer.eos
        if eos is None:
            raise ConfigurationError(f"tokenizer {self.tokenizer.name} has no end of sequence")
        samples = [s for s in store if keep == "all" or s.response.correct]
        samples = [s for s in samples if s.response.text.strip()]
        if not samples:
            raise NothingPassedError(f"no response of {path} is left with keep={keep!r}")
        asked = [_prompt(sample.response, prompts, path) for sample in samples]
        ends = is_encoder_decoder(student)
        encoded = self.tokenizer.encode_prompts(asked, eos=ends)
        self.rows: Sequence[Row] = [
            Row(sample.response.key, 0, np.array(ids, np.int32), *as_stored(sample.content(), eos))
            for sample, ids in zip(samples, encoded, strict=True)
        ]

    @classmethod
    def of_run(cls, run: str | Path) -> TargetsDataset:
        """The rows that ``run`` trains on: every objective in its own format, hard rows too."""
        recipe = recorded_recipe(Path(run))
        made = cls.__new__(cls)
        made.tokenizer = load_tokenizer(recipe.student)
        made.rows = tuple(prepare_rows(recipe, Path(run)).rows)  # loaders copy it to their workers
        return made

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> Row:
        return self.rows[position]


class Targets(TypedDict):
    """The teacher's entries of the N target tokens of a batch.

    ``positions`` (N,) says where in the flattened logits (B x T) they are predicted; ``ids`` and
    ``logprobs`` are (N, K), ``tail`` is (N,): see ``sparse_kl``.
    """

    positions: Tensor
    ids: Tensor
    logprobs: Tensor
    tail: Tensor


@dataclass(frozen=True, slots=True, init=False)
class TargetsCollator:
    """Rows -> a model's inputs, ``labels`` as transformers counts them, and ``targets``.

    Args:
        model: the student, encoder-decoder or causal.
        tokenizer: the dataset's.
        tail: what becomes of the teacher's mass outside its entries.
    """

    shape: Shape  # encoder-decoder or causal, with the ids that a batch is padded with
    tail: Tail

    def __init__(
        self, model: PreTrainedModel, tokenizer: Tokenizer, *, tail: Tail = "bucket"
    ) -> None:
        object.__setattr__(self, "shape", shape_of(model, tokenizer))
        object.__setattr__(self, "tail", tail)

    def __call__(self, rows: Sequence[Row]) -> dict[str, Tensor | Targets]:
        """``input_ids`` and ``attention_mask`` (B, S), ``labels``, ``targets``, and for an
        encoder-decoder ``decoder_input_ids`` (B, T)."""
        objectives = 1 + max(row.objective for row in rows)
        batch = make_batch(rows, self.shape, objectives=objectives, tail=self.tail)
        inputs, positions = batch.input_ids, batch.positions
        made: dict[str, Tensor | Targets] = {}
        if batch.decoder_input_ids is not None:
            assert batch.attention_mask is not None, "an encoder-decoder's prompts have one"
            mask = batch.attention_mask
            labels = torch.full_like(batch.decoder_input_ids, _IGNORED)
            labels.view(-1)[positions] = batch.labels
            made["decoder_input_ids"] = batch.decoder_input_ids
        else:  # one column more: the last target, which nothing is predicted from
            row, column = positions // inputs.shape[1], positions % inputs.shape[1]
            inputs = torch.nn.functional.pad(inputs, (0, 1), value=self.shape.pad)
            read = torch.tensor([len(one.prompt_ids) + len(one.target_ids) - 1 for one in rows])
            mask = (torch.arange(inputs.shape[1]) < read[:, None]).long()
            inputs[row, column + 1], mask[row, column + 1] = batch.labels, 1
            labels = torch.full_like(inputs, _IGNORED)
            labels[row, column + 1] = batch.labels
            positions = row * inputs.shape[1] + column
        made |= {"input_ids": inputs, "attention_mask": mask, "labels": labels}
        made["targets"] = Targets(
            positions=positions, ids=batch.ids, logprobs=batch.logprobs, tail=batch.tail
        )
        return made


def targets_loss(
    logits: Tensor, targets: Targets, num_items_in_batch: Tensor | int | None = None
) -> Tensor:
    """KL(teacher || student) in nats: the batch's sum over the number of target tokens.

    Args:
        logits: (B, T, V) of the model that a collator's batch was given to.
        targets: the batch's ``targets``.
        num_items_in_batch: target tokens of the whole optimizer step, as ``Trainer`` counts
            them; None: those of this batch.

    Returns:
        A scalar with a gradient, nats a target token.
    """
    found = logits.flatten(0, 1).index_select(0, targets["positions"])
    tail = targets["tail"]
    nats, tokens = sparse_kl(
        found, targets["ids"], targets["logprobs"], tail, torch.ones_like(tail)
    )
    return nats / (tokens if num_items_in_batch is None else num_items_in_batch)


def _prompt(response: Response, prompts: Mapping[str, str] | None, path: Path) -> str:
    if prompts is None:
        if isinstance(response.prompt, str):
            return response.prompt
        raise ConfigurationError(
            f"{path}: example {response.example_id!r} was asked in a chat; give what the student "
            f"is asked as prompts"
        )
    if response.example_id not in prompts:
        raise ConfigurationError(
            f"prompts has nothing for example {response.example_id!r} of {path}"
        )
    return prompts[response.example_id]
