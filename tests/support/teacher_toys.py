"""Tiny teachers with their own vocabularies, saved as a model directory would be."""

from __future__ import annotations

import atexit
import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from specialize.records import Example

END = "<|endoftext|>"
TURNS = ("<start_of_turn>", "<end_of_turn>")
RATIONALES = [
    ("Tom has 3 apples and buys 4.", "He has 3 + 4 = 7 apples.", "7"),
    ("Ann earns $12 an hour for 5 hours.", "She earns 12 * 5 = $60.\nThat is all.", "60"),
    ("A box holds 24 eggs; half break.", "24 / 2 = 12 eggs break.\n24 - 12 = 12 are left.", "12"),
    ("Zoë reads 10 pages a day for 9 days.", "10 * 9 = 90 pages.", "90"),
]


def examples(count: int = 4) -> list[Example]:
    """``count`` questions; every fourth is the same but for its first number."""
    made = []
    for i in range(count):
        question, rationale, answer = RATIONALES[i % len(RATIONALES)]
        asked = f"{question} Case {i}?"
        made.append(Example(f"toy/train/{i:05d}", asked, answer, rationale=rationale))
    return made


def _texts() -> list[str]:
    texts = [f"Q: {q}\nLet's think step by step\n{r}\nThe answer is {a}" for q, r, a in RATIONALES]
    return [*texts, "A: Question: Case 0 1 2 3 4 5 6 7 8 9?"] * 3


def byte_level(path: Path, *, bos: bool = False, turns: bool = False) -> PreTrainedTokenizerFast:
    """A small byte-level tokenizer; ``turns`` adds the control tokens of a chat."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = [END, *(["<s>"] if bos else []), *(TURNS if turns else [])]
    trainer = trainers.BpeTrainer(
        vocab_size=360, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)
    fast.save_pretrained(path)
    return fast


def unigram(path: Path) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator([text.replace("\n", " ") for text in _texts()], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    fast.save_pretrained(path)
    return fast


def temporary_folder() -> Path:
    """A folder for as long as the process lasts."""
    path = Path(mkdtemp(prefix="specialize-toys-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _folder(name: str) -> Path:
    path = temporary_folder() / name
    path.mkdir()
    return path


@cache
def gpt2() -> Path:
    """A random GPT-2 of 2 layers whose weights are large enough for texts to differ."""
    path = _folder("gpt2")
    tokenizer = byte_level(path)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer) + 3, n_positions=256, n_embd=32, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(path)
    return path


def with_turns(path: Path, *, special: bool) -> Path:
    """A random GPT-2 with three ends; that of its template is a special token or a plain one."""
    tokenizer = byte_level(path, turns=True)
    torch.manual_seed(3)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=256, n_embd=32, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    model.generation_config.eos_token_id = [0, tokenizer.convert_tokens_to_ids("7")]
    model.save_pretrained(path)
    template = "{% for m in messages %}{{ m.role }}{{ m.content }}<end_of_turn>{% endfor %}"
    (path / "chat_template.jinja").write_text(template)
    if not special:
        content = json.loads((path / "tokenizer.json").read_text())
        for token in content["added_tokens"]:
            token["special"] = token["content"] != "<end_of_turn>"
        (path / "tokenizer.json").write_text(json.dumps(content))
    return path


CHAT = (
    "{% for m in messages %}<start_of_turn>{{ m.role }}\n{{ m.content | trim }}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>assistant\n"
    "{% if brief %}Brief: {% endif %}{% endif %}"
)


def _save_random_gpt2(path: Path, size: int, *, seed: int) -> None:
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=size, n_positions=512, n_embd=32, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(path)


@cache
def chat() -> Path:
    """A random GPT-2 whose template ends turns with another token than its end of sequence."""
    path = _folder("chat")
    tokenizer = byte_level(path, turns=True)
    _save_random_gpt2(path, len(tokenizer), seed=4)
    (path / "chat_template.jinja").write_text(CHAT)
    return path


THINKING = (
    "{% for m in messages %}<start_of_turn>{{ m.role }}\n"
    "{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}"
    "{{ m.content }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>assistant\n"
    "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% elif opened %}<think>\n{% endif %}"
    "{% endif %}"
)


@cache
def thinking() -> Path:
    """As ``chat``, with marks for thinking that are tokens but not special ones, as in Qwen3."""
    path = _folder("thinking")
    tokenizer = byte_level(path, turns=True)
    tokenizer.add_tokens([AddedToken(tag, normalized=False) for tag in ("<think>", "</think>")])
    tokenizer.save_pretrained(path)
    _save_random_gpt2(path, len(tokenizer), seed=5)
    (path / "chat_template.jinja").write_text(THINKING)
    return path


@cache
def llama() -> Path:
    """A random Llama with rotary positions, grouped heads and a beginning of sequence."""
    path = _folder("llama")
    tokenizer = byte_level(path, bos=True)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
        bos_token_id=1, eos_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(path)
    return path


@cache
def t5() -> Path:
    """A random T5 with a unigram vocabulary without newline."""
    path = _folder("t5")
    tokenizer = unigram(path)
    torch.manual_seed(2)
    config = T5Config(
        vocab_size=len(tokenizer) + 4, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, tie_word_embeddings=False,
        initializer_factor=0.4,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(path)
    return path
