"""Small tokenizers of our own under the chat templates of published models.

Each carries the control tokens that its template writes, special or plain as in the model, over one
of three vocabularies: bytes with learnt merges, other merges, or SentencePiece with byte fallback.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from specialize.tokens import Tokenizer as Loaded
from specialize.tokens import load_tokenizer
from tests.support.teacher_toys import temporary_folder

TEMPLATES = Path(__file__).parents[1] / "data" / "chat_templates"
TEXTS = [
    "He has 3 + 4 = 7 apples.\nThe answer is 7",
    "She earns 12 * 5 = $60 an hour, not 70.\n\nThe answer is 60",
    "Zoë reads 10 pages a day for 9 days: 90 pages. It is «ninety».",
]


@dataclass(frozen=True, slots=True)
class Family:
    """One template and the tokens around it.

    Attributes:
        end: what the model writes where its turn is over.
        special: control tokens that the tokenizer calls special.
        plain: control tokens that it does not, such as the marks of thinking.
        vocabulary: ``bytes``, ``other bytes`` or ``pieces``.
        bos: the first token, or empty.
        eos: the end of sequence; in a chat another token may end the turn.
        refuses: what the template does not take: ``system``, or nothing.
    """

    end: str
    special: tuple[str, ...]
    plain: tuple[str, ...] = ()
    vocabulary: str = "bytes"
    bos: str = ""
    eos: str = "<|endoftext|>"
    refuses: str = ""


_CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_THINK = ("<think>", "</think>")
_HEADERS = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
_GEMMA = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
_DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>")
_SPEAKERS = ("<｜User｜>", "<｜Assistant｜>")
_MISTRAL = ("<s>", "</s>", "[INST]", "[/INST]")
_HARMONY = ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>", "<|call|>")
_GRANITE = ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>")

FAMILIES = {
    "qwen3": Family("<|im_end|>", _CHATML, _THINK, eos="<|im_end|>"),
    "qwen2_5": Family("<|im_end|>", _CHATML, eos="<|im_end|>", vocabulary="other bytes"),
    "smollm2": Family("<|im_end|>", _CHATML, eos="<|im_end|>"),
    "smollm3": Family("<|im_end|>", _CHATML, _THINK, vocabulary="other bytes"),
    "llama3": Family("<|eot_id|>", _HEADERS, bos="<|begin_of_text|>", eos="<|eot_id|>"),
    "gemma2": Family("<end_of_turn>", _GEMMA, vocabulary="pieces", bos="<bos>", eos="<eos>",
                     refuses="system"),
    "gemma3": Family("<end_of_turn>", _GEMMA, vocabulary="pieces", bos="<bos>", eos="<eos>"),
    "mistral_v3": Family("</s>", _MISTRAL, bos="<s>", eos="</s>", vocabulary="other bytes"),
    "mistral_v7": Family("</s>", (*_MISTRAL, "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"), bos="<s>",
                         eos="</s>"),
    "phi3_5": Family("<|end|>", ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>",
                                 "<|end|>"), vocabulary="pieces"),
    "phi4": Family("<|im_end|>", (*_CHATML, "<|im_sep|>"), bos="<|endoftext|>", eos="<|im_end|>"),
    "olmo2": Family("<|endoftext|>", _CHATML, vocabulary="other bytes",
                    bos="<|endoftext|>"),
    "deepseek_r1_distil": Family(_DEEPSEEK[1], _DEEPSEEK, (*_SPEAKERS, *_THINK), bos=_DEEPSEEK[0],
                                 eos=_DEEPSEEK[1]),
    "deepseek_v3_1": Family(_DEEPSEEK[1], _DEEPSEEK, (*_SPEAKERS, *_THINK), bos=_DEEPSEEK[0],
                            eos=_DEEPSEEK[1], vocabulary="other bytes"),
    "gpt_oss": Family("<|return|>", ("<|startoftext|>", "<|endoftext|>", *_HARMONY),
                      bos="<|startoftext|>", eos="<|return|>"),
    "granite3_3": Family("<|end_of_text|>", _GRANITE, eos="<|end_of_text|>",
                         vocabulary="other bytes"),
}  # fmt: skip


def write_family(folder: Path, name: str) -> Path:
    """The tokenizer's files, with the template, in ``folder``."""
    family = FAMILIES[name]
    backend = Tokenizer.from_str(_vocabulary(family.vocabulary))
    backend.add_special_tokens([AddedToken(t, normalized=False) for t in family.special])
    backend.add_tokens([AddedToken(t, special=False, normalized=False) for t in family.plain])
    folder.mkdir(parents=True)
    backend.save(str(folder / "tokenizer.json"))
    named = {"bos_token": family.bos, "eos_token": family.eos}
    config = {"tokenizer_class": "PreTrainedTokenizerFast"} | {k: v for k, v in named.items() if v}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    template = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


@cache
def family_tokenizer(name: str) -> Loaded:
    """The tokenizer of family ``name``, read once by each process."""
    return load_tokenizer(write_family(temporary_folder() / name, name))


@cache
def _vocabulary(kind: str) -> str:
    if kind == "pieces":
        return _pieces()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300 if kind == "bytes" else 345, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(TEXTS if kind == "bytes" else [t.upper() for t in TEXTS] + TEXTS,
                                trainer)  # fmt: skip
    return backend.to_str()


def _pieces() -> str:
    letters = sorted(set("".join(TEXTS)) - {" ", "\n", "ë"})
    words = ["▁apples", "▁answer", "▁The", "▁is", "▁has", "he", "▁pages"]
    scores = [("<unk>", 0.0), *((f"<0x{byte:02X}>", -12.0) for byte in range(256))]
    scores += [(letter, -6.0) for letter in ["▁", *letters]] + [(word, -4.0) for word in words]
    backend = Tokenizer(models.Unigram(scores, unk_id=0, byte_fallback=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return backend.to_str()
