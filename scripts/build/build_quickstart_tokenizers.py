"""Build the vocabularies of the bundled tiny teachers and student from the text they will read.

The teacher's is GPT-2's kind (byte-level BPE, numbers are one token up to about 80), the second
teacher's Llama's (SentencePiece BPE that spells what it lacks in bytes), the student's T5's
(unigram pieces, folded whitespace, single digits, no newline and a few symbols missing), so that
one text is three different sequences, as with the published models.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import sentencepiece
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

END = "<|endoftext|>"
UNKNOWN_TO_STUDENT = set("<{}~\\^\n")
TEACHER_PIECES, SECOND_PIECES, STUDENT_PIECES = 600, 600, 190


def teacher_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE with GPT-2's pattern: numbers become tokens of several digits."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TEACHER_PIECES,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        pad_token=END,
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )


def second_teacher_tokenizer(texts: list[str], folder: Path) -> None:
    """Write ``tokenizer.model``: SentencePiece BPE with byte fallback, as Llama's."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(" ".join(text.split()) for text in texts),
        model_writer=model,
        model_type="bpe",
        vocab_size=SECOND_PIECES,
        byte_fallback=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        num_threads=1,
        minloglevel=2,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"add_bos_token": True, "bos_token": "<s>", "eos_token": "</s>"}, indent=2)
        + "\n"
    )


def student_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Unigram pieces in T5's manner: whitespace folded, digits single, some symbols unknown."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    words: Counter[str] = Counter()
    for text in texts:
        # numbers of one digit only, so that no piece is spent on longer ones
        plain = tokenizer.normalizer.normalize_str(re.sub(r"(\d)\d+", r"\1", text))
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(plain):
            words.update(re.findall(r"▁?(?:[A-Za-z]+|[^A-Za-z▁])|▁", word))  # marks stand alone
    tokenizer.model = models.Unigram(_keep(unigram_pieces(words)), unk_id=2, byte_fallback=False)
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )


def unigram_pieces(words: Counter[str]) -> list[tuple[str, float]]:
    """Pieces and log-probabilities by hard EM (Kudo 2018, arXiv:1804.10959), pruned by count.

    The trainer of ``tokenizers`` leaves out the commonest words of so small a world.
    """
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for start in range(len(word)):
            for end in range(start + 1, min(len(word), start + 12) + 1):
                counts[word[start:end]] += count
    letters = {letter for word in words for letter in word}
    size = 8 * STUDENT_PIECES
    while True:
        kept = set(sorted(counts, key=lambda piece: (-counts[piece], piece))[:size]) | letters
        total = sum(counts.values())
        pieces = [(piece, float(np.log(max(counts[piece], 0.5) / total))) for piece in sorted(kept)]
        if size == STUDENT_PIECES:
            return sorted(pieces, key=lambda piece: (-piece[1], piece[0]))
        model = models.Unigram(pieces, unk_id=None, byte_fallback=False)
        counts = Counter()
        for word, count in words.items():
            for token in model.tokenize(word):
                counts[token.value] += count
        size = max(STUDENT_PIECES, size * 3 // 4)


def _keep(trained: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """The trained pieces without the unknown symbols and numbers of several digits."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    taken = {piece for piece, _ in special}
    kept = []
    for piece, score in trained:
        digits = sum(letter.isdigit() for letter in piece)
        single = digits == 0 or (digits == 1 and piece.lstrip("▁").isdigit())
        if piece not in taken and single and not UNKNOWN_TO_STUDENT & set(piece):
            kept.append((piece, score))
    taken |= {piece for piece, _ in kept}
    lowest = min(score for _, score in kept)
    printable = [chr(code) for code in range(33, 127) if chr(code) not in UNKNOWN_TO_STUDENT]
    digits = [f"▁{digit}" for digit in "0123456789"]
    rest = [piece for piece in ["▁", *digits, *printable] if piece not in taken]
    kept += [(piece, lowest - 1.0 - 0.01 * i) for i, piece in enumerate(rest)]
    return special + kept
