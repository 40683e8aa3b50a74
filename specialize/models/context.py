"""How many tokens a model can read: one rule for dumps, scoring and evaluation."""

from __future__ import annotations

from transformers import PreTrainedConfig

_KEYS = ("max_position_embeddings", "n_positions")


def context_length(config: PreTrainedConfig) -> int | None:
    """Most tokens that a model can read (causal: read and write); None: no limit is built in.

    A model with relative positions (T5) has none, whatever its configuration says beside them.
    """
    text = config.get_text_config(decoder=True).to_dict()
    values = {**config.to_dict(), **{k: v for k, v in text.items() if v is not None}}
    if "relative_attention_num_buckets" in values:
        return None
    return next((v for key in _KEYS if isinstance(v := values.get(key), int) and v > 0), None)
