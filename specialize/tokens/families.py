r"""How families of byte-level tokenizers split a text before they merge, and what else is theirs.

    "It's 1234"   GPT-2  It|'s| 1234      cl100k, Llama 3  It|'s| |123|4      Qwen  It|'s| |1|2|3|4

A vocabulary and its merges do not say this. The split patterns are those of the families' own
public definitions: openai/tiktoken (openai_public.py), meta-llama/llama3 (tokenizer.py), Qwen
(tokenization_qwen.py) and, for ``vocab.json`` with ``merges.txt``, transformers, where the class
named in ``tokenizer_config.json`` decides. A GGUF file names its family by a word of llama.cpp's
(``tokenizer.ggml.pre``; src/llama-vocab.cpp in ggml-org/llama.cpp tells which words mean the same).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from specialize.tokens.definition import Json

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_GAPS = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K_SPLIT = (
    _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + _GAPS
)
QWEN_SPLIT = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + _GAPS
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
QWEN35_SPLIT = QWEN_SPLIT.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(
    r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]"
)
O200K_SPLIT = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTIONS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTIONS}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + _GAPS
)
TEKKEN_SPLIT = O200K_SPLIT.replace(f"{_CONTRACTIONS}?", "").replace(r"\p{N}{1,3}", r"\p{N}")


@dataclass(frozen=True, slots=True)
class Family:
    """What a byte-level vocabulary leaves unsaid.

    Attributes:
        split: the pattern of the parts that are merged on their own.
        composes: whether the text is put into Unicode's form NFC first.
        front: the special token before every text.
        before: patterns that part the text, one after another, before ``split`` parts the parts.
        whole_first: a part that is a token is that token, whatever the merges make of it.
    """

    split: str
    composes: bool = False
    front: str | None = None
    before: tuple[str, ...] = ()
    whole_first: bool = False


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


_BEGIN = "<s>"  # the begin of any family: a GGUF file has its id
_DIGITS = Family(GPT2_SPLIT, before=(r"\p{N}",))
_LLAMA3 = Family(CL100K_SPLIT, front=_BEGIN, whole_first=True)
_TEKKEN = Family(TEKKEN_SPLIT, front=_BEGIN, whole_first=True)
_O200K = Family(O200K_SPLIT)
_DEEPSEEK3 = Family(
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*" + _GAPS,
    before=(r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
)  # deepseek-ai/DeepSeek-V3, tokenizer.json
_BY_GGUF_NAME: Mapping[str, Family] = {
    **dict.fromkeys(("gpt-2", "phi-2", "roberta-bpe"), GPT2),
    **dict.fromkeys(("mpt", "olmo"), Family(GPT2_SPLIT, composes=True)),  # GPT-NeoX's
    **dict.fromkeys(("smollm", "starcoder", "refact", "codeshell"), _DIGITS),
    "command-r": replace(_DIGITS, composes=True),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral", "lfm2"), _LLAMA3),
    **dict.fromkeys(("dbrx", "smaug-bpe", "glm4", "chatglm-bpe"), Family(CL100K_SPLIT)),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen"), _QWEN2),
    "qwen35": Family(QWEN35_SPLIT, composes=True),
    "tekken": _TEKKEN,
    **dict.fromkeys(("gpt-4o", "llama4"), _O200K),
    "deepseek-v3": _DEEPSEEK3,
}
GGUF_NAMES = tuple(sorted(_BY_GGUF_NAME))


def gguf_family(name: str) -> Family | None:
    """The family that a GGUF file names; None where the name is not known.

    Its ``front`` only says whether a text begins with the begin token of the file.
    """
    return _BY_GGUF_NAME.get(name)


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
