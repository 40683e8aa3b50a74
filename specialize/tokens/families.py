r"""How families of byte-level tokenizers split a text before they merge, and what else is theirs.

    "It's 1234"   GPT-2  It|'s| 1234      cl100k, Llama 3  It|'s| |123|4      Qwen  It|'s| |1|2|3|4

A vocabulary and its merges do not say this. The split patterns are those of the families' own
public definitions: openai/tiktoken (openai_public.py), meta-llama/llama3 (tokenizer.py), Qwen
(tokenization_qwen.py) and, for ``vocab.json`` with ``merges.txt``, transformers, where the class
named in ``tokenizer_config.json`` decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from specialize.tokens.definition import Json

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_GAPS = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K_SPLIT = (
    _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + _GAPS
)
QWEN_SPLIT = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + _GAPS
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K_SPLIT = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTIONS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTIONS}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + _GAPS
)


@dataclass(frozen=True, slots=True)
class Family:
    """What a byte-level vocabulary leaves unsaid.

    Attributes:
        split: the pattern of the parts that are merged on their own.
        composes: whether the text is put into Unicode's form NFC first.
        front: the special token before every text.
    """

    split: str
    composes: bool = False
    front: str | None = None


GPT2 = Family(GPT2_SPLIT)
_QWEN2 = Family(QWEN_SPLIT, composes=True)
_BY_CLASS = {
    "GPT2Tokenizer": GPT2,
    "CodeGenTokenizer": GPT2,
    "RobertaTokenizer": Family(GPT2_SPLIT, front="<s>"),
    "BartTokenizer": Family(GPT2_SPLIT, front="<s>"),
    "LongformerTokenizer": Family(GPT2_SPLIT, front="<s>"),
    "LEDTokenizer": Family(GPT2_SPLIT, front="<s>"),
    "Qwen2Tokenizer": _QWEN2,
}
_BY_MODEL = {
    "gpt2": GPT2,
    "gpt_neo": GPT2,
    "gptj": GPT2,
    "codegen": GPT2,
    "phi": GPT2,
    "opt": Family(GPT2_SPLIT, front="</s>"),
    "roberta": _BY_CLASS["RobertaTokenizer"],
    "bart": _BY_CLASS["BartTokenizer"],
    "longformer": _BY_CLASS["LongformerTokenizer"],
    "led": _BY_CLASS["LEDTokenizer"],
    "qwen2": _QWEN2,
    "qwen2_moe": _QWEN2,
    "qwen2_vl": _QWEN2,
    "qwen2_5_vl": _QWEN2,
    "qwen3": _QWEN2,
    "qwen3_moe": _QWEN2,
}


def named_family(
    configuration: Mapping[str, Json], model: Mapping[str, Json]
) -> tuple[Family | None, str | None]:
    """The family of a vocabulary with merges, and by which name it is known.

    Args:
        configuration: the content of ``tokenizer_config.json``, empty where there is none.
        model: that of ``config.json``.

    Returns:
        (None, None) where neither names one, (None, name) where the name is not known.
    """
    kind = model.get("model_type")
    if isinstance(kind, str) and kind in _BY_MODEL:
        return _BY_MODEL[kind], kind
    written = configuration.get("tokenizer_class")
    if isinstance(written, str):
        return _BY_CLASS.get(written.removesuffix("Fast")), written
    return None, kind if isinstance(kind, str) else None
