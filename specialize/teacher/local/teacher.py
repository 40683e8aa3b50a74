"""A teacher that runs here: a causal or encoder-decoder model of the transformers library.

    teacher = load_teacher("gpt2-medium")
    teacher.sample(["Q: ...\\nLet's think step by step\\n"], [7], Sampling(max_new_tokens=256))

Weights are read from safetensors only; code of a repository is run only on request. Arithmetic is
float32 unless asked otherwise; log-probabilities are always taken in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice

import torch
from transformers import PreTrainedModel

from specialize.errors import TeacherError
from specialize.models.batches import each_batch
from specialize.models.context import context_length
from specialize.records import Prompt
from specialize.teacher.framing import PromptReader, given_ids
from specialize.teacher.local.decode import head_groups
from specialize.teacher.local.load import Loaded, load_model
from specialize.teacher.local.sample import Request, sample_batch
from specialize.teacher.local.score import Given, batches_of, score_batch
from specialize.teacher.protocol import Sampling, ScoredText, TeacherDescription
from specialize.tokens import Tokenizer

BATCH_ROWS = 128
BATCH_TOKENS = 32_768  # padded tokens of prompts and texts
# Logits of one scoring batch: 64 MiB in a processor's memory, where fresh pages cost more than the
# arithmetic, 1 GiB on a GPU.
_LOGITS = {"cpu": 1 << 24, "cuda": 1 << 28}


def load_teacher(
    path_or_id: str,
    *,
    revision: str | None = None,
    dtype: str = "float32",
    device: str | None = None,
    trust_remote_code: bool = False,
    batch_rows: int = BATCH_ROWS,
) -> LocalTeacher:
    """The teacher in a local directory or a repository on the hub.

    Args:
        revision: of a repository; None: its main branch.
        dtype: of the weights, ``float32``, ``bfloat16`` or ``float16``.
        device: None: a GPU where there is one.
        trust_remote_code: run the code that comes with the model; a repository's needs its commit
            as ``revision``.

    Raises:
        ConfigurationError: code to be trusted at no fixed commit.
        InputError: the directory is missing or damaged.
        TeacherError: the hub does not give it, or its weights do not fill the model.
    """
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    loaded = load_model(
        path_or_id,
        revision=revision,
        dtype=dtype,
        device=chosen,
        trust_remote_code=trust_remote_code,
    )
    return LocalTeacher(loaded, batch_rows=batch_rows)


class LocalTeacher:
    """A model and its tokenizer behind the ``Teacher`` protocol."""

    def __init__(self, loaded: Loaded, *, batch_rows: int = BATCH_ROWS) -> None:
        self._model: PreTrainedModel = loaded.model.eval()
        self._tokenizer = loaded.tokenizer
        ended = loaded.model.config.is_encoder_decoder and loaded.tokenizer.eos is not None
        self._reader = PromptReader(loaded.tokenizer, eos=ended)
        self._rows = batch_rows
        self._context = context_length(loaded.model.config)
        width = loaded.model.get_output_embeddings().weight.shape[0]
        if width < loaded.tokenizer.size:
            raise TeacherError(
                f"teacher {loaded.name}: the model writes {width} ids, but its tokenizer has "
                f"{loaded.tokenizer.size}; model and tokenizer are not of one teacher"
            )
        self._description = TeacherDescription(
            name=loaded.name,
            revision=loaded.revision,
            dtype=loaded.dtype,
            tokenizer=loaded.tokenizer.name,
            fingerprint=loaded.tokenizer.fingerprint,
            vocabulary_size=width,
            arithmetic=f"{loaded.model.device.type}, {batch_rows} rows a batch",
        )

    @property
    def description(self) -> TeacherDescription:
        return self._description

    @property
    def tokenizer(self) -> Tokenizer:
        return self._tokenizer

    @property
    def continues(self) -> bool:
        return not self._model.config.is_encoder_decoder

    @property
    def context(self) -> int | None:
        """A model with relative positions only has no bound."""
        return self._context

    def prompt_tokens(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        """What the model reads of each prompt: the tokenizer's own frame is added."""
        return self._reader.read(prompts)

    def sample(
        self, prompts: Sequence[Prompt], seeds: Sequence[int], settings: Sampling
    ) -> list[ScoredText]:
        """Draw one text per prompt. Samples of one prompt should be adjacent: it is read once.

        Raises:
            TeacherError: a prompt leaves no room in the model's context.
        """
        requests = [
            Request(ids, seed, self._room(i, ids, settings))
            for i, (ids, seed) in enumerate(zip(self.prompt_tokens(prompts), seeds, strict=True))
        ]
        batches = list(self._batches([request.prompt for request in requests]))

        def answered(number: int) -> list[ScoredText]:
            asked = [requests[i] for i in batches[number]]
            return sample_batch(self._model, self._tokenizer, asked, settings)

        drawn: dict[int, ScoredText] = {}
        for number, texts in each_batch(self._model, answered, len(batches)):
            drawn |= dict(zip(batches[number], texts, strict=True))
        return [drawn[i] for i in range(len(requests))]

    def score(
        self, prompts: Sequence[Prompt], texts: Sequence[str], settings: Sampling
    ) -> list[ScoredText]:
        """The rows of given texts, and that of the end after each.

        Raises:
            TeacherError: a text is empty, or does not fit into the model's context.
        """
        given = self._given(prompts, texts)
        device, width = self._model.device.type, self._description.vocabulary_size
        positions = max(1, _LOGITS.get(device, _LOGITS["cpu"]) // width)
        scored: dict[int, ScoredText] = {}
        for batch in batches_of(given, rows=self._rows, tokens=BATCH_TOKENS, positions=positions):
            texts_here = [given[i] for i in batch]
            rows = score_batch(self._model, texts_here, settings, positions=positions)
            scored |= dict(zip(batch, rows, strict=True))
        return [scored[i] for i in range(len(given))]

    def _batches(self, prompts: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
        """Indices by common beginning, longest prompts first."""
        groups = head_groups(prompts) if self.continues else [0] * len(prompts)
        order = sorted(range(len(prompts)), key=lambda i: (groups[i], -len(prompts[i]), i))
        for _, group in groupby(order, key=groups.__getitem__):
            while batch := list(islice(group, self._rows)):
                yield batch

    def _room(self, index: int, prompt: tuple[int, ...], settings: Sampling) -> int:
        if self.context is None:
            return settings.max_new_tokens
        left = self.context - len(prompt)
        # an encoder-decoder's text has positions of its own
        room = left if self.continues or left < 0 else self.context
        if room < 1:
            raise TeacherError(
                f"prompt {index} has {len(prompt)} tokens, which leaves no room in the teacher's "
                f"context of {self.context}; use fewer demonstrations or leave the example out"
            )
        return min(settings.max_new_tokens, room)

    def _given(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Given]:
        """Ids of prompt and text; an encoder-decoder's text is read alone. Both have their end."""
        if self.continues:
            pairs = given_ids(self._reader, prompts, texts)
        else:
            alone = self._tokenizer.encode_batch(list(texts))
            pairs = list(zip(self.prompt_tokens(prompts), map(tuple, alone), strict=True))
        width = self._description.vocabulary_size
        given, ends = [], tuple(end for end in self._tokenizer.ends if end < width)
        for i, (head, text) in enumerate(pairs):
            if not text:
                raise TeacherError(f"text {i} is empty, so there is nothing to score")
            tokens = text + ends[:1]
            longest = len(head) + len(tokens) if self.continues else max(len(head), len(tokens))
            if self.context is not None and longest > self.context:
                raise TeacherError(
                    f"prompt and text {i} have {len(head)} + {len(tokens)} tokens, more than the "
                    f"teacher's context of {self.context}; leave the example out"
                )
            given.append(Given(head, tokens, texts[i], ends))
        return given
