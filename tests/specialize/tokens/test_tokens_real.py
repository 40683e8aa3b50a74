"""The published vocabularies, on all questions and solutions of GSM8K."""

from __future__ import annotations

import base64
import json
import random
from functools import cache
from pathlib import Path

import pytest
import sentencepiece

from specialize.tokens import load_tokenizer
from tests.reference.tokens import rank_encode

pytestmark = pytest.mark.realdata

# Hard cases; a combining mark after a ligature is read otherwise by the library and is left out.
ALPHABET = "abc ABC 123 $%<>{}\\\n\t½ﬁ²… éè你好😀\u00a0\u3000\u200b▁  .,'/\x01\x7f"


load = cache(load_tokenizer)


@pytest.fixture(scope="module", params=[3, pytest.param(1, marks=pytest.mark.slow)])
def texts(data_dir: Path, request: pytest.FixtureRequest) -> list[str]:
    """Questions, answers and hard texts; of the first two every N-th."""
    lines = (data_dir / "gsm8k" / "train.jsonl").read_text().splitlines()
    rng = random.Random(0)
    hard = ["".join(rng.choices(ALPHABET, k=rng.randrange(30))) for _ in range(3_000)]
    records = [json.loads(line) for line in lines]
    some = records[:: request.param]
    return [r["question"] for r in some] + [r["answer"] for r in some] + hard


@pytest.mark.parametrize(
    ("folder", "file", "size"),
    [("t5", "spiece.model", 32_100), ("mistral", "tokenizer.model.v1", 32_000)],
)
def test_sentencepiece_itself_agrees(
    data_dir: Path, texts: list[str], folder: str, file: str, size: int
) -> None:
    tokenizer = load(data_dir / "tokenizers" / folder)
    model = sentencepiece.SentencePieceProcessor(
        model_file=str(data_dir / "tokenizers" / folder / file)
    )
    assert tokenizer.size == size
    ids = model.encode(texts)
    assert tokenizer.encode_batch(texts) == ids
    known = [tokens for tokens in ids[::5] if tokenizer.unk not in tokens]
    assert [tokenizer.decode(tokens) for tokens in known] == model.decode(known)


def test_p50k_agrees_with_the_rule(data_dir: Path, texts: list[str]) -> None:
    tokenizer = load(data_dir / "tokenizers" / "tiktoken")
    lines = (data_dir / "tokenizers" / "tiktoken" / "p50k_base.tiktoken").read_text().splitlines()
    ranks = {base64.b64decode(t): int(r) for t, r in (line.split() for line in lines)}
    spaces = [f"x{' ' * n}{'y' * (n % 2)}" for n in range(100)]
    cache: dict[str, list[int]] = {}
    for text, ids in zip(texts[::4], tokenizer.encode_batch(texts[::4]), strict=True):
        assert ids == rank_encode(text, ranks, cache)
    assert tokenizer.encode_batch(spaces) == [rank_encode(t, ranks, cache) for t in spaces]
    assert (tokenizer.size, tokenizer.eos) == (50_281, 50_256)


@pytest.mark.parametrize(
    ("path", "size", "hello"),
    [
        ("gpt2", 50_257, [15496, 995]),
        ("tiktoken/p50k_base.tiktoken", 50_281, [15496, 995]),
        ("neox/20B_tokenizer.json", 50_277, [12092, 1533]),
        ("t5/spiece.model", 32_100, [8774, 296]),
        ("mistral/tokenizer.model.v1", 32_000, [22557, 1526]),
    ],
)
def test_known_encodings(data_dir: Path, path: str, size: int, hello: list[int]) -> None:
    tokenizer = load(data_dir / "tokenizers" / path)
    assert tokenizer.size == size
    assert tokenizer.encode("Hello world") == hello
    assert tokenizer.vocabulary().folds == path.startswith("t5")


@pytest.mark.parametrize("path", ["gpt2", "neox/20B_tokenizer.json", "tiktoken"])
def test_bytes_come_back(data_dir: Path, texts: list[str], path: str) -> None:
    tokenizer = load(data_dir / "tokenizers" / path)
    for text, ids in zip(texts[::20], tokenizer.encode_batch(texts[::20]), strict=True):
        assert b"".join(tokenizer.pieces(ids)) == text.encode()
        assert tokenizer.decode(ids) == text


def test_t5_roles_and_pieces(data_dir: Path) -> None:
    t5 = load(data_dir / "tokenizers" / "t5")
    assert (t5.eos, t5.pad, t5.unk) == (1, 0, 2)
    ids = t5.encode("She earns $12.\n<<3*4=12>> </s>")
    assert t5.pieces(ids)[:6] == [b" She", b" earn", b"s", b" $12", b".", b" "]
    assert 0 < t5.unknown_share(ids) < 0.3
    assert 1 not in ids
