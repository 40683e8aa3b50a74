"""What the columns of a public set of log-probabilities are, and the sets that are known.

Layout("top_values", "logits", "token_ids", segments="attention_mask")     arcee-405b
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from specialize.errors import ConfigurationError
from specialize.imports.placed_rows import Beside

Values = Literal["logits", "logprobs", "probs", "weights"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column is what.

    Attributes:
        values: the values of the entries, [R][K]; of the tokens alone, [R], where ``ids`` is None.
        kind: what they are.
        ids: of the entries, [R][K]; None: only the tokens' own values are there.
        tokens: [T].
        beside: which token a row is of.
        segments: [T] one number a text, or a mask; None: a record is one text.
        normalizer: [R] the logarithm of the sum over all logits; None: there is none.
        prompt: the text that the tokens answer; None: it is among the tokens, or there is none.

    A column inside another is named with a dot, ``metadata.response_tokens``.
    """

    values: str
    kind: Values
    ids: str | None
    tokens: str = "input_ids"
    beside: Beside = "next"
    segments: str | None = None
    normalizer: str | None = None
    prompt: str | None = None

    @property
    def columns(self) -> list[str]:
        """The columns of numbers."""
        named = (self.tokens, self.ids, self.values, self.segments, self.normalizer)
        return [name for name in named if name is not None]

    @property
    def all_columns(self) -> list[str]:
        """The columns of numbers, and that of the prompt."""
        return [*self.columns, *([self.prompt] if self.prompt is not None else [])]


PRESETS = {
    # arcee-ai/LLama-405B-Logits
    "arcee-405b": Layout("top_values", "logits", "token_ids", segments="attention_mask"),
    # daslab-testing/Apertus-8B-2509-microQAT-logits: exponentials of logits
    "apertus": Layout("exp_logits", "weights", "index"),
    # Alibaba-Apsara/Superior-Reasoning-SFT-gpt-oss-120b-Logprob: sampled tokens alone
    "alibaba": Layout("logprobs", "logprobs", None, tokens="token_ids", beside="own"),
    # NVIDIA/NeMo-Aligner, examples/nlp/synthetic_data_gen/compute_topk_logits.py
    "nemo-aligner": Layout(
        "topk_logits", "logits", "topk_token_ids", tokens="labels", beside="own",
        segments="loss_mask", normalizer="log_sum_exp_logits",
    ),
    # what ``export --format dataset`` and ``--push-to-hub`` write, and its parquet files
    "specialize": Layout(
        "topk_logprob", "logprobs", "topk_id", tokens="token_id", beside="own", prompt="prompt"
    ),
    # Lightning OPD (arXiv:2604.13010), data_curation/prepare_lightning_opd.py: rollouts of a
    # student with the teacher's value of each token
    "lightning-opd": Layout(
        "metadata.teacher_log_probs", "logprobs", None, tokens="metadata.response_tokens",
        beside="own", prompt="prompt",
    ),
}  # fmt: skip


def named_layout(
    preset: str | None,
    *,
    ids: str | None = None,
    values: str | None = None,
    kind: str | None = None,
    tokens: str | None = None,
    beside: str | None = None,
    segments: str | None = None,
    normalizer: str | None = None,
    prompt: str | None = None,
) -> Layout:
    """The layout ``preset`` with what else is named in place of its own.

    Raises:
        ConfigurationError: no such preset, or without one no values or no kind of them.
    """
    if preset is not None and preset not in PRESETS:
        raise ConfigurationError(f"no preset {preset!r}; there are: {', '.join(PRESETS)}")
    if preset is None and (values is None or kind is None):
        raise ConfigurationError("name --values and --as, or a --preset; --ids where there are any")
    if kind is not None and kind not in get_args(Values):
        raise ConfigurationError(f"values are {', '.join(get_args(Values))}, not {kind!r}")
    if beside is not None and beside not in get_args(Beside):
        raise ConfigurationError(f"rows are {', '.join(get_args(Beside))}, not {beside!r}")
    base = PRESETS[preset] if preset is not None else Layout(values or "", "logprobs", ids)
    return replace(
        base,
        values=values or base.values,
        kind=cast(Values, kind) if kind else base.kind,
        ids=ids or base.ids,
        tokens=tokens or base.tokens,
        beside=cast(Beside, beside) if beside else base.beside,
        segments=segments or base.segments,
        normalizer=normalizer or base.normalizer,
        prompt=prompt or base.prompt,
    )
