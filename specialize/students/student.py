"""Students: loading, saving, and their logits at target positions.

The only file that knows an encoder-decoder (T5) from a causal model (GPT-2, Llama, Qwen). Both
answer the same question: the logits (N, V) at the N target tokens of a batch, one row after the
other, without padding. The model's own output projection is given only those N positions, so that
no [B, T, V] tensor exists and the model's own loss is never computed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from specialize.config.training import Lora
from specialize.errors import ConfigurationError, InputError, first_line
from specialize.io.gguf_file import is_gguf
from specialize.models.gguf import gguf_config
from specialize.models.weights import read_weights
from specialize.students.ends import agree_on_ends
from specialize.students.lora import add_adapters, has_adapters, merged_state, save_adapters
from specialize.tokens import Tokenizer

Precision = Literal["fp32", "bf16"]

_WIDE = 100_000  # from here on logits are not worth their memory
_HELD = 1 << 28  # logits of a micro-batch that are held at once: 1 GiB in float32
DROPOUT = ("dropout_rate", "dropout", "attn_pdrop", "resid_pdrop", "embd_pdrop",
            "attention_dropout", "activation_dropout")  # fmt: skip
_TOKENIZER_FILES = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "spiece.model",
                    "sentencepiece.bpe.model", "vocab.json", "merges.txt", "encoder.json",
                    "vocab.bpe", "*.tiktoken", "chat_template*")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """How prompt and target become a model's input; all that batches need to know of a model."""

    encoder_decoder: bool
    pad: int
    start: int  # what the decoder reads before the first target token; unused by causal models
    vocabulary: int  # width of the logits, at least the tokenizer's size


class Student(nn.Module):
    """A model that is asked for its logits at target positions.

    ``forward`` is what a wrapper for several processes calls; weights stay in float32, and with
    ``bf16`` the computation is in bfloat16.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        shape: Shape,
        precision: Precision,
        *,
        fused: bool = False,
        fusible: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.shape = shape
        self.precision = precision
        self.fused, self.fusible = fused, fused or fusible
        self._positions: Tensor | None = None
        self._states: Tensor | None = None
        head = model.get_output_embeddings()
        if head is None:
            raise ConfigurationError(f"{type(model).__name__} has no output projection to train")
        head.register_forward_pre_hook(self._keep_positions)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        decoder_input_ids: Tensor | None,
        positions: Tensor,
        position_ids: Tensor | None = None,
    ) -> Tensor:
        """Logits (N, V); where it ``fuses`` the states (N, d) that the output projection reads.

        Args:
            input_ids, attention_mask: (B, S); for a causal model prompt and target together.
            decoder_input_ids: (B, T), None for a causal model.
            positions: (N,) int64 into the B x T (causal: B x S) positions, row by row.
            position_ids: (B, S) of packed rows, which then need no attention mask.
        """
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "use_cache": False}
        if decoder_input_ids is not None:
            inputs["decoder_input_ids"] = decoder_input_ids
        if position_ids is not None:
            inputs["position_ids"] = position_ids
        self._positions = positions
        half = self.precision == "bf16"
        try:
            with torch.autocast(input_ids.device.type, torch.bfloat16, enabled=half):
                logits = self.model(**inputs).logits
                return logits if self._states is None else self._states
        finally:
            self._positions = self._states = None

    def _keep_positions(self, _: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor] | None:
        """Give the output projection the wanted positions only."""
        if self._positions is None:
            return None
        states = inputs[0].flatten(0, 1).index_select(0, self._positions)
        if self.fuses(len(self._positions)):
            self._states = states.bfloat16() if self.precision == "bf16" else states
            return (states[:0],)  # no logits at all
        return (states,)

    def fuses(self, positions: int) -> bool:
        """Whether the logits of these positions would be too large, so that states are given."""
        return self.fused or (self.fusible and positions * self.shape.vocabulary > _HELD)

    @property
    def projection(self) -> Tensor:
        """The output projection (V, d)."""
        return self.model.get_output_embeddings().weight

    def save(self, folder: Path, state: Mapping[str, Tensor] | None = None) -> None:
        """Write weights (safetensors) and configuration; ``state`` when they were gathered."""
        own = None
        if state is not None:
            # tied weights that were gathered no longer share memory: each is kept once
            once = {name for name, _ in (*self.named_parameters(), *self.named_buffers())}
            own = {k.removeprefix("model."): v for k, v in state.items() if k in once}
        if has_adapters(self.model):
            save_adapters(self.model, folder)
            own = merged_state(self.model)
        with without_bars():
            self.model.save_pretrained(folder, state_dict=own)


def load_student(
    path_or_id: str | Path,
    tokenizer: Tokenizer,
    *,
    precision: Precision = "fp32",
    dropout: float | None = None,
    lora: Lora | None = None,
    seed: int = 0,
) -> Student:
    """The model in a directory, a GGUF file or a hub repository, ready to be trained.

    Args:
        tokenizer: the student's; its size must fit the model's output.
        precision: ``fp32`` or ``bf16``.
        dropout: replaces every dropout rate of the model; None keeps them.
        lora: adapters, which alone are trained; None: every weight is. seed: of the adapters.

    Raises:
        ConfigurationError: a precision that does not work, or a tokenizer that does not fit.
        InputError: no model there, or one whose safetensors weights are not all there.
    """
    config = _load_config(path_or_id)
    if precision not in ("fp32", "bf16"):
        why = "float16 overflows in T5" if "t5" in config.model_type else "it is not supported"
        raise ConfigurationError(
            f"precision {precision!r} for student {path_or_id}: {why}; use bf16 or fp32"
        )
    if dropout is not None:
        config.update({name: dropout for name in DROPOUT if name in config.to_dict()})
    model = load_model(path_or_id, config=config)
    shape = shape_of(model, tokenizer)
    agree_on_ends(model, tokenizer, str(path_or_id))
    fusible = projects_plainly(model)
    if lora is not None:
        add_adapters(model, lora, seed=seed)
        fusible = fusible and not has_adapters(model.get_output_embeddings())
    wide = shape.vocabulary >= _WIDE
    return Student(model, shape, precision, fused=fusible and wide, fusible=fusible)


def projects_plainly(model: PreTrainedModel) -> bool:
    """Whether logits are states times projection, with no bias, cap or scale after it."""
    seen: list[Tensor] = []
    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    token = torch.zeros(1, 1, dtype=torch.long, device=model.device)
    decoder = {"decoder_input_ids": token} if model.config.is_encoder_decoder else {}
    try:
        with torch.no_grad():
            logits = model(input_ids=token, use_cache=False, **decoder).logits
    finally:
        hook.remove()
    return torch.allclose(logits, seen[0] @ head.weight.T, rtol=1e-4, atol=1e-5)


def is_encoder_decoder(path_or_id: str | Path) -> bool:
    """Whether prompt and target are two texts (T5) or one (a causal model)."""
    return bool(_load_config(path_or_id).is_encoder_decoder)


def load_model(
    path_or_id: str | Path,
    *,
    config: PreTrainedConfig | None = None,
    dtype: torch.dtype = torch.float32,
) -> PreTrainedModel:
    """A seq2seq or causal model from safetensors or GGUF, never from code that comes with it.

    Raises:
        InputError: no model there, or one whose safetensors weights are not all there.
    """
    name = path_or_id
    model, missing = read_weights(name, config or _load_config(name), dtype=dtype)
    if missing:
        raise InputError(
            f"model {name} lacks {len(missing)} of its weights, the first is {missing[0]}; its "
            f"files are incomplete, and random numbers would take their place"
        )
    return model


def _load_config(path_or_id: str | Path) -> PreTrainedConfig:
    if is_gguf(path_or_id):
        return gguf_config(Path(path_or_id))
    try:
        return AutoConfig.from_pretrained(path_or_id, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(f"no usable model at {path_or_id}: {first_line(error)}") from error


@contextmanager
def without_bars() -> Iterator[None]:
    """Silence the library's own bars, which would break up ours."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def shape_of(model: PreTrainedModel, tokenizer: Tokenizer) -> Shape:
    """What batches need to know of ``model``.

    Raises:
        ConfigurationError: the tokenizer has more ids than the model has logits.
    """
    config = model.config
    width = model.get_output_embeddings().weight.shape[0]
    if tokenizer.size > width:
        raise ConfigurationError(
            f"tokenizer {tokenizer.name} has {tokenizer.size} ids but the student has {width} "
            f"logits; they do not belong together"
        )
    pad = tokenizer.pad if tokenizer.pad is not None else tokenizer.eos
    start = config.decoder_start_token_id if config.is_encoder_decoder else pad
    if pad is None or start is None:
        raise ConfigurationError(
            f"student of type {config.model_type} has no padding or decoder start token; name "
            f"pad_token in tokenizer_config.json and decoder_start_token_id in config.json"
        )
    return Shape(bool(config.is_encoder_decoder), pad, start, width)


def copy_tokenizer(source: str | Path, tokenizer: Tokenizer, folder: Path) -> None:
    """Copy the tokenizer's files of a local ``source``; else write those of ``tokenizer``."""
    found = []
    if Path(source).is_dir():
        found = sorted({f for name in _TOKENIZER_FILES for f in Path(source).glob(name)})
    for file in found:
        if file.is_file():
            shutil.copyfile(file, folder / file.name)
    if not found:
        tokenizer.save(folder)
